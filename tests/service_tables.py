"""Rules for Services as text: what kube-proxy writes for a few, and what learners type in place of it."""

from __future__ import annotations

from labctl.model.iptables_save import split_save
from labctl.model.service_chains import Portal, make_backend
from labctl.resources.service_reading.judge import Judge, Where
from labctl.resources.service_reading.spell import spell_load, wanted_rules

NAME, VIP, RANGE = "mystuff/my-svc:http", "10.96.0.100", "10.244.0.0/16"
B, C, D = "10.244.0.3", "10.244.1.2", "10.244.1.3"
MASTER = Where("master", "10.128.0.2", "cni0", "10.244.0.254", "203.0.113.10", {B: "b"})


def portal(*addresses: str, name: str = NAME, vip: str = VIP, node_port: int = 30080) -> Portal:
    """A Service with endpoints."""
    return Portal(
        name, "tcp", vip, 80, tuple(make_backend(name, "tcp", address, 80) for address in addresses), node_port
    )


MINE = portal(B, C, D)


def load(*portals: Portal) -> str:
    """What makes them from nothing."""
    return spell_load(wanted_rules(portals, RANGE), {}, {}, shared=True)


def as_saved(text: str) -> str:
    """What the kernel holds after a text from nothing was loaded: jumps that were inserted come first."""
    lines: list[str] = []
    for section in text.split("*")[1:]:
        body = section.splitlines()
        inserted = [f"-A{line[2:]}" for line in reversed(body) if line.startswith("-I ")]
        built_in = dict.fromkeys(line.split(" ")[1] for line in inserted)
        lines += [f"*{body[0]}", *(f":{chain} ACCEPT [0:0]" for chain in built_in)]
        lines += [line for line in body if line.startswith(":")]
        lines += [*inserted, *(line for line in body if line.startswith("-A ")), "COMMIT"]
    return "\n".join([*lines, ""])


def saved(*portals: Portal) -> str:
    """What `iptables-save` prints where just their rules are."""
    return as_saved(load(*portals))


def typed(nat: str) -> str:
    """A table nat of lines, one a rule, each with its chain; chains are those that are named."""
    lines = [line.strip() for line in nat.strip().splitlines()]
    chains = dict.fromkeys(("PREROUTING", "OUTPUT", "POSTROUTING", *(line.split()[0] for line in lines)))
    declared = [f":{chain} - [0:0]" for chain in chains]
    return "\n".join(["*nat", *declared, *(f"-A {line}" for line in lines), "COMMIT", ""])


def problems(text: str, *portals: Portal) -> list[str]:
    """What is wrong with rules, looked at from master."""
    judge = Judge(MASTER, split_save(text))
    return [problem for each in portals or (MINE,) for problem in judge.problems(each)]
