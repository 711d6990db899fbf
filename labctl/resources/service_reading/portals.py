"""The Services that a node's rules know: read from them alone, so that nothing is told that the kernel does not do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labctl.model.iptables_save import read_words, split_save
from labctl.model.service_chains import EXTERNAL, Backend, Portal
from labctl.model.value import replace
from labctl.resources.service_reading.line import Line, read_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_DEEPEST = 16

Lines = dict[str, tuple[Line, ...]]
Doors = dict[tuple[str, str], list[Line]]
"""Rules about a port of any address, by protocol and the name in kube-proxy's comment (empty: none)."""


def read_portals(saved: str) -> tuple[Portal, ...]:
    """Read what `iptables-save` printed: every port of every Service, in the order of the rules.

    A portal's name is `NAMESPACE/SERVICE:PORT` where the rule has kube-proxy's comment, else empty. One without
    endpoints is known by the rule that refuses it.
    """
    tables = split_save(saved)
    nat, refusing = _read(tables.get("nat", {})), _read(tables.get("filter", {}))
    doors = _doors(nat)
    portals = {
        (address, line.value("-p"), line.value("--dport")): portal
        for line in _each(nat)
        if (address := _address_of(line)) and (portal := _read_portal(nat, doors, line, address))
    }
    for line in _each(refusing):
        address = _address_of(line)
        if address and line.target == "REJECT":
            key = (address, line.value("-p"), line.value("--dport"))
            node_port = _refused_node_port(refusing, _name_of(line))
            portals.setdefault(key, Portal(_name_of(line), key[1], address, int(key[2]), (), node_port))
    return tuple(portals.values())


def _read(texts: Mapping[str, list[str]]) -> Lines:
    return {chain: tuple(read_line(chain, text) for text in rules) for chain, rules in texts.items()}


def _each(lines: Lines) -> Iterator[Line]:
    return (line for rules in lines.values() for line in rules)


def _address_of(line: Line) -> str:
    """The one address, of one port, that a rule is about; empty if it is about more."""
    address, _, prefix = line.value("-d").partition("/")
    return address if prefix == "32" and line.value("-p") and line.value("--dport").isdecimal() else ""


def _name_of(line: Line) -> str:
    """The first word of kube-proxy's comment."""
    words = read_words(line.text)
    comment = words[words.index("--comment") + 1] if "--comment" in words else ""
    name = comment.partition(" ")[0]
    return name if "/" in name else ""


def _doors(nat: Lines) -> Doors:
    """Gathered once: a node has as many rules as Services, and asking all for each would take for ever."""
    doors: Doors = {}
    for each in _each(nat):
        if not each.value("-d") and each.value("--dport").isdecimal():
            doors.setdefault((each.value("-p"), _name_of(each)), []).append(each)
    return doors


def _read_portal(nat: Lines, doors: Doors, line: Line, address: str) -> Portal | None:
    port = int(line.value("--dport"))
    backends = tuple(dict.fromkeys(_follow(nat, line, port)))
    if not backends:
        return None
    portal = Portal(_name_of(line), line.value("-p"), address, port, backends)
    names = (portal.name, "") if portal.name else tuple(name for _, name in doors)
    near = (each for name in names for each in doors.get((portal.protocol, name), ()))
    ports = (int(each.value("--dport")) for each in near if set(_follow(nat, each, port)) == set(backends))
    return replace(portal, node_port=next(ports, 0))


def _follow(nat: Lines, line: Line, port: int, depth: int = 0) -> Iterator[Backend]:
    """Where a rule sends connections in the end."""
    if line.target == "DNAT":
        address, _, number = line.argument("--to-destination").partition(":")
        yield Backend(address, int(number) if number.isdecimal() else port, line.chain)
    for each in nat.get(line.target, ()) if depth < _DEEPEST else ():
        yield from _follow(nat, each, port, depth + 1)


def _refused_node_port(refusing: Lines, name: str) -> int:
    ports = (each.value("--dport") for each in refusing.get(EXTERNAL, ()) if name and _name_of(each) == name)
    return next((int(port) for port in ports if port.isdecimal()), 0)
