"""Changes links, addresses, routes and neighbours of one network namespace, through pyroute2 (port `Net`).

What looks is in `labctl.kernel.net_looks`: who only looks need not import pyroute2.
"""

from __future__ import annotations

import errno
import resource
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from labctl.errors import KernelRefused
from labctl.kernel.net_looks import NUD_PERMANENT, NetLooks, refusals

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyroute2 import IPRoute

    from labctl.kernel.places import Places
    from labctl.model.lab import Place

_AF_INET = 2
_SPARE_FDS = 64


class Sockets:
    """One netlink socket a place, opened there and kept; the oldest is closed when files run short."""

    def __init__(self, places: Places) -> None:
        """Keep as many as the process may have open, less some."""
        self._places = places
        _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        # A pidfd and a few descriptors of the event loop go with each.
        self._most = max((min(hard, 65536) - _SPARE_FDS) // 6, 4)
        self._open: dict[Place, tuple[int, IPRoute]] = {}

    def at(self, place: Place) -> IPRoute:
        """The socket of a place; a new one where its keeper is another than last time."""
        identity = self._places.identity(place)
        kept = self._open.get(place)
        if kept and kept[0] == identity:
            return kept[1]
        if len(self._open) >= self._most:
            _identity, oldest = self._open.pop(next(iter(self._open)))
            oldest.close()
        # 130 ms, which who only looks need not wait.
        from pyroute2 import IPRoute

        with self._places.at(place):
            route = IPRoute()
        self._open[place] = (identity, route)
        return route


@contextmanager
def _refusals(what: str, *tolerated: int) -> Iterator[None]:
    """The same for what pyroute2 raises; no other error is as good as a yes."""
    from pyroute2.netlink.exceptions import NetlinkError

    with refusals(what):
        try:
            yield
        except NetlinkError as error:
            if error.code not in tolerated:
                raise OSError(error.code, error.args[1]) from None


class PlaceNet(NetLooks):
    """The network namespace of one place."""

    def __init__(self, sockets: Sockets, places: Places, place: Place) -> None:
        """Look and write there."""
        super().__init__(places, place)
        self._sockets = sockets

    @property
    def _route(self) -> IPRoute:
        return self._sockets.at(self._place)

    def forget_neighbour(self, address: str) -> None:
        """Drop what ARP remembers of an address; permanent entries stay."""
        known = self.all_neighbours()
        with _refusals(f"forget the neighbour {address} on {self._place}", errno.ENOENT):
            for index, state, where, _ in known:
                if where == address and not state & NUD_PERMANENT:
                    self._route.neigh("del", dst=address, ifindex=index)

    def add_bridge(self, name: str) -> None:
        """Make a bridge; it is down."""
        with _refusals(f"make the bridge {name} on {self._place}"):
            self._route.link("add", ifname=name, kind="bridge")

    def add_veth(self, name: str, peer: str, peer_place: Place) -> None:
        """Make a pair with both ends where they belong from the beginning (`ip link add … netns`)."""
        what = f"make the veth pair {name} on {self._place} and {peer} in {peer_place}"
        with _refusals(what), self._places.opened(peer_place) as fd:
            self._route.link("add", ifname=name, kind="veth", peer={"ifname": peer, "net_ns_fd": fd})

    def delete_link(self, name: str) -> None:
        """Take a link away."""
        with _refusals(f"delete {name} on {self._place}", errno.ENODEV):
            self._route.link("del", ifname=name)

    def set_up(self, name: str) -> None:
        """Bring a link up."""
        with _refusals(f"bring {name} up on {self._place}"):
            self._route.link("set", index=self._index(name), state="up")

    def set_master(self, name: str, bridge: str) -> None:
        """Make a link a port of a bridge, or of none."""
        with _refusals(f"make {name} a port of {bridge or 'no bridge'} on {self._place}"):
            self._route.link("set", index=self._index(name), master=self._index(bridge) if bridge else 0)

    def set_hairpin(self, name: str) -> None:
        """Let a port of a bridge send back what came in by it."""
        with _refusals(f"switch hairpin on for {name} on {self._place}"):
            self._route.brport("set", index=self._index(name), mode=1)

    def clear_hairpin(self, name: str) -> None:
        """Let a port of a bridge not send back what came in by it."""
        with _refusals(f"switch hairpin off for {name} on {self._place}"):
            self._route.brport("set", index=self._index(name), mode=0)

    def add_address(self, device: str, cidr: str) -> None:
        """Give a link an address."""
        address, _, prefix = cidr.partition("/")
        with _refusals(f"give {device} on {self._place} the address {cidr}", errno.EEXIST):
            # No broadcast address unless asked for, as `ip addr add` does.
            self._route.addr("add", index=self._index(device), address=address, prefixlen=int(prefix))

    def delete_address(self, device: str, cidr: str) -> None:
        """Take an address away."""
        address, _, prefix = cidr.partition("/")
        with _refusals(f"take {cidr} from {device} on {self._place}", errno.EADDRNOTAVAIL, errno.ENODEV):
            self._route.addr("del", index=self._index(device), address=address, prefixlen=int(prefix))

    def add_route(self, destination: str, via: str, device: str = "") -> None:
        """Add or replace a route."""
        wanted: dict[str, Any] = {"dst": destination, "gateway": via}
        if device:
            wanted["oif"] = self._index(device)
        with _refusals(f"route {destination} via {via} on {self._place}"):
            self._route.route("replace", proto="boot", **wanted)

    def delete_route(self, destination: str, via: str = "") -> None:
        """Take a route away."""
        wanted: dict[str, Any] = {"dst": destination} | ({"gateway": via} if via else {})
        with _refusals(f"delete the route {destination} on {self._place}", errno.ESRCH):
            # As `ip route del`: any scope and any kind (RT_SCOPE_NOWHERE, RTN_UNSPEC).
            self._route.route("del", family=_AF_INET, scope=255, type=0, **wanted)

    def _index(self, name: str) -> int:
        """Ask for one link's index (if_nametoindex(3)).

        Raises:
            KernelRefused: there is no such link.
        """
        with self._places.at(self._place):
            try:
                return socket.if_nametoindex(name)
            except OSError:
                raise KernelRefused(f"{self._place} has no {name}", "see: labctl status") from None
