"""The routes of the lab's cloud network (port `Cloud`): a table in a file of the vpc, and the vpc's kernel.

What the cloud knows by name is in the file; what packets follow is in the kernel of the vpc, and only routes of the
lab's own network go there. Of two routes for one range the lower priority wins, as in Google's network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from labctl.errors import KernelRefused
from labctl.kernel.cloud_table import CloudTable
from labctl.model.lab import VPC
from labctl.model.values import CloudNetwork, CloudRoute

if TYPE_CHECKING:
    from labctl.model.ports import Files, Programs

_EVERYTHING = "0.0.0.0/0"


class VpcCloud:
    """The cloud, as long as the world stands."""

    def __init__(self, files: Files, programs: Programs, network: str) -> None:
        """`files` and `programs` are the vpc's."""
        self._table = CloudTable(files, "routes", CloudRoute)
        self._programs, self._network = programs, network

    def routes(self) -> tuple[CloudRoute, ...]:
        """All routes, in the order of their names."""
        return self._table.rows()

    def forwards(self, route: CloudRoute) -> bool:
        """Ask the vpc's kernel."""
        done = self._ip("route", "show", "exact", route.destination)
        return route.network == self._network and f"via {route.next_hop} " in done

    def create(self, route: CloudRoute) -> None:
        """Create a route: in the table first, so that what is in the kernel always has a name."""
        self._table.add(route)
        self._settle(route.destination)

    def delete(self, name: str) -> None:
        """Delete a route; gone already is success. The kernel's goes first: cut short, the name is there to be seen."""
        ranges = {route.destination for route in self.routes() if route.name == name}
        for destination in ranges:
            self._settle(destination, without=name)
        if ranges:
            self._table.remove(name)
        for destination in ranges:
            self._settle(destination)

    def _settle(self, destination: str, without: str = "") -> None:
        """Make the kernel's route for a range follow from the table, less the route that is about to go."""
        wanted = (destination, self._network)
        candidates = [
            each for each in self.routes() if (each.destination, each.network) == wanted and each.name != without
        ]
        if destination == _EVERYTHING:
            # The way out is the vpc's own (its blackhole and table 100); a route for everything is kept, not followed.
            return
        if candidates:
            best = min(candidates, key=lambda route: (route.priority, route.name))
            done = self._programs.run(("ip", "route", "replace", destination, "via", best.next_hop))
            if done.code == 0:
                return
            # Nobody has that address. Google takes such a route all the same, and its packets go nowhere.
        if self._ip("route", "show", "exact", destination):
            self._ip("route", "del", destination)

    def _ip(self, *words: str) -> str:
        done = self._programs.run(("ip", *words))
        if done.code != 0:
            raise KernelRefused(f"the {VPC} refused: {done.err.strip()}", "see: labctl exec vpc -- ip route")
        return done.out


class VpcNetworks:
    """The networks that somebody made beside the lab's own (port `Networks`). No machine is in them: a name is all."""

    def __init__(self, files: Files) -> None:
        """`files` are the vpc's."""
        self._table = CloudTable(files, "networks", CloudNetwork)

    def networks(self) -> tuple[CloudNetwork, ...]:
        """All of them, in the order of their names."""
        return self._table.rows()

    def create(self, network: CloudNetwork) -> None:
        """Write it down."""
        self._table.add(network)

    def delete(self, name: str) -> None:
        """Forget it; gone already is success."""
        self._table.remove(name)


class NoCloud:
    """Where there is no cloud network, nobody keeps routes but the nodes."""

    def routes(self) -> tuple[CloudRoute, ...]:
        """There are none."""
        return ()

    def forwards(self, route: CloudRoute) -> bool:
        """Nobody does."""
        del route
        return False

    def create(self, route: CloudRoute) -> None:
        """Refuse: who would keep it?"""
        raise KernelRefused(
            f"there is no cloud network that could keep the route {route.name}", "labctl down; labctl up"
        )

    def delete(self, name: str) -> None:
        """Gone already is success."""
