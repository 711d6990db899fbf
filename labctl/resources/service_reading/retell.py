"""The way of a connection to a Service through a node's rules, told rule by rule, with what each has counted so far."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from labctl.model.iptables_save import split_save
from labctl.resources.service_reading.line import Line, read_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from labctl.model.service_chains import Portal

_COUNTED = re.compile(r"^\[(\d+):\d+\] -A (\S+)", re.MULTILINE)
_WHOLE = 1.0
_DEEPEST = 8


def retell(saved: str, portal: Portal, names: Mapping[str, str]) -> tuple[str, ...]:
    """Tell it from what `iptables-save -c -t nat` printed: each rule that is about a portal, below who leads to it.

    The table nat sees the first packet of each connection only, so what is counted are connections. `names` are the
    pods, by address. Nothing is told where no rule is about the portal.
    """
    chains = _read(saved)
    told = [*_tell(chains, "PREROUTING", portal, names, set(), 0)]
    if not any(portal.address in text for _, text in told):
        return ()
    told += _tell(chains, "POSTROUTING", portal, names, set(), 0)
    width = max(len(count) for count, _ in told)
    return tuple(f"{count:>{width}}  {text}".rstrip() for count, text in told)


def _read(saved: str) -> dict[str, list[tuple[int, Line]]]:
    """The rules by chain, each with its count."""
    counts: dict[str, list[int]] = {}
    for packets, chain in _COUNTED.findall(saved):
        counts.setdefault(chain, []).append(int(packets))
    texts = split_save(_COUNTED.sub(r"-A \2", saved)).get("nat", {})
    return {
        chain: list(zip(counts.get(chain, ()), (read_line(chain, text) for text in rules), strict=True))
        for chain, rules in texts.items()
    }


def _tell(  # noqa: PLR0913, PLR0917 (what it tells of, and where it is)
    chains: Mapping[str, list[tuple[int, Line]]],
    chain: str,
    portal: Portal,
    names: Mapping[str, str],
    told: set[str],
    depth: int,
) -> Iterator[tuple[str, str]]:
    yield "", f"{'  ' * depth}{chain}"
    told.add(chain)
    for count, line in chains.get(chain, ()):
        if not _is_on_the_way(line, portal):
            continue
        deeper = line.target in chains and line.target not in told and depth < _DEEPEST
        yield str(count), f"{'  ' * depth}  {_spell(line, names)}"
        if deeper:
            yield from list(_tell(chains, line.target, portal, names, told, depth + 1))[1:]


def _is_on_the_way(line: Line, portal: Portal) -> bool:
    """Leave out what is about another Service, about the node port, or about the world."""
    address = line.value("-d").partition("/")
    port = line.value("--dport")
    if line.value("--dst-type") or (port and not line.value("-d") and int(port or 0) != portal.port):
        return False
    if line.chain == "POSTROUTING" and line.target == "MASQUERADE":
        return False
    return not address[0] or address[2] != "32" or address[0] == portal.address


def _spell(line: Line, names: Mapping[str, str]) -> str:
    # In the chain of one Service everything is for its address: what is said again there is the source.
    tests = [each for each in line.tests if each[0] == "-s"] or line.tests
    said = [_spell_test(name, value, negated=negated) for name, negated, value in tests]
    if line.chance < _WHOLE:
        said.append(f"1 in {1 / line.chance:.0f}" if line.chance else "never")
    if line.target == "DNAT":
        target = line.argument("--to-destination")
        name = names.get(target.partition(":")[0], "")
        what = f"DNAT to {target}{f' ({name})' if name else ''}"
    else:
        what = line.target
    return " ".join(filter(None, (*said, "->", what)))


def _spell_test(name: str, value: str, *, negated: bool) -> str:
    value = value.removesuffix("/32")
    words = {"-s": "from", "-d": "to", "--dport": "port", "-i": "in by", "-o": "out by", "--mark": "marked"}
    if name not in words:
        return ""
    return f"{'not ' if negated else ''}{words[name]} {value.partition('/')[0] if name == '--mark' else value}"
