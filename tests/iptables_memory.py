"""A strict packet filter in memory, for tests that ask it thousands of times.

It spells rules as `iptables-save` does and refuses what iptables refuses. test_iptables_kernel.py holds it against the
real iptables, both backends.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, cast

from labctl.errors import KernelRefused
from labctl.model.iptables_save import holds_something, render_save
from labctl.model.values import Rule, Ruleset

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from labctl.model.ports import Kernel

BUILT_IN = {
    "filter": ("INPUT", "FORWARD", "OUTPUT"),
    "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
}
TARGETS = {
    "filter": ("ACCEPT", "DROP", "RETURN", "REJECT"),
    "nat": ("ACCEPT", "RETURN", "MASQUERADE", "SNAT"),
}
_FIRST = ("-s", "-d", "-i", "-o", "-p")  # iptables prints these in this order, then the modules as they were typed


def spell_as_saved(words: Sequence[str]) -> tuple[str, ...]:
    """Spell a rule's words as `iptables-save` does."""
    parts = list(_options(words))
    first = sorted((part for part in parts if part[-2] in _FIRST), key=lambda part: _FIRST.index(part[-2]))
    rest = [part for part in parts if part[-2] not in _FIRST]
    return tuple(word for part in (*map(_with_prefix, first), *rest) for word in part)


def _options(words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Cut words into `[!] OPTION VALUE`; the target with all that follows is one."""
    rest = list(words)
    while rest:
        if rest[0] in ("-j", "-g"):
            yield tuple(rest)
            return
        length = 3 if rest[0] == "!" else 2
        yield tuple(rest[:length])
        del rest[:length]


def _with_prefix(part: tuple[str, ...]) -> tuple[str, ...]:
    if part[-2] not in ("-s", "-d"):
        return part
    network = IPv4Network(part[-1], strict=False)
    return (*part[:-1], str(network)) if network.prefixlen or "!" in part else ()


@dataclass
class MemoryFirewall:
    """Port `Firewall`. Tables and chains are there from the beginning; policies are ACCEPT but where it is told."""

    policies: dict[str, dict[str, str]] = field(
        default_factory=lambda: {table: dict.fromkeys(chains, "ACCEPT") for table, chains in BUILT_IN.items()}
    )
    rules: dict[str, list[Rule]] = field(default_factory=lambda: {table: [] for table in BUILT_IN})
    elsewhere: str = ""
    changes: int = 0

    def table(self, name: str) -> Ruleset:
        return Ruleset(tuple(self.policies[name].items()), tuple(self.rules[name]))

    def append(self, table: str, chain: str, words: Sequence[str]) -> None:
        self._put(table, chain, words, len(self.rules[table]))

    def insert(self, table: str, chain: str, words: Sequence[str]) -> None:
        self._put(table, chain, words, 0)

    def _put(self, table: str, chain: str, words: Sequence[str], at: int) -> None:
        flag = next((each for each in ("-j", "-g") if each in words), "")
        target = words[list(words).index(flag) + 1] if flag else ""
        own = [name for name, policy in self.policies[table].items() if policy == "-"]
        if chain not in self.policies[table] or (target and target not in (*TARGETS[table], *own)):
            raise KernelRefused("iptables: No chain/target/match by that name.")
        self.changes += 1
        self.rules[table].insert(at, Rule(chain, spell_as_saved(words)))

    def delete(self, table: str, chain: str, words: Sequence[str]) -> None:
        rule = Rule(chain, spell_as_saved(words))
        if rule in self.rules[table]:
            self.changes += 1
            self.rules[table].remove(rule)

    def set_policy(self, chain: str, policy: str) -> None:
        if policy not in ("ACCEPT", "DROP") or self.policies["filter"].get(chain, "-") == "-":
            raise KernelRefused("iptables: Bad policy name. Run `dmesg' for more information.")
        self.changes += 1
        self.policies["filter"][chain] = policy

    def other_backend(self) -> str:
        return self.elsewhere

    def add_chain(self, table: str, chain: str) -> None:
        self.policies[table][chain] = "-"

    def save(self) -> str:
        """The canonical text of all tables."""
        return render_save({name: self.table(name) for name in self.policies if holds_something(self.table(name))})


@dataclass(frozen=True)
class OnlyFirewall:
    """The part of the port `Kernel` that a resource of this kind may ask."""

    it: MemoryFirewall

    def firewall(self, node: str) -> MemoryFirewall:
        assert node == "master"
        return self.it

    @property
    def kernel(self) -> Kernel:
        return cast("Kernel", self)
