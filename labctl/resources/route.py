"""Routes of a container: the default route, and others that a configuration asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labctl.model.resource import Absent, Present, Seen
from labctl.model.shell import Run, Shell
from labctl.model.value import Value
from labctl.resources.address import enter_container

if TYPE_CHECKING:
    from labctl.model.lab import Container
    from labctl.model.ports import Kernel
    from labctl.model.shell import Dialect
    from labctl.model.values import Route

_DEFAULT = "default"


class DefaultRoute(Value):
    """Everything that is not on the bridge goes to the bridge's own address; or, with `destination`, only that."""

    container: Container
    gateway: str
    destination: str = _DEFAULT

    @property
    def key(self) -> str:
        """`route:master/a/default`."""
        return f"route:{self.container.place}/{self.destination}"

    @property
    def _spelled(self) -> str:
        return "default route" if self.destination == _DEFAULT else f"route to {self.destination}"

    def observe(self, kernel: Kernel) -> Seen:
        """Look at the main table's routes there; the one with the lowest metric is followed."""
        routes = self._found(kernel)
        if not routes:
            return Absent(f"{self.container.name} has no {self._spelled}")
        best = min(routes, key=lambda route: route.metric)
        if best.via == self.gateway:
            return Present()
        found = f"via {best.via}" if best.via else f"{best.kind} without a gateway"
        return Present((f"the {self._spelled} of {self.container.name} is {found}; expected via {self.gateway}",))

    def apply(self, kernel: Kernel) -> None:
        """Add it; wrong ones go first."""
        if isinstance(self.observe(kernel), Present):
            self.revert(kernel)
        kernel.net(self.container.place).add_route(self.destination, self.gateway)

    def revert(self, kernel: Kernel) -> None:
        """Delete every route there."""
        for route in self._found(kernel):
            kernel.net(self.container.place).delete_route(self.destination, route.via)

    def _found(self, kernel: Kernel) -> list[Route]:
        """The routes there of the gateway's family."""
        routes = kernel.net(self.container.place).routes()
        there = [each for each in routes if each.destination == self.destination]
        return [each for each in there if (":" in each.via) == (":" in self.gateway)]

    def shell(self, dialect: Dialect) -> Shell:
        """`ip route add default via …`."""
        inside = enter_container(dialect)
        return Shell(
            do=(
                Run(
                    (*inside, "route", "add", self.destination, "via", self.gateway),
                    f"{'everything else' if self.destination == _DEFAULT else 'that'} goes to the bridge's address",
                ),
            ),
            undo=(
                Run(
                    (*inside, "route", "del", self.destination),
                    f"take the {self._spelled} of {self.container.name} away",
                ),
            ),
            look=(Run((*inside, "route")),),
        )
