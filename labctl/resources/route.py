"""The default route of a container."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from labctl.model.resource import Absent, Present, Seen
from labctl.model.shell import Run, Shell
from labctl.resources.address import enter_container

if TYPE_CHECKING:
    from labctl.model.lab import Container
    from labctl.model.ports import Kernel
    from labctl.model.shell import Dialect

_DEFAULT = "default"


@dataclass(frozen=True)
class DefaultRoute:
    """Everything that is not on the bridge goes to the bridge's own address."""

    container: Container
    gateway: str

    @property
    def key(self) -> str:
        """`route:master/a/default`."""
        return f"route:{self.container.place}/{_DEFAULT}"

    def observe(self, kernel: Kernel) -> Seen:
        """Look at the main table's default routes; the one with the lowest metric is followed."""
        routes = [each for each in kernel.net(self.container.place).routes() if each.destination == _DEFAULT]
        if not routes:
            return Absent(f"{self.container.name} has no default route")
        best = min(routes, key=lambda route: route.metric)
        if best.via == self.gateway:
            return Present()
        found = f"via {best.via}" if best.via else f"{best.kind} without a gateway"
        return Present((f"the default route of {self.container.name} is {found}; expected via {self.gateway}",))

    def apply(self, kernel: Kernel) -> None:
        """Add it; wrong ones go first."""
        if isinstance(self.observe(kernel), Present):
            self.revert(kernel)
        kernel.net(self.container.place).add_route(_DEFAULT, self.gateway)

    def revert(self, kernel: Kernel) -> None:
        """Delete every default route."""
        net = kernel.net(self.container.place)
        for route in net.routes():
            if route.destination == _DEFAULT:
                net.delete_route(_DEFAULT, route.via)

    def shell(self, dialect: Dialect) -> Shell:
        """`ip route add default via …`."""
        inside = enter_container(dialect)
        return Shell(
            do=(
                Run(
                    (*inside, "route", "add", _DEFAULT, "via", self.gateway),
                    "everything else goes to the bridge's address",
                ),
            ),
            undo=(Run((*inside, "route", "del", _DEFAULT), f"take the default route of {self.container.name} away"),),
            look=(Run((*inside, "route")),),
        )
