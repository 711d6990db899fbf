"""A route of the cloud network: the pods of one node are reached through that node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labctl.model.lab import VPC
from labctl.model.resource import Absent, Present, Seen
from labctl.model.shell import Run, Shell
from labctl.model.value import Value
from labctl.model.values import CLOUD_MARK, CloudRoute

if TYPE_CHECKING:
    from labctl.model.lab import Lab, Node
    from labctl.model.ports import Kernel
    from labctl.model.shell import Dialect

_GCLOUD = ("gcloud", "compute", "routes")


class VpcRoute(Value):
    """The vpc sends a node's pod range to that node. What the route is called is free."""

    lab: Lab
    node: Node

    @property
    def key(self) -> str:
        """`vpc_route:k8s-master`."""
        return f"vpc_route:{self._name}"

    @property
    def _name(self) -> str:
        return f"{self.lab.network}-{self.node.name}"

    def _wanted(self) -> CloudRoute:
        # In a real cloud there are others' routes too: the lab's own are told by what they say of themselves.
        mark = "" if VPC in self.lab.outer else CLOUD_MARK
        hop = str(self.node.address)
        return CloudRoute(self._name, self.lab.network, str(self.node.pod_range), hop, description=mark)

    def _fits(self, route: CloudRoute) -> bool:
        wanted = self._wanted()
        return (route.network, route.destination, route.next_hop) == (
            wanted.network,
            wanted.destination,
            wanted.next_hop,
        )

    def _concerns(self, route: CloudRoute) -> bool:
        return route.destination == str(self.node.pod_range) or route.name == self._name

    def observe(self, kernel: Kernel) -> Seen:
        """Look at the cloud's table, then whether its kernel follows it."""
        routes = [route for route in kernel.cloud.routes() if self._concerns(route)]
        fitting = next((route for route in routes if self._fits(route)), None)
        if fitting is not None:
            if not kernel.cloud.forwards(fitting):
                return Present((f"the vpc does not follow the route {fitting.name}; expected it to",))
            note = f"it is called {fitting.name}, which is as good"
            return Present(note="" if fitting.name == self._name else note)
        if not routes:
            return Absent(f"the vpc has no route to {self.node.pod_range}")
        return Present(tuple(self._fault(route) for route in routes))

    def _fault(self, route: CloudRoute) -> str:
        wanted = self._wanted()
        for what, found, expected in (
            ("is for", route.destination, wanted.destination),
            ("is in the network", route.network, wanted.network),
            ("leads to", route.next_hop, wanted.next_hop),
        ):
            if found != expected:
                return f"the route {route.name} {what} {found}; expected {expected}"
        raise AssertionError(route)

    def apply(self, kernel: Kernel) -> None:
        """Create it; wrong ones in its place go first."""
        self.revert(kernel)
        kernel.cloud.create(self._wanted())

    def revert(self, kernel: Kernel) -> None:
        """Delete every route for the range, whatever it is called, and what has its name."""
        for route in kernel.cloud.routes():
            if self._concerns(route):
                kernel.cloud.delete(route.name)

    def shell(self, dialect: Dialect) -> Shell:
        """`gcloud`, in the notes' own words."""
        del dialect  # both say it alike
        wanted = self._wanted()
        options: tuple[str, ...] = (
            "--destination-range",
            wanted.destination,
            "--network",
            wanted.network,
            "--next-hop-address",
            wanted.next_hop,
        )
        options += ("--description", wanted.description) if wanted.description else ()
        return Shell(
            do=(
                Run(
                    (*_GCLOUD, "create", wanted.name, *options),
                    f"tell the cloud: the pods of {self.node.name} are behind {wanted.next_hop}",
                ),
            ),
            undo=(
                Run((*_GCLOUD, "delete", wanted.name, "--quiet"), f"forget the route to the pods of {self.node.name}"),
            ),
            look=(Run((*_GCLOUD, "list")),),
        )
