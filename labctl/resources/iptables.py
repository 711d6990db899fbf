"""A rule of iptables on a node: what it does counts, not how it is spelled."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from labctl.errors import CannotTell, KernelRefused
from labctl.model.iptables_save import parse_save, spell_words
from labctl.model.resource import Absent, Present, Seen, Unknown
from labctl.model.shell import Run, Shell
from labctl.resources.iptables_reading.case import Wanted
from labctl.resources.iptables_semantics import Kind, judge, plan_apply, plan_revert

if TYPE_CHECKING:
    from collections.abc import Iterable

    from labctl.model.ports import Firewall, Kernel, Ruleset
    from labctl.model.shell import Dialect
    from labctl.resources.iptables_semantics import Change


@dataclass(frozen=True)
class IptablesRule:
    """A rule that does a job: to accept the traffic of `match`, or to give it the node's address.

    `match` holds the words of iptables(8) in the order in which the notes type them, `target` is ACCEPT or MASQUERADE.
    `policy` is what the chain, if it is one of the table filter, is expected to keep; empty: not looked at.
    `node_address` is the address that SNAT may put in to count as MASQUERADE; empty: SNAT does not count.
    `cluster_range` is where all pods live: traffic that goes there may keep its source. `uplink` is the node's link to
    the world: in place of `! -o BRIDGE`, a rule for what leaves by it counts.
    `comment` stands above the printed command.
    """

    node: str
    table: str
    chain: str
    match: tuple[str, ...]
    target: str
    policy: str = "DROP"
    node_address: str = ""
    comment: str = ""
    cluster_range: str = ""
    uplink: str = "eth0"

    @property
    def key(self) -> str:
        """`iptables:master/filter/FORWARD/-s 10.244.0.0/16`."""
        return f"iptables:{self.node}/{self.table}/{self.chain}/{spell_words(self.match)}"

    @property
    def wanted(self) -> Wanted:
        """What the pure reading needs to know."""
        return Wanted(
            self.table,
            self.chain,
            self.match,
            self.target,
            policy=self.policy,
            node_address=self.node_address,
            cluster_range=self.cluster_range,
            uplink=self.uplink,
        )

    def observe(self, kernel: Kernel) -> Seen:
        """Tell whether the node's rules do the job for all packets that the rule is about."""
        firewall = kernel.firewall(self.node)
        try:
            seen = judge(self.wanted, firewall.table(self.table))
            aside = self._look_at_other_backend(firewall, seen)
        except (KernelRefused, CannotTell) as error:
            return Unknown(error.what, error.hint)
        match seen:
            case Absent(why) if aside:
                return Absent(f"{why}; {aside}")
            case Present(drift, note) if aside:
                return Present(drift, f"{note}; {aside}" if note else aside)
        return seen

    def apply(self, kernel: Kernel) -> None:
        """Append the rule, or put it first where another rule would have the first word; set the policy back."""
        firewall = kernel.firewall(self.node)
        self._perform(firewall, plan_apply(self.wanted, firewall.table(self.table)))

    def revert(self, kernel: Kernel) -> None:
        """Delete every rule that does the job or was meant to, in whichever chain; set the policy back."""
        firewall = kernel.firewall(self.node)
        self._perform(firewall, plan_revert(self.wanted, firewall.table(self.table)))

    def _perform(self, firewall: Firewall, changes: Iterable[Change]) -> None:
        for change in changes:
            match change.kind:
                case Kind.APPEND:
                    firewall.append(self.table, change.chain, change.words)
                case Kind.INSERT:
                    firewall.insert(self.table, change.chain, change.words)
                case Kind.DELETE:
                    firewall.delete(self.table, change.chain, change.words)
                case Kind.SET_POLICY:
                    firewall.set_policy(change.chain, change.words[0])

    def shell(self, dialect: Dialect) -> Shell:
        """Spell it in the notes' own word order; both dialects have iptables, only the notes' has `sudo`."""
        start = (*(("sudo",) if dialect == "notes" else ()), "iptables", "-t", self.table)
        rule = (self.chain, *self.match, "-j", self.target)
        return Shell(
            do=(Run((*start, "-A", *rule), self.comment),),
            undo=(Run((*start, "-D", *rule), f"take the rule out of {self.chain} again"),),
            look=(Run((*start, "-S", self.chain), f"the policy and the rules of {self.chain}"),),
        )

    def _look_at_other_backend(self, firewall: Firewall, seen: Seen) -> str:
        """Say what the other backend's rules mean for this one: every packet passes the rules of both.

        Nothing can be repaired there through `iptables`, so this is never drift.
        """
        try:
            text = firewall.other_backend()
            other = parse_save(text).get(self.table)
            if other is None:
                return ""
            there = judge(replace(self.wanted, policy=""), other)
        except (KernelRefused, CannotTell):
            return ""  # an aside must not hide the answer itself
        legacy_is_mine = text.startswith("# iptables-nft")
        name, mine = ("iptables-nft", "legacy") if legacy_is_mine else ("iptables-legacy", "nft")
        does_it = isinstance(there, Present) and not there.drift
        if isinstance(seen, Absent):
            return f"{name} holds one, but iptables here is the {mine} backend" if does_it else ""
        if self.table == "filter" and not does_it and _may_drop(other, self.chain):
            return f"{name} may drop it all the same: see {name}-save (iptables here is the {mine} backend)"
        return ""


def _may_drop(ruleset: Ruleset, chain: str) -> bool:
    return ruleset.policy(chain) == "DROP" or any(
        word in ("DROP", "REJECT") for rule in ruleset.of(chain) for word in rule.words
    )
