"""A rule of iptables on a node: what it does counts, not how it is spelled.

The reading of rules is imported when a node is looked at: a lesson that is only read does without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from labctl.errors import CannotTell, KernelRefused
from labctl.model.resource import Absent, Present, Seen, Unknown
from labctl.model.shell import Run, Shell
from labctl.model.value import Value

if TYPE_CHECKING:
    from collections.abc import Iterable

    from labctl.model.ports import Firewall, Kernel
    from labctl.model.shell import Dialect
    from labctl.resources.iptables_reading.case import Wanted
    from labctl.resources.iptables_semantics import Change


class IptablesRule(Value):
    """A rule that does a job: to accept the traffic of `match`, or to give it the node's address.

    `match` holds the words of iptables(8) in the order in which the notes type them, `target` is ACCEPT or MASQUERADE.
    `policy` is what the chain, if it is one of the table filter, is expected to keep; empty: not looked at.
    `node_address` is the address that SNAT may put in to count as MASQUERADE; empty: SNAT does not count.
    `cluster_range` is where all pods live: traffic that goes there may keep its source. `uplink` is the node's link to
    the world: in place of `! -o BRIDGE`, a rule for what leaves by it counts.
    `alone` is false on a node that others use too: a rule of theirs that does more than is wanted is their business.
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
    alone: bool = True

    @property
    def key(self) -> str:
        """`iptables:master/filter/FORWARD/-s 10.244.0.0/16`."""
        return f"iptables:{self.node}/{self.table}/{self.chain}/{' '.join(self.match)}"

    @property
    def wanted(self) -> Wanted:
        """What the pure reading needs to know."""
        from labctl.resources.iptables_reading.case import Wanted

        return Wanted(
            self.table,
            self.chain,
            self.match,
            self.target,
            policy=self.policy,
            node_address=self.node_address,
            cluster_range=self.cluster_range,
            uplink=self.uplink,
            alone=self.alone,
        )

    @property
    def words(self) -> tuple[str, ...]:
        """The words after `-A CHAIN`."""
        return self.wanted.words

    def observe(self, kernel: Kernel) -> Seen:
        """Tell whether the node's rules do the job for all packets that the rule is about."""
        from labctl.resources.iptables_reading.other import explain_other_backend
        from labctl.resources.iptables_semantics import judge

        firewall = kernel.firewall(self.node)
        try:
            seen = judge(self.wanted, firewall.table(self.table))
        except (KernelRefused, CannotTell) as error:
            return Unknown(error.what, error.hint)
        try:
            aside = explain_other_backend(self.wanted, seen, firewall.other_backend())
        except (KernelRefused, CannotTell):
            return seen  # an aside must not hide the answer itself
        match seen:
            case Absent(why) if aside:
                return Absent(f"{why}; {aside}")
            case Present(drift, note) if aside:
                return Present(drift, f"{note}; {aside}" if note else aside)
        return seen

    def apply(self, kernel: Kernel) -> None:
        """Append the rule, or put it first where another rule would have the first word; set the policy back."""
        from labctl.resources.iptables_semantics import plan_apply

        firewall = kernel.firewall(self.node)
        self._perform(firewall, plan_apply(self.wanted, firewall.table(self.table)))

    def revert(self, kernel: Kernel) -> None:
        """Delete every rule that does the job or was meant to, in whichever chain; set the policy back."""
        from labctl.resources.iptables_semantics import plan_revert

        firewall = kernel.firewall(self.node)
        self._perform(firewall, plan_revert(self.wanted, firewall.table(self.table)))

    def bystanders(self, kernel: Kernel) -> tuple[str, ...]:
        """Name the other rules of the chain, less those of the same kind about the same range: another resource's."""
        from labctl.model.iptables_save import spell_words
        from labctl.resources.iptables_semantics import perform_all, plan_revert

        ruleset = kernel.firewall(self.node).table(self.table)
        left = perform_all(ruleset, plan_revert(self.wanted, ruleset)).of(self.chain)
        own = {self.match[1], self.target}
        return tuple(
            f"the rule of {self.chain} on {self.node}: {spell_words(rule.words)}"
            for rule in left
            if not own <= set(rule.words)
        )

    def _perform(self, firewall: Firewall, changes: Iterable[Change]) -> None:
        for change in changes:
            match change.kind.value:
                case "append":
                    firewall.append(self.table, change.chain, change.words)
                case "insert":
                    firewall.insert(self.table, change.chain, change.words)
                case "delete":
                    firewall.delete(self.table, change.chain, change.words)
                case "set_policy":
                    firewall.set_policy(change.chain, change.words[0])

    def shell(self, dialect: Dialect) -> Shell:
        """Spell it in the notes' own word order; both dialects say it alike."""
        del dialect
        start = ("sudo", "iptables", "-t", self.table)
        rule = (self.chain, *self.match, "-j", self.target)
        return Shell(
            do=(Run((*start, "-A", *rule), self.comment),),
            undo=(Run((*start, "-D", *rule), f"take the rule out of {self.chain} again"),),
            look=(Run((*start, "-S", self.chain), f"the policy and the rules of {self.chain}"),),
        )
