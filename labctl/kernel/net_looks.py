"""What the kernel tells of one network namespace: links, addresses, routes, neighbours, who listens.

Fields and attributes are rtnetlink(7)'s, their numbers those of include/uapi/linux/rtnetlink.h, if_link.h, if_addr.h,
neighbour.h and net_namespace.h; what is not named here is left alone.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from labctl.errors import KernelRefused
from labctl.kernel.listeners import listeners_here
from labctl.kernel.neighbours import NDA_DST, NEIGHBOUR, ask_neighbours
from labctl.kernel.rtnetlink import address, ask, attribute, attributes, number, text
from labctl.model.values import Address, Link, Listener, Neighbour, Route

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labctl.kernel.places import Places
    from labctl.model.lab import Place

_GET_LINK, _GET_ADDRESS, _GET_ROUTE, _GET_NUMBER = 18, 22, 26, 90

_LINK = struct.Struct("=BxHiII")
"""ifinfomsg: family, type, index, flags, change."""
_IFF_UP = 1
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_LINK, _IFLA_MASTER = 1, 3, 5, 10
_IFLA_LINKINFO, _IFLA_IFALIAS, _IFLA_EXT_MASK, _IFLA_LINK_NETNSID = 18, 20, 29, 37
_INFO_KIND, _INFO_SLAVE_KIND, _INFO_SLAVE_DATA = 1, 4, 5
_BRPORT_MODE = 4
_SKIP_STATISTICS = struct.pack("=I", 8)  # RTEXT_FILTER_SKIP_STATS

_ADDRESS = struct.Struct("=BBBBI")
"""ifaddrmsg: family, length of the prefix, flags, scope, index."""
_IFA_LOCAL, _IFA_LABEL = 2, 3

_ROUTE = struct.Struct("=BBBBBBBBI")
"""rtmsg: family, lengths of destination and source, tos, table, protocol, scope, type, flags."""
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PRIORITY, _RTA_PREFSRC, _RTA_TABLE = 1, 4, 5, 6, 7, 15
_LOCAL_TABLE = 255
_RTM_F_CLONED = 0x200
_ROUTE_KINDS = {1: "unicast", 2: "local", 3: "broadcast", 6: "blackhole", 7: "unreachable", 8: "prohibit"}
_PROTOCOLS = {2: "kernel", 3: "boot", 4: "static"}
_NO_WAY = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EINVAL, errno.EACCES)

_NDA_LLADDR = 2
NUD_PERMANENT = 0x80

_NUMBER = struct.Struct("=B3x")
"""rtgenmsg: family."""
_NETNSA_NSID, _NETNSA_FD = 1, 3


@contextmanager
def refusals(what: str, *tolerated: int) -> Iterator[None]:
    """Turn the kernel's no into an error that says what was asked; some answers are as good as a yes."""
    try:
        yield
    except OSError as error:
        if error.errno not in tolerated:
            raise KernelRefused(f"the kernel refused to {what}: {error.strerror}", "see: labctl status") from None


class NetLooks:
    """The network namespace of one place, as far as looking goes."""

    def __init__(self, places: Places, place: Place) -> None:
        """Look there.

        Raises:
            WorldGone: there is no such place any more.
        """
        places.namespace_path(place)
        self._places, self._place = places, place

    def links(self) -> tuple[Link, ...]:
        """All interfaces."""
        body = _LINK.pack(0, 0, 0, 0, 0) + attribute(_IFLA_EXT_MASK, _SKIP_STATISTICS)
        return tuple(map(as_link, self._dump("links", _GET_LINK, body)))

    def link(self, name: str) -> Link | None:
        """One interface, without a dump of all."""
        wanted = attribute(_IFLA_IFNAME, os.fsencode(name) + b"\0") + attribute(_IFLA_EXT_MASK, _SKIP_STATISTICS)
        found: list[bytes] = []
        with refusals(f"look at {name} on {self._place}", errno.ENODEV), self._places.at(self._place):
            found = ask(_GET_LINK, _LINK.pack(0, 0, 0, 0, 0) + wanted, dump=False)
        return next(map(as_link, found), None)

    def link_names(self) -> dict[int, str]:
        """All names by index (if_nameindex(3))."""
        with self._places.at(self._place):
            return dict(socket.if_nameindex())

    def addresses(self) -> tuple[Address, ...]:
        """All IPv4 addresses."""
        return tuple(map(_as_address, self._dump("addresses", _GET_ADDRESS, _ADDRESS.pack(socket.AF_INET, 0, 0, 0, 0))))

    def routes(self) -> tuple[Route, ...]:
        """The IPv4 routes of all tables but local."""
        found = self._dump("routes", _GET_ROUTE, _ROUTE.pack(socket.AF_INET, 0, 0, 0, 0, 0, 0, 0, 0))
        # What the kernel has learned of a single destination (its MTU, say) is dumped too, and is no route.
        found = [each for each in found if not _ROUTE.unpack_from(each)[-1] & _RTM_F_CLONED]
        return tuple(route for route in self._as_routes(found) if route.table != _LOCAL_TABLE)

    def neighbours(self) -> tuple[Neighbour, ...]:
        """The permanent ARP entries."""
        found = [each for each in self.all_neighbours() if each[1] & NUD_PERMANENT]
        names = self._names(*(index for index, *_ in found))
        return tuple(Neighbour(names.get(index, "?"), where, mac) for index, _, where, mac in found)

    def all_neighbours(self) -> list[tuple[int, int, str, str]]:
        """Whatever ARP knows: index of the link, state, address, MAC."""
        found = []
        with refusals(f"look at the neighbours of {self._place}"), self._places.at(self._place):
            messages = ask_neighbours()
        for each in messages:
            _, index, state, _, _ = NEIGHBOUR.unpack_from(each)
            said = attributes(each, NEIGHBOUR.size)
            found.append((index, state, address(said.get(NDA_DST)), said.get(_NDA_LLADDR, b"").hex(":")))
        return found

    def number_of(self, place: Place) -> int | None:
        """The netnsid of a place, as this namespace numbers it."""
        with refusals(f"number the namespace of {place}"), self._places.opened(place) as fd:
            body = _NUMBER.pack(0) + attribute(_NETNSA_FD, struct.pack("=I", fd))
            with self._places.at(self._place):
                found = ask(_GET_NUMBER, body, dump=False)
        given = number(attributes(found[0], _NUMBER.size).get(_NETNSA_NSID))
        # NETNSA_NSID_NOT_ASSIGNED is -1
        return None if given is None or given >= 1 << 31 else given

    def route_to(self, target: str) -> Route | None:
        """Which way a packet would take."""
        wanted = attribute(_RTA_DST, socket.inet_aton(target))
        found: list[bytes] = []
        with refusals(f"look up a route to {target}", *_NO_WAY), self._places.at(self._place):
            found = ask(_GET_ROUTE, _ROUTE.pack(socket.AF_INET, 32, 0, 0, 0, 0, 0, 0, 0) + wanted, dump=False)
        return next(iter(self._as_routes(found)), None)

    def listeners(self) -> tuple[Listener, ...]:
        """Who waits for connections or packets."""
        self._places.go_net(self._place)
        return listeners_here()

    def _dump(self, what: str, kind: int, body: bytes) -> list[bytes]:
        with refusals(f"look at the {what} of {self._place}"), self._places.at(self._place):
            return ask(kind, body, dump=True)

    def _as_routes(self, messages: list[bytes]) -> list[Route]:
        said = [(_ROUTE.unpack_from(each), attributes(each, _ROUTE.size)) for each in messages]
        names = self._names(*(number(each.get(_RTA_OIF)) for _, each in said))
        return [_as_route(fields, each, names) for fields, each in said]

    def _names(self, *indexes: int | None) -> dict[int, str]:
        """Ask for names one by one: a dump of all links costs a thousand times as much (if_indextoname(3))."""
        names = {}
        with self._places.at(self._place):
            for index in {each for each in indexes if each}:
                with suppress(OSError):
                    names[index] = socket.if_indextoname(index)
        return names


def as_link(message: bytes) -> Link:
    """Read an RTM_NEWLINK."""
    _, _, index, flags, _ = _LINK.unpack_from(message)
    said = attributes(message, _LINK.size)
    info = attributes(said.get(_IFLA_LINKINFO, b""))
    # The numbers of these attributes mean something else for the ports of a bond.
    is_port = text(info.get(_INFO_SLAVE_KIND)) == "bridge"
    port = attributes(info.get(_INFO_SLAVE_DATA, b"")) if is_port else {}
    return Link(
        index=index,
        name=text(said.get(_IFLA_IFNAME)),
        kind=text(info.get(_INFO_KIND)),
        up=bool(flags & _IFF_UP),
        mac=said.get(_IFLA_ADDRESS, b"").hex(":"),
        master=number(said.get(_IFLA_MASTER)),
        peer_index=number(said.get(_IFLA_LINK)),
        peer_netns=number(said.get(_IFLA_LINK_NETNSID)),
        hairpin=bool(number(port.get(_BRPORT_MODE))),
        alias=text(said.get(_IFLA_IFALIAS)),
    )


def _as_address(message: bytes) -> Address:
    _, prefix, _, _, _ = _ADDRESS.unpack_from(message)
    said = attributes(message, _ADDRESS.size)
    return Address(text(said.get(_IFA_LABEL)), f"{address(said.get(_IFA_LOCAL))}/{prefix}")


def _as_route(fields: tuple[int, ...], said: dict[int, bytes], names: dict[int, str]) -> Route:
    _, length, _, _, table, protocol, _, kind, _ = fields
    destination = address(said.get(_RTA_DST))
    return Route(
        destination=f"{destination}/{length}" if destination else "default",
        via=address(said.get(_RTA_GATEWAY)),
        device=names.get(number(said.get(_RTA_OIF)) or 0, ""),
        source=address(said.get(_RTA_PREFSRC)),
        table=number(said.get(_RTA_TABLE)) or table,
        kind=_ROUTE_KINDS.get(kind, str(kind)),
        protocol=_PROTOCOLS.get(protocol, str(protocol)),
        metric=number(said.get(_RTA_PRIORITY)) or 0,
    )
