"""What was on a real machine before the lab: as a value, so that it can be kept, and held against what is there now."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any

from labctl.model.value import Value, as_dict
from labctl.model.values import Address, Link, Route, Rule, Ruleset

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TABLES = ("filter", "nat", "mangle", "raw", "security")
POLICY = "policy of FORWARD"
"""Among the values: what is no sysctl."""


class Baseline(Value):
    """A node before the lab. `links` are told by their index: a name may change hands, an index of one boot does not.

    `values` are the old ones of what a lab sets for the whole node: sysctls by their names, and the `POLICY`. `files`
    are paths and kinds, below the folders in which a lab writes; `cloud` names the routes of the cloud network.
    """

    boot: str
    links: tuple[Link, ...] = ()
    addresses: tuple[Address, ...] = ()
    routes: tuple[Route, ...] = ()
    tables: tuple[tuple[str, Ruleset], ...] = ()
    values: tuple[tuple[str, str], ...] = ()
    files: tuple[tuple[str, str], ...] = ()
    cloud: tuple[str, ...] = ()

    def has_link(self, link: Link) -> bool:
        """Tell whether this very link was there, whatever it is called now."""
        return any(each.index == link.index and each.kind == link.kind for each in self.links)

    def table(self, name: str) -> Ruleset:
        """One table of the packet filter."""
        return dict(self.tables).get(name, Ruleset())

    def kind_of(self, path: str) -> str:
        """What was at a path; empty if nothing."""
        return dict(self.files).get(canonical(path), "")

    def new_rules(self, table: str, now: Ruleset) -> tuple[int, ...]:
        """The places, among all rules of a table, of those that came since."""
        return tuple(sorted(at for chain in _chains(now) for at in _new_in(self.table(table), now, chain)))

    def without(self, table: str, now: Ruleset) -> Ruleset:
        """A table without the rules and the chains that were there before; what is built in stays."""
        kept = set(self.new_rules(table, now))
        old = dict(self.table(table).policies)
        policies = tuple((chain, policy) for chain, policy in now.policies if policy != "-" or chain not in old)
        return Ruleset(policies, tuple(rule for at, rule in enumerate(now.rules) if at in kept))


def canonical(path: str) -> str:
    """A path without the link that /var/run is."""
    return path.removeprefix("/var") if path.startswith("/var/run/") else path


def _chains(now: Ruleset) -> tuple[str, ...]:
    return tuple(dict.fromkeys(rule.chain for rule in now.rules))


def _new_in(before: Ruleset, now: Ruleset, chain: str) -> list[int]:
    """The places of the rules of one chain that are no part of what the two have in common, in order."""
    places = [at for at, rule in enumerate(now.rules) if rule.chain == chain]
    old, new = [rule.words for rule in before.of(chain)], [now.rules[at].words for at in places]
    start, end = _common_ends(old, new)
    matcher = SequenceMatcher(None, old[start : len(old) - end], new[start : len(new) - end], autojunk=False)
    known = {start + block.b + at for block in matcher.get_matching_blocks() for at in range(block.size)}
    middle = range(start, len(new) - end)
    return [places[at] for at in middle if at not in known]


def _common_ends(old: Sequence[object], new: Sequence[object]) -> tuple[int, int]:
    """How many are equal from the beginning, and of the rest from the end: comparing thousands is dear."""
    most = min(len(old), len(new))
    start = next((at for at in range(most) if old[at] != new[at]), most)
    end = next((at for at in range(most - start) if old[-1 - at] != new[-1 - at]), most - start)
    return start, end


def to_json(baseline: Baseline) -> dict[str, Any]:
    """Spell it for a file."""
    return {
        **as_dict(baseline),
        **{name: [as_dict(each) for each in getattr(baseline, name)] for name in ("links", "addresses", "routes")},
        "tables": {
            name: {"policies": table.policies, "rules": [[rule.chain, *rule.words] for rule in table.rules]}
            for name, table in baseline.tables
        },
    }


def from_json(data: Mapping[str, Any]) -> Baseline:
    """Read what `to_json` spelled; one of several errors if it is anything else."""
    tables = {
        name: Ruleset(
            tuple((chain, policy) for chain, policy in table["policies"]),
            tuple(Rule(chain, tuple(words)) for chain, *words in table["rules"]),
        )
        for name, table in data["tables"].items()
    }
    return Baseline(
        boot=data["boot"],
        links=tuple(Link(**each) for each in data["links"]),
        addresses=tuple(Address(**each) for each in data["addresses"]),
        routes=tuple(Route(**each) for each in data["routes"]),
        tables=tuple(tables.items()),
        values=tuple((name, value) for name, value in data["values"]),
        files=tuple((path, kind) for path, kind in data["files"]),
        cloud=tuple(data["cloud"]),
    )
