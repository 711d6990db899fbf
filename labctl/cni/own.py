"""Addresses and rules as the plug-in wants them: its own are there, or are added; nobody else's are touched.

The resources of the steps are for a learner: there, another address on the device was meant to be this one. On a node
that others use too, it is another's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from labctl.model.resource import Absent, Present, Seen
from labctl.model.shell import Run, Shell
from labctl.model.value import Value

if TYPE_CHECKING:
    from labctl.model.lab import Place
    from labctl.model.ports import Kernel
    from labctl.model.shell import Dialect
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


def append_rule(rule: IptablesRule, kernel: Kernel) -> None:
    """Append a rule that is missing, and never before another's: what an administrator drops stays dropped."""
    kernel.firewall(rule.node).append(rule.table, rule.chain, rule.wanted.words)
