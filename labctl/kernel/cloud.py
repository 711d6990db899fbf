"""The routes of the lab's cloud network (port `Cloud`): a table in a file of the vpc, and the vpc's kernel.

What the cloud knows by name is in the file; what packets follow is in the kernel of the vpc, and only routes of the
lab's own network go there. Of two routes for one range the lower priority wins, as in Google's network.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeAlias

from labctl.errors import KernelRefused
from labctl.model.lab import VPC
from labctl.model.value import as_dict
from labctl.model.values import CloudRoute

if TYPE_CHECKING:
    from collections.abc import Callable

    from labctl.model.ports import Files, Programs

Routes: TypeAlias = tuple[CloudRoute, ...]
FOLDER = "/var/lib/vpc"
TABLE = f"{FOLDER}/routes.json"
_LOCK = f"{FOLDER}/lock"
_TRIES = 100
_EVERYTHING = "0.0.0.0/0"


class VpcCloud:
    """The cloud, as long as the world stands."""

    def __init__(self, files: Files, programs: Programs, network: str) -> None:
        """`files` and `programs` are the vpc's."""
        self._files, self._programs, self._network = files, programs, network

    def routes(self) -> tuple[CloudRoute, ...]:
        """All routes, in the order of their names."""
        return _read(self._files.read(TABLE) or "")

    def forwards(self, route: CloudRoute) -> bool:
        """Ask the vpc's kernel."""
        done = self._ip("route", "show", "exact", route.destination)
        return route.network == self._network and f"via {route.next_hop} " in done

    def create(self, route: CloudRoute) -> None:
        """Create a route: in the table first, so that what is in the kernel always has a name."""
        self._files.make_folder(FOLDER)

        def add(routes: tuple[CloudRoute, ...]) -> tuple[CloudRoute, ...]:
            if any(each.name == route.name for each in routes):
                raise KernelRefused(f"the vpc has a route named {route.name} already", "gcloud compute routes list")
            return (*routes, route)

        self._change(add)
        self._settle(route.destination)

    def delete(self, name: str) -> None:
        """Delete a route; gone already is success. The kernel's goes first: cut short, the name is there to be seen."""
        ranges = {route.destination for route in self.routes() if route.name == name}
        for destination in ranges:
            self._settle(destination, without=name)
        if ranges:
            self._change(lambda routes: tuple(route for route in routes if route.name != name))
        for destination in ranges:
            self._settle(destination)

    def _change(self, change: Callable[[Routes], Routes]) -> None:
        for _ in range(_TRIES):
            text = self._files.read(TABLE) or ""
            routes = sorted(change(_read(text)), key=lambda route: route.name)
            new = json.dumps([as_dict(route) for route in routes], indent=1) + "\n" if routes else ""
            if self._files.exchange(TABLE, _LOCK, text, new):
                return
        raise KernelRefused("the vpc's table of routes keeps changing", "try again")

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


def _read(text: str) -> tuple[CloudRoute, ...]:
    try:
        return tuple(CloudRoute(**item) for item in json.loads(text or "[]"))
    except (ValueError, TypeError):
        raise KernelRefused(
            f"the vpc's table of routes ({TABLE}) cannot be read", "put the lab back: labctl reset"
        ) from None
