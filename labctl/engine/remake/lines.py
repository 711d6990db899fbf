"""From what a place has to what it should have, as lines for `ip -batch`; pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

ROUTE = re.compile(
    r"(?P<kind>\w+) (?P<destination>\S+) via (?P<via>\S+) dev (?P<dev>\S+) src (?P<src>\S+) "
    r"table (?P<table>\d+) proto (?P<proto>\w+) metric (?P<metric>\d+)"
)
"""A route as a snapshot spells it."""


def port_lines(now: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """Plug ports in and out, bring links up and down; both are the `links` of a place."""
    lines = []
    for name, link in wanted.items():
        old = now.get(name)
        if old is None:
            continue
        if link["master"] != old["master"]:
            lines.append(f"link set dev {name} " + (f"master {link['master']}" if link["master"] else "nomaster"))
        if link["master"] and (link["hairpin"] != old["hairpin"] or link["master"] != old["master"]):
            lines.append(f"link set dev {name} type bridge_slave hairpin {'on' if link['hairpin'] else 'off'}")
        if link["up"] != old["up"]:
            lines.append(f"link set dev {name} {'up' if link['up'] else 'down'}")
    return lines


def address_lines(now: list[str], wanted: list[str]) -> list[str]:
    """Take away and give addresses."""

    def spell(verb: str, line: str) -> str:
        label, _, cidr = line.rpartition(" ")
        device, colon, _ = label.partition(":")
        return f"addr {verb} {cidr} dev {device}" + (f" label {label}" if colon and verb == "add" else "")

    return _changes(now, wanted, spell)


def route_lines(now: list[str], wanted: list[str], *, onlink: bool) -> list[str]:
    """Take away and add routes, those without a next hop first: the others need them."""
    wanted = sorted(wanted, key=lambda line: " via - " not in line)
    return _changes(now, wanted, lambda verb, line: _spell_route(verb, line, onlink=onlink))


def neighbour_lines(now: list[str], wanted: list[str], real: Callable[[str], str]) -> list[str]:
    """Forget and note permanent neighbours; `real` puts a MAC for its owner's name."""

    def spell(verb: str, line: str) -> str:
        device, address, mac = line.split(" ", 2)
        if verb == "del":
            return f"neigh del {address} dev {device}"
        return f"neigh replace {address} lladdr {real(mac)} dev {device} nud permanent"

    return _changes(now, wanted, spell)


def _changes(now: Iterable[str], wanted: Iterable[str], spell: Callable[[str, str], str]) -> list[str]:
    now, wanted = list(now), list(wanted)
    gone = [spell("del", line) for line in now if line not in wanted]
    return gone + [spell("add", line) for line in wanted if line not in now]


def _spell_route(verb: str, line: str, *, onlink: bool) -> str:
    route = ROUTE.fullmatch(line)
    if route is None:
        raise ValueError(f"no route: {line}")
    words = ["route", verb, route["kind"], route["destination"]]
    words += [word for key in ("via", "dev", "src") if route[key] != "-" for word in (key, route[key])]
    words += ["table", route["table"], "proto", route["proto"] or "boot"]
    if route["metric"] != "0":
        words += ["metric", route["metric"]]
    if verb == "add" and route["kind"] == "unicast":
        if route["via"] == "-":
            words += ["scope", "link"]
        elif onlink:
            words.append("onlink")
    return " ".join(words)
