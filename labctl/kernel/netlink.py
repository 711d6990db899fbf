"""Links, addresses, routes and neighbours of one network namespace, through pyroute2 (port `Net`).

Message fields are rtnetlink(7)'s; attributes that pyroute2 does not know are left alone.
"""

from __future__ import annotations

import errno
import resource
import socket
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from labctl.errors import KernelRefused
from labctl.kernel.listeners import listeners_here
from labctl.model.values import Address, Link, Listener, Neighbour, Route

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labctl.kernel.places import Places
    from labctl.model.lab import Place

_AF_INET = 2
_IFF_UP = 1
_SKIP_STATISTICS = 8  # RTEXT_FILTER_SKIP_STATS
_NUD_PERMANENT = 0x80
_LOCAL_TABLE = 255
_ROUTE_KINDS = {1: "unicast", 2: "local", 3: "broadcast", 6: "blackhole", 7: "unreachable", 8: "prohibit"}
_PROTOCOLS = {2: "kernel", 3: "boot", 4: "static"}
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
        with self._places.at(place):
            route = IPRoute()
        self._open[place] = (identity, route)
        return route


@contextmanager
def _refusals(what: str, *tolerated: int) -> Iterator[None]:
    """Turn the kernel's no into an error that says what was asked; some answers are as good as a yes."""
    try:
        yield
    except NetlinkError as error:
        if error.code not in tolerated:
            raise KernelRefused(f"the kernel refused to {what}: {error.args[1]}", "see: labctl status") from None


class PlaceNet:
    """The network namespace of one place."""

    def __init__(self, sockets: Sockets, places: Places, place: Place) -> None:
        """Look and write there."""
        self._route = sockets.at(place)
        self._places, self._place = places, place

    def links(self) -> tuple[Link, ...]:
        """All interfaces."""
        return tuple(_link(message) for message in self._route.get_links(ext_mask=_SKIP_STATISTICS))

    def link(self, name: str) -> Link | None:
        """One interface, without a dump of all."""
        messages: tuple[Any, ...] = ()
        with _refusals(f"look at {name} on {self._place}", errno.ENODEV):
            messages = tuple(self._route.link("get", ifname=name, ext_mask=_SKIP_STATISTICS))
        return next((_link(message) for message in messages), None)

    def link_names(self) -> dict[int, str]:
        """All names by index (if_nameindex(3))."""
        with self._places.at(self._place):
            return dict(socket.if_nameindex())

    def addresses(self) -> tuple[Address, ...]:
        """All IPv4 addresses."""
        return tuple(
            Address(message.get("IFA_LABEL") or "", f"{message.get('IFA_LOCAL')}/{message['prefixlen']}")
            for message in self._route.get_addr(family=_AF_INET)
        )

    def routes(self) -> tuple[Route, ...]:
        """The IPv4 routes of all tables but local."""
        messages = tuple(self._route.get_routes(family=_AF_INET))
        names = self._names(*(message.get("RTA_OIF") for message in messages))
        routes = (_as_route(message, names) for message in messages)
        return tuple(route for route in routes if route.table != _LOCAL_TABLE)

    def neighbours(self) -> tuple[Neighbour, ...]:
        """The permanent ARP entries."""
        messages = [each for each in self._route.get_neighbours(family=_AF_INET) if each["state"] & _NUD_PERMANENT]
        names = self._names(*(message["ifindex"] for message in messages))
        return tuple(
            Neighbour(names.get(message["ifindex"], "?"), message.get("NDA_DST"), message.get("NDA_LLADDR") or "")
            for message in messages
        )

    def forget_neighbour(self, address: str) -> None:
        """Drop what ARP remembers of an address; permanent entries stay."""
        with _refusals(f"forget the neighbour {address} on {self._place}", errno.ENOENT):
            for each in tuple(self._route.get_neighbours(family=_AF_INET)):
                if each.get("NDA_DST") == address and not each["state"] & _NUD_PERMANENT:
                    self._route.neigh("del", dst=address, ifindex=each["ifindex"])

    def number_of(self, place: Place) -> int | None:
        """The netnsid of a place, as this namespace numbers it."""
        with _refusals(f"number the namespace of {place}"):
            with self._places.opened(place) as fd:
                number = self._route.get_netnsid(fd=fd)["nsid"]
            return None if number in (None, 0xFFFFFFFF) or number < 0 else int(number)

    def route_to(self, address: str) -> Route | None:
        """Which way a packet would take."""
        no_way = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EINVAL, errno.EACCES)
        messages: tuple[Any, ...] = ()
        with _refusals(f"look up a route to {address}", *no_way):
            messages = tuple(self._route.route("get", dst=address))
        return next((_as_route(message, self._names(message.get("RTA_OIF"))) for message in messages), None)

    def listeners(self) -> tuple[Listener, ...]:
        """Who waits for connections or packets."""
        self._places.go_net(self._place)
        return listeners_here()

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

    def _names(self, *indexes: int | None) -> dict[int, str]:
        """Ask for names one by one: a dump of all links costs a thousand times as much (if_indextoname(3))."""
        names = {}
        with self._places.at(self._place):
            for index in {each for each in indexes if each}:
                with suppress(OSError):
                    names[index] = socket.if_indextoname(index)
        return names

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


def _link(message: Any) -> Link:  # noqa: ANN401 (pyroute2's message)
    info = message.get("IFLA_LINKINFO")
    kind = (info.get("IFLA_INFO_KIND") or "") if info else ""
    port = info.get("IFLA_INFO_SLAVE_DATA") if info else None
    return Link(
        index=message["index"],
        name=message.get("IFLA_IFNAME"),
        kind=kind,
        up=bool(message["flags"] & _IFF_UP),
        mac=message.get("IFLA_ADDRESS") or "",
        master=message.get("IFLA_MASTER"),
        peer_index=message.get("IFLA_LINK"),
        peer_netns=message.get("IFLA_LINK_NETNSID"),
        hairpin=bool(port.get("IFLA_BRPORT_MODE")) if port else False,
        alias=message.get("IFLA_IFALIAS") or "",
    )


def _as_route(message: Any, names: dict[int, str]) -> Route:  # noqa: ANN401 (pyroute2's message)
    destination = message.get("RTA_DST")
    return Route(
        destination=f"{destination}/{message['dst_len']}" if destination else "default",
        via=message.get("RTA_GATEWAY") or "",
        device=names.get(message.get("RTA_OIF") or 0, ""),
        source=message.get("RTA_PREFSRC") or "",
        table=message.get("RTA_TABLE") or message["table"],
        kind=_ROUTE_KINDS.get(message["type"], str(message["type"])),
        protocol=_PROTOCOLS.get(message["proto"], str(message["proto"])),
        metric=message.get("RTA_PRIORITY") or 0,
    )
