"""A route of a node to the pods of another, whose address is a neighbour's (flannel's host-gw)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labctl.model.lab import Place
from labctl.model.resource import Absent, Present, Seen
from labctl.model.shell import Run, Shell
from labctl.model.value import Value
from labctl.resources.vpc_route import VpcRoute

if TYPE_CHECKING:
    from labctl.model.lab import Lab, Node
    from labctl.model.ports import Kernel
    from labctl.model.shell import Dialect
    from labctl.model.values import Route

_MAIN = 254


class NodeRoute(Value):
    """A node sends the pod range of another to that one's address."""

    node: str
    peer: Node

    @property
    def key(self) -> str:
        """`node_route:master/10.244.1.0/24`."""
        return f"node_route:{self.node}/{self.peer.pod_range}"

    def observe(self, kernel: Kernel) -> Seen:
        """Look at the main table; the one with the lowest metric is followed."""
        routes = self._found(kernel)
        if not routes:
            return Absent(f"{self.node} has no route to {self.peer.pod_range}")
        best = min(routes, key=lambda route: route.metric)
        if best.via == str(self.peer.address):
            return Present()
        found = f"via {best.via}" if best.via else f"{best.kind} without a gateway"
        return Present(
            (f"the route of {self.node} to {self.peer.pod_range} is {found}; expected via {self.peer.address}",)
        )

    def apply(self, kernel: Kernel) -> None:
        """Add it; wrong ones go first."""
        if isinstance(self.observe(kernel), Present):
            self.revert(kernel)
        kernel.net(Place(self.node)).add_route(str(self.peer.pod_range), str(self.peer.address))

    def revert(self, kernel: Kernel) -> None:
        """Delete every route there."""
        for route in self._found(kernel):
            kernel.net(Place(self.node)).delete_route(str(self.peer.pod_range), route.via)

    def _found(self, kernel: Kernel) -> list[Route]:
        routes = kernel.net(Place(self.node)).routes()
        return [each for each in routes if each.table == _MAIN and each.destination == str(self.peer.pod_range)]

    def shell(self, dialect: Dialect) -> Shell:
        """`ip route add`."""
        del dialect  # both say it alike
        there = str(self.peer.pod_range)
        return Shell(
            do=(
                Run(
                    ("sudo", "ip", "route", "add", there, "via", str(self.peer.address)),
                    f"the pods of {self.peer.name} are behind {self.peer.address}, which is a neighbour",
                ),
            ),
            undo=(Run(("sudo", "ip", "route", "del", there), f"forget the route to the pods of {self.peer.name}"),),
            look=(Run(("ip", "route")),),
        )


def routes_between_nodes(lab: Lab) -> tuple[VpcRoute | NodeRoute, ...]:
    """How each node's pods are reached from the others: by the cloud network, or, where there is none, directly."""
    if lab.cloud == "static":
        return tuple(NodeRoute(node.name, peer) for node in lab.nodes for peer in lab.cluster if peer != node)
    return tuple(VpcRoute(lab, node) for node in lab.cluster)
