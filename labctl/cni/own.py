"""Addresses and rules as the plug-in wants them: its own are there, or are added; nobody else's are touched.

The resources of the steps are for a learner: there, another address on the device was meant to be this one. On a node
that others use too, it is another's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from labctl.model.resource import Absent, Present, Seen, state_of
from labctl.model.shell import Run, Shell
from labctl.model.value import Value

if TYPE_CHECKING:
    from labctl.model.lab import Place
    from labctl.model.ports import Kernel
    from labctl.model.shell import Dialect
    from labctl.resources.ip6tables import Ip6tablesRule
    from labctl.resources.iptables import IptablesRule


class OwnAddress(Value):
    """An address of a device, beside whatever others it has."""

    place: Place
    device: str
    cidr: str

    @property
    def key(self) -> str:
        """`address:node/cni0/10.244.0.1/24`."""
        return f"address:{self.place}/{self.device}/{self.cidr}"

    def observe(self, kernel: Kernel) -> Seen:
        """Look for it on its device."""
        held = [each.cidr for each in kernel.net(self.place).addresses() if each.device == self.device]
        if self.cidr in held:
            return Present()
        return Absent(f"{self.device} of {self.place} has {', '.join(held) or 'no address'}; expected {self.cidr}")

    def apply(self, kernel: Kernel) -> None:
        """Add it."""
        kernel.net(self.place).add_address(self.device, self.cidr)

    def revert(self, kernel: Kernel) -> None:
        """Take it away."""
        kernel.net(self.place).delete_address(self.device, self.cidr)

    def shell(self, dialect: Dialect) -> Shell:
        """`ip addr`."""
        del dialect  # both say it alike
        words = (self.cidr, "dev", self.device)
        return Shell(do=(Run(("ip", "addr", "add", *words)),), undo=(Run(("ip", "addr", "del", *words)),), look=())


class OwnRule(Value):
    """A rule that does its job, whoever made it; or else this very one, beside whatever others there are.

    It is appended, never put before another's: what an administrator drops stays dropped.
    """

    rule: IptablesRule | Ip6tablesRule
    family: int = 4

    @property
    def key(self) -> str:
        """That of the rule."""
        return self.rule.key

    def observe(self, kernel: Kernel) -> Seen:
        """Look whether the job is done; where it is not, or the table cannot be read, ask for this very rule.

        It may be there all the same: another's has the first word, or `nft` has put something into the table.
        """
        seen = self.rule.observe(kernel)
        state, why = state_of(seen)
        if state in ("absent", "present"):
            return seen
        firewall = kernel.firewall(self.rule.node, self.family)
        if not firewall.has(self.rule.table, self.rule.chain, self.rule.words):
            return Absent(why)
        return Present((why,) if state == "drifted" else ())

    def apply(self, kernel: Kernel) -> None:
        """Append it, unless it is there."""
        if isinstance(self.observe(kernel), Absent):
            firewall = kernel.firewall(self.rule.node, self.family)
            firewall.append(self.rule.table, self.rule.chain, self.rule.words)

    def revert(self, kernel: Kernel) -> None:
        """Delete this very rule."""
        firewall = kernel.firewall(self.rule.node, self.family)
        firewall.delete(self.rule.table, self.rule.chain, self.rule.words)

    def shell(self, dialect: Dialect) -> Shell:
        """As the rule is spelled."""
        return self.rule.shell(dialect)
