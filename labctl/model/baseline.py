"""What was on a real machine before the lab: as a value, so that it can be kept, and held against what is there now."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from labctl.model.value import Value, as_dict, replace
from labctl.model.values import Address, Link, Route, Rule, Ruleset

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_Words: TypeAlias = "tuple[str, ...]"
_Tables: TypeAlias = "tuple[tuple[str, Ruleset], ...]"
_WithDevice = TypeVar("_WithDevice", Address, Route)
TABLES = ("filter", "nat", "mangle", "raw", "security")
POLICY = "policy of FORWARD"
"""Among the values: what is no sysctl."""


class Baseline(Value):
    """A node before the lab. `links` are told by their index: a name may change hands, an index of one boot does not.

    `values` are the old ones of what a lab sets for the whole node: sysctls by their names, and the `POLICY`. `files`
    are paths and kinds, below the folders in which a lab writes; `cloud` names the routes of the cloud network.
    `tables6` are the tables of ip6tables, and `nft` all that nft knows (`inet firewalld`); None where nobody could
    look, and so nothing may be said to have come since; so is `other`, the text of the backend that `iptables` is not.
    """

    boot: str
    links: tuple[Link, ...] = ()
    addresses: tuple[Address, ...] = ()
    routes: tuple[Route, ...] = ()
    tables: tuple[tuple[str, Ruleset], ...] = ()
    values: tuple[tuple[str, str], ...] = ()
    files: tuple[tuple[str, str], ...] = ()
    cloud: tuple[str, ...] = ()
    tables6: tuple[tuple[str, Ruleset], ...] | None = None
    nft: tuple[str, ...] | None = None
    other: str | None = None

    def has_link(self, link: Link) -> bool:
        """Tell whether this very link was there, whatever it is called now."""
        return any(each.index == link.index and each.kind == link.kind for each in self.links)

    def has_address(self, address: Address) -> bool:
        """Tell whether a link had this address; its label may have changed with the name of the link."""
        return any(_unlabelled(each) == _unlabelled(address) for each in self.addresses)

    def as_called_now(self, now: Mapping[int, str]) -> Baseline:
        """The same, with the names that its links have now, by index: a link may be renamed under the lab."""
        names = {each.name: now.get(each.index, each.name) for each in self.links}
        if all(old == new for old, new in names.items()):
            return self

        def rename(value: _WithDevice) -> _WithDevice:
            name, colon, label = value.device.partition(":")
            return replace(value, device=f"{names.get(name, name)}{colon}{label}")

        return replace(
            self,
            links=tuple(replace(each, name=names[each.name]) for each in self.links),
            addresses=tuple(rename(each) for each in self.addresses),
            routes=tuple(rename(each) for each in self.routes),
            values=tuple((_rename_in_path(path, names), value) for path, value in self.values),
        )

    def table(self, name: str, family: int = 4) -> Ruleset:
        """One table of the packet filter."""
        tables = self.tables if family == 4 else self.tables6 or ()  # noqa: PLR2004 (what it is called)
        return dict(tables).get(name, Ruleset())

    def kind_of(self, path: str) -> str:
        """What was at a path; empty if nothing."""
        return dict(self.files).get(canonical(path), "")

    def new_rules(self, table: str, now: Ruleset, family: int = 4) -> tuple[int, ...]:
        """The places, among all rules of a table, of those that came since."""
        return tuple(sorted(at for chain in _chains(now) for at in _new_in(self.table(table, family), now, chain)))

    def without(self, table: str, now: Ruleset, family: int = 4) -> Ruleset:
        """A table without the rules and the chains that were there before; what is built in stays."""
        kept = set(self.new_rules(table, now, family))
        old = dict(self.table(table, family).policies)
        policies = tuple((chain, policy) for chain, policy in now.policies if policy != "-" or chain not in old)
        return Ruleset(policies, tuple(rule for at, rule in enumerate(now.rules) if at in kept))


def _unlabelled(address: Address) -> Address:
    """An address by its link alone: `docker0:1` is a label of docker0 (netdevice(7))."""
    return replace(address, device=address.device.partition(":")[0])


def _rename_in_path(path: str, names: Mapping[str, str]) -> str:
    """The sysctl of a link that is called otherwise by now: `…/conf/NAME/forwarding`."""
    folder, slash, last = path.rpartition("/")
    above, _, name = folder.rpartition("/")
    return f"{above}/{names[name]}{slash}{last}" if above.endswith("/conf") and name in names else path


def canonical(path: str) -> str:
    """A path without the link that /var/run is."""
    return path.removeprefix("/var") if path.startswith("/var/run/") else path


def _chains(now: Ruleset) -> tuple[str, ...]:
    return tuple(dict.fromkeys(rule.chain for rule in now.rules))


def _new_in(before: Ruleset, now: Ruleset, chain: str) -> list[int]:
    """The places of the rules of one chain that were not there before."""
    places = [at for at, rule in enumerate(now.rules) if rule.chain == chain]
    old, new = [rule.words for rule in before.of(chain)], [now.rules[at].words for at in places]
    known = _in_order(old, new) or _in_number(old, new)
    return [place for at, place in enumerate(places) if at not in known]


def _in_order(old: Sequence[_Words], new: Sequence[_Words]) -> set[int]:
    """Where all the old ones are, one after the other: others are only in between. Empty if they are not."""
    found, rest = set(), iter(enumerate(new))
    for words in old:
        at = next((at for at, each in rest if each == words), None)
        if at is None:
            return set()
        found.add(at)
    return found


def _in_number(old: Sequence[_Words], new: Sequence[_Words]) -> set[int]:
    """Where the old ones are if somebody has taken some away, or moved them: of those that say the same the first."""
    left, found = Counter(old), set()
    for at, words in enumerate(new):
        if left[words]:
            left[words] -= 1
            found.add(at)
    return found


def to_json(baseline: Baseline) -> dict[str, Any]:
    """Spell it for a file."""
    return {
        **as_dict(baseline),
        **{name: [as_dict(each) for each in getattr(baseline, name)] for name in ("links", "addresses", "routes")},
        "tables": _spell_tables(baseline.tables),
        "tables6": None if baseline.tables6 is None else _spell_tables(baseline.tables6),
    }


def from_json(data: Mapping[str, Any]) -> Baseline:
    """Read what `to_json` spelled; one of several errors if it is anything else."""
    return Baseline(
        boot=data["boot"],
        links=tuple(Link(**each) for each in data["links"]),
        addresses=tuple(Address(**each) for each in data["addresses"]),
        routes=tuple(Route(**each) for each in data["routes"]),
        tables=_read_tables(data["tables"]),
        values=tuple((name, value) for name, value in data["values"]),
        files=tuple((path, kind) for path, kind in data["files"]),
        cloud=tuple(data["cloud"]),
        tables6=None if data.get("tables6") is None else _read_tables(data["tables6"]),
        other=data.get("other"),
        nft=None if data.get("nft") is None else tuple(data["nft"]),
    )


def _spell_tables(tables: _Tables) -> dict[str, Any]:
    return {
        name: {"policies": table.policies, "rules": [[rule.chain, *rule.words] for rule in table.rules]}
        for name, table in tables
    }


def _read_tables(data: Mapping[str, Any]) -> _Tables:
    return tuple(
        (
            name,
            Ruleset(
                tuple((chain, policy) for chain, policy in table["policies"]),
                tuple(Rule(chain, tuple(words)) for chain, *words in table["rules"]),
            ),
        )
        for name, table in data.items()
    )
