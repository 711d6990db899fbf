"""Texts for `iptables-restore --noflush`: what makes the rules of some Services, and what takes them away."""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING

from labctl.model.service_chains import JUMPS, NODE_PORTS, SERVICES, TABLES, portal_rules, refusing_rules, shared_rules

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from labctl.model.service_chains import Portal, Rules
    from labctl.resources.service_reading.remove import Removal

_PIECE = 100


def wanted_rules(portals: Iterable[Portal], cluster_range: str) -> dict[str, tuple[Rules, Rules]]:
    """By table: the chains that are the portals' own, and what the portals add to the shared ones."""
    portals = tuple(portals)
    return {"nat": portal_rules(portals, cluster_range), "filter": ({}, refusing_rules(portals))}


def spell_load(
    wanted: Mapping[str, tuple[Rules, Rules]],
    removals: Mapping[str, Removal],
    texts: Mapping[str, Mapping[str, list[str]]],
    *,
    shared: bool,
) -> str:
    """Spell what makes it from whatever is there (`texts`, as `split_save` gives it).

    One transaction a table: what was there before in the place of these rules goes in the same moment.
    """
    lines: list[str] = []
    for table in TABLES:
        own, added = wanted[table]
        common = shared_rules(table) if shared else {}
        found, removal = texts.get(table, {}), removals.get(table)
        filled = {**own, **{chain: _whole(chain, added, common, found, removal) for chain in common}}
        body = [*_declare(filled, removal), *_delete(removal, frozenset(filled))]
        if shared:
            body += _jump(table, found, removal)
        else:
            body += [f"-I {chain} {text}" for chain, rules in added.items() for text in reversed(rules)]
        body += [f"-A {chain} {text}" for chain in sorted(filled) for text in filled[chain]]
        body += _discard(removal, frozenset(filled))
        if body:
            lines += [f"*{table}", *body, "COMMIT"]
    return "\n".join([*lines, ""])


def spell_removal(removals: Mapping[str, Removal]) -> str:
    """Spell what takes it away."""
    lines: list[str] = []
    for table, removal in removals.items():
        if removal:
            nothing: frozenset[str] = frozenset()
            body = [*_declare({}, removal), *_delete(removal, nothing), *_discard(removal, nothing)]
            lines += [f"*{table}", *body, "COMMIT"]
    return "\n".join([*lines, ""])


def _whole(
    chain: str, added: Rules, common: Rules, found: Mapping[str, list[str]], removal: Removal | None
) -> list[str]:
    """A shared chain from its first rule to its last: that of the node ports must stay the last one."""
    ours = {*added.get(chain, ()), *common[chain], *(removal.rules.get(chain, ()) if removal else ())}
    keeps = chain in (SERVICES, NODE_PORTS) and not (removal and chain in removal.chains)
    others = [text for text in found.get(chain, ()) if text not in ours] if keeps else []
    return [*added.get(chain, ()), *others, *common[chain]]


def _declare(filled: Rules, removal: Removal | None) -> list[str]:
    """A chain that is declared is made, or emptied."""
    return [f":{chain} - [0:0]" for chain in _order({*filled, *(removal.chains if removal else ())})]


def _order(names: Iterable[str]) -> Iterator[str]:
    """The order of names, but in pieces of which the middle ones come first.

    iptables-nft-restore looks for the place of each new chain from the last one, and is quick where they come in order;
    iptables-nft-save sorts what it gets from the kernel, and is slow where that was in order already.
    """
    ordered = sorted(names)
    pieces = [ordered[start : start + _PIECE] for start in range(0, len(ordered), _PIECE)]
    halves = deque([(0, len(pieces))])
    while halves:
        first, end = halves.popleft()
        if first < end:
            middle = (first + end) // 2
            yield from pieces[middle]
            halves += [(first, middle), (middle + 1, end)]


def _delete(removal: Removal | None, emptied: frozenset[str]) -> list[str]:
    if not removal:
        return []
    return [f"-D {chain} {text}" for chain, rules in removal.rules.items() if chain not in emptied for text in rules]


def _discard(removal: Removal | None, kept: frozenset[str]) -> list[str]:
    return [f"-X {chain}" for chain in sorted(removal.chains - kept)] if removal else []


def _jump(table: str, found: Mapping[str, list[str]], removal: Removal | None) -> list[str]:
    """Put the jumps first, each once."""
    lines: list[str] = []
    for chain, text in JUMPS[table]:
        going = set(removal.rules.get(chain, ())) if removal else set()
        lines += [f"-D {chain} {text}"] * (Counter(found.get(chain, ()))[text] if text not in going else 0)
    return [*lines, *(f"-I {chain} {text}" for chain, text in reversed(JUMPS[table]))]
