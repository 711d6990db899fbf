"""A rule of ip6tables on a node, found as it is spelled: the course itself is about IPv4, the plug-in does both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labctl.errors import CannotTell, KernelRefused
from labctl.model.resource import Absent, Present, Seen, Unknown
from labctl.model.shell import Run, Shell
from labctl.model.value import Value

if TYPE_CHECKING:
    from labctl.model.ports import Kernel
    from labctl.model.shell import Dialect


class Ip6tablesRule(Value):
    """A rule, in the words of ip6tables-save."""

    node: str
    table: str
    chain: str
    match: tuple[str, ...]
    target: str

    @property
    def key(self) -> str:
        """`ip6tables:master/filter/FORWARD/-s fd00::/64`."""
        return f"ip6tables:{self.node}/{self.table}/{self.chain}/{' '.join(self.match)}"

    @property
    def words(self) -> tuple[str, ...]:
        """The words after `-A CHAIN`."""
        return (*self.match, "-j", self.target)

    def observe(self, kernel: Kernel) -> Seen:
        """Look for it in its chain."""
        try:
            rules = kernel.firewall(self.node, 6).table(self.table).of(self.chain)
        except (KernelRefused, CannotTell) as error:
            return Unknown(error.what, error.hint)
        if any(rule.words == self.words for rule in rules):
            return Present()
        return Absent(f"no rule of {self.chain} for IPv6 says {' '.join(self.words)}")

    def apply(self, kernel: Kernel) -> None:
        """Append it."""
        kernel.firewall(self.node, 6).append(self.table, self.chain, self.words)

    def revert(self, kernel: Kernel) -> None:
        """Delete it; gone already is success."""
        kernel.firewall(self.node, 6).delete(self.table, self.chain, self.words)

    def shell(self, dialect: Dialect) -> Shell:
        """Spell it with ip6tables; both dialects say it alike."""
        del dialect
        start, rule = ("sudo", "ip6tables", "-t", self.table), (self.chain, *self.words)
        return Shell(
            do=(Run((*start, "-A", *rule)),),
            undo=(Run((*start, "-D", *rule)),),
            look=(Run((*start, "-S", self.chain)),),
        )
