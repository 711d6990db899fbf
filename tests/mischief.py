"""What may have become of a lab: steps done, half done and undone, lines typed by hand, things deleted. By a seed."""

from __future__ import annotations

from contextlib import closing, suppress
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Literal

from labctl.engine.course import nodes_of
from labctl.errors import LabError
from tests.faulty_kernel import FaultyAgent
from tests.lab_under_test import STEPS

if TYPE_CHECKING:
    from labctl.model.lab import Lab, Node
    from tests.lab_under_test import LabUnderTest

# Single commands that a person may type on the master, whatever stands.
TAMPERING = (
    "ip link set cni0 down",
    "ip link del cni0",
    "ip addr flush dev cni0",
    "ip addr add 10.244.0.1/16 dev cni0",
    "ip addr add 10.244.1.1/24 dev cni0",
    "rm -f /var/lib/cni/networks/k8s/reserved",
    "sed -i '/ [ac]$/d' /var/lib/cni/networks/k8s/reserved",
    "echo 10.244.0.200 a >>/var/lib/cni/networks/k8s/reserved",
    "ln -sfT /proc/1/ns/net /run/netns/a",
    "rm -f /run/netns/*",
    "ip link del vetha",
    "ip link set vetha nomaster",
    "ip -n a link set eth0 name eth1",
    "ip -n a addr flush dev eth0",
    "ip -n a route replace default dev eth0",
    "echo {} >/var/lib/cni/results/k8s-a-eth0",
    "rm -rf /var/lib/cni",
    "iptables -F FORWARD",
    "iptables -P FORWARD ACCEPT",
    "iptables -A FORWARD -s 10.244.0.0/24 -j ACCEPT",
    "iptables -t nat -F",
    "iptables -t nat -A POSTROUTING -s 10.244.0.0/24 -j MASQUERADE",
    "gcloud compute routes delete k8s-master --quiet",
    "gcloud compute routes create mine --destination-range 10.244.1.0/24 --network k8s --next-hop-address 10.128.0.2",
    "kubectl config use-context lab",
    "kubectl config delete-context my-context",
    "kubectl config set-context mine --cluster=lab",
    "rm -rf /root/.kube",
    "echo {} >/root/.kube/config",
)

# Worse, on any node: what no step knows of. {first} is a container of it.
WRECKING = (
    "ip link del eth0",
    "ip link set eth0 down",
    "ip link set eth0 down; ip link set eth0 name wan0; ip link set wan0 up",
    "ip addr flush dev eth0",
    "ip route flush table main",
    "ip route add blackhole 192.0.2.0/24 metric 7; ip route add 198.51.100.0/24 dev lo table 7",
    "ip rule add to 203.0.113.10 lookup 7; ip rule del pref 32767",
    "ip link add other type bridge; ip link set other up; ip addr add 192.0.2.1/24 dev other",
    "ip link add x1 type veth peer name x2; ip link set x1 master cni0; ip link set x2 alias mine",
    "ip neigh replace 10.244.0.77 lladdr 02:00:00:00:00:07 dev eth0 nud permanent",
    "ip netns add elsewhere; ip link add y1 type veth peer name y2 netns elsewhere",
    "rm -f /run/netns/{first}; ip netns attach {first} ${{CNI_NETNS:-$$}}",
    "ip -n {first} link add z1 type veth peer name z2; ip -n {first} link set lo up",
    "nft flush ruleset",
    "nft add table ip mine; nft add chain ip mine c '{{ type filter hook forward priority 0; policy drop; }}'",
    "nft add table ip filter; nft add chain ip filter f '{{ type filter hook input priority -5; }}'",
    "iptables -N MINE; iptables -A MINE -m comment --comment 'two words' -j RETURN; iptables -A INPUT -j MINE",
    "iptables -t mangle -A FORWARD -j TTL --ttl-set 9; iptables -t raw -P PREROUTING DROP",
    "iptables-legacy -A FORWARD -s 192.0.2.0/24 -j DROP",
    "sysctl -qw net.ipv4.ip_forward=0",
    "sysctl -qw net.bridge.bridge-nf-call-iptables=0",
    "mkdir -p /var/lib/cni/deep/er; mkfifo /var/lib/cni/pipe; head -c 99 /dev/urandom >/var/lib/cni/deep/er/noise",
    "rm -rf /opt/cni/* /etc/cni/* /var/lib/cni; ln -s / /var/lib/cni",
    "echo '#!/bin/sh' >/opt/cni/bin/labnet; chmod 755 /opt/cni/bin/labnet",
    "setsid -f python3 -m http.server 8080 >/dev/null 2>&1; until ss -Hltn 'sport = 8080' | grep -q .; do :; done",
)
# Only a new world cures these.
DEADLY = (
    "kill -9 $(cut -d/ -f3 /run/labctl/containers/{first})",
    "rm -rf /etc/* /tmp/* /opt/* /run/* 2>/dev/null || true",
)


@dataclass(frozen=True)
class Act:
    """One thing done to a lab. `at` says at which operation an apply is killed."""

    kind: Literal["apply", "killed", "undo", "type"]
    node: str
    number: int = 0
    script: str = ""
    at: int = 0


def mischief(seed: int, lab: Lab, *, steps: tuple[int, ...] = STEPS, deadly: bool = True) -> tuple[Act, ...]:
    """Some acts with these steps; the same seed gives the same."""
    random = Random(seed)  # noqa: S311 (a test's, not a secret's)
    upto = random.choice(steps)
    acts = [Act("apply", "all", number) for number in range(upto)]
    for _ in range(random.randint(1, 6)):
        node = random.choice(lab.nodes)
        match random.choice(("apply", "killed", "undo", "script", "tamper", "wreck", "wreck", "deadly")):
            case "apply":
                acts.append(Act("apply", node.name, random.choice(steps)))
            case "killed":
                acts.append(Act("killed", node.name, random.choice(steps), at=random.randint(1, 6)))
            case "undo":
                acts.append(Act("undo", node.name, random.choice(steps)))
            case "script":
                acts.append(Act("type", node.name, random.choice(steps)))
            case "tamper":
                acts.append(Act("type", lab.nodes[0].name, script=random.choice(TAMPERING)))
            case other:
                lines = DEADLY if other == "deadly" and deadly else WRECKING
                line = random.choice(lines).format(first=node.containers[0].name)
                acts.append(Act("type", node.name, script=line))
    return tuple(acts)


def commit(lab: LabUnderTest, acts: tuple[Act, ...]) -> None:
    """Do all of it; what is refused is left."""
    for act in acts:
        lesson = lab.lesson(act.number)
        nodes = lab.lab.nodes if act.node == "all" else (lab.lab.node(act.node),)
        with suppress(LabError):
            lab.survey.refresh()
            _commit_one(lab, act, nodes_of(lesson, lab.lab, nodes))


def _commit_one(lab: LabUnderTest, act: Act, nodes: tuple[Node, ...]) -> None:
    lesson = lab.lesson(act.number)
    match act.kind:
        case "apply":
            lab.runner().apply(lesson, nodes)
        case "killed":
            with closing(FaultyAgent(lab.world.record, lab.lab)) as agent:
                agent.arm(act.at, after=True, kill=True)
                lab.runner(kernel=agent.kernel).apply(lesson, nodes)
        case "undo":
            lab.undoer().undo(lesson, nodes[0])
        case "type":
            lab.type(act.node, act.script or lab.script(act.number, nodes[0], "notes"))
