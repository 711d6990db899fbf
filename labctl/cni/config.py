"""A network configuration, read from what the runtime sends (specification 1.1.0, section 1) and held against it."""

from __future__ import annotations

from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

from labctl.cni.failure import CniFailure
from labctl.cni.fields import (
    bad,
    read_address,
    read_flag,
    read_list,
    read_network,
    read_networks,
    read_object,
    read_text,
    read_value,
)
from labctl.cni.request import NAME, NO_INTERFACES
from labctl.model.value import Value

if TYPE_CHECKING:
    from collections.abc import Iterable

    from labctl.cni.fields import Host, Network

_LONGEST_INTERFACE = 15
_LONGEST_NAME = 200  # a folder of the store is called so
_SMALLEST_PREFIX = 8
_MOST_RANGES = 16  # two rules of FORWARD each, one after the other: with 300 an ADD took three minutes, under the lock
# This host, loopback, link-local, multicast, reserved (RFC 6890).
_UNUSABLE = tuple(
    ip_network(each) for each in ("0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3", "::1/128", "fe80::/10", "ff00::/8")
)


class Range(Value):
    """Addresses to give away: those of `subnet` from `first` to `last`; the bridge has `gateway`."""

    subnet: Network
    gateway: Host
    first: Host
    last: Host


class Configuration(Value):
    """What an administrator wants of a network.

    `range_sets`: a container gets one address of each. `cluster` are the ranges that FORWARD lets through. `ipam` names
    the plug-in that gives addresses, empty for our own store. `raw` is the whole object, as a delegate gets it.
    """

    name: str
    bridge: str
    masquerade: bool
    scan: bool
    range_sets: tuple[tuple[Range, ...], ...]
    cluster: tuple[str, ...]
    routes: tuple[tuple[str, str], ...]
    folder: str
    ipam: str
    dns: dict[str, Any]
    previous: dict[str, Any] | None
    raw: dict[str, Any]

    @property
    def families(self) -> tuple[int, ...]:
        """The families of its ranges; where another gives the addresses, both."""
        return tuple(sorted({each[0].subnet.version for each in self.range_sets})) or (4, 6)


def read_configuration(raw: dict[str, Any], *, lenient: bool = False) -> Configuration:
    """Read it. If `lenient`, a prevResult that cannot be read is as good as none.

    Raises:
        CniFailure: 7, naming the key and what is there.
    """
    name = read_text(raw, "name", "")
    if not NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
        raise bad("name", name, "letters, digits, '_', '.' and '-', beginning with a letter or a digit")
    bridge = read_text(raw, "bridge", "cni0")
    if not NAME.fullmatch(bridge) or len(bridge) > _LONGEST_INTERFACE or bridge in NO_INTERFACES:
        what = f"the name of an interface, at most {_LONGEST_INTERFACE} letters, not {' or '.join(NO_INTERFACES)}"
        raise bad("bridge", bridge, what)
    ipam = read_object(raw, "ipam")
    delegate = read_text(ipam, "type", "", "ipam.type")
    if delegate and "/" in delegate:
        raise bad("ipam.type", delegate, "the name of an executable in CNI_PATH")
    folder = read_text(ipam, "dataDir", "/var/lib/cni/networks", "ipam.dataDir")
    if not folder.startswith("/"):
        raise bad("ipam.dataDir", folder, "an absolute path")
    own = delegate in ("", "labnet")
    sets = _read_sets(ipam) if own else ()
    return Configuration(
        name=name,
        bridge=bridge,
        masquerade=read_flag(raw, "ipMasq", default=True),
        scan=read_flag(ipam, "scan", default=False),
        range_sets=sets,
        cluster=_read_cluster(raw, sets),
        routes=_read_routes(ipam),
        folder=f"{folder.rstrip('/')}/{name}",
        ipam="" if own else delegate,
        dns=read_object(raw, "dns"),
        previous=_read_previous(raw, lenient=lenient),
        raw=raw,
    )


def complete(cluster: tuple[str, ...], subnets: Iterable[str]) -> tuple[str, ...]:
    """The ranges of a cluster; of a family of which it names none, the subnets themselves."""
    named = {":" in each for each in cluster}
    return (*cluster, *(each for each in dict.fromkeys(subnets) if (":" in each) not in named))


def _read_cluster(raw: dict[str, Any], sets: tuple[tuple[Range, ...], ...]) -> tuple[str, ...]:
    named = read_networks(raw, "clusterRange")
    if len(named) > _MOST_RANGES:
        raise bad("clusterRange", raw["clusterRange"], f"at most {_MOST_RANGES} ranges")
    found = complete(named, (str(each.subnet) for ranges in sets for each in ranges))
    if len(found) > _MOST_RANGES or len(sets) > _MOST_RANGES:
        what = f"at most {_MOST_RANGES} subnets; many in one set need a clusterRange that holds them"
        raise bad("ipam.ranges", [str(each.subnet) for ranges in sets for each in ranges], what)
    return found


def _read_previous(raw: dict[str, Any], *, lenient: bool) -> dict[str, Any] | None:
    if raw.get("prevResult") is None:
        return None
    from labctl.cni.previous import read_previous

    try:
        return read_previous(raw)
    except CniFailure:
        if lenient:
            return None
        raise


def _host(where: dict[str, Any], key: str, default: Host, subnet: Network) -> Host:
    value = where.get(key)
    if value is None:
        return default
    found = read_address(value, f"ipam.ranges.{key}")
    if found not in subnet:
        raise bad(f"ipam.ranges.{key}", value, f"an address of {subnet}")
    return found


def _read_sets(ipam: dict[str, Any]) -> tuple[tuple[Range, ...], ...]:
    sets = read_list(ipam, "ranges", "ipam.ranges")
    if "subnet" in ipam:
        sets = [[ipam], *sets]
    if not sets:
        raise bad("ipam.ranges", sets, "at least one list of ranges, each with a subnet")
    read = []
    for number, each in enumerate(sets):
        if not isinstance(each, list) or not each:
            raise bad(f"ipam.ranges[{number}]", each, "a list of ranges, each with a subnet")
        ranges = tuple(_read_range(one, number) for one in each)
        if len({one.subnet.version for one in ranges}) > 1:
            raise bad(f"ipam.ranges[{number}]", each, "ranges of one family")
        read.append(ranges)
    return tuple(read)


def _read_range(value: object, number: int) -> Range:
    if not isinstance(value, dict):
        raise bad(f"ipam.ranges[{number}]", value, "objects with a subnet")
    subnet = read_network(value.get("subnet"), f"ipam.ranges[{number}].subnet")
    if subnet.num_addresses < 4 or subnet.prefixlen < _SMALLEST_PREFIX:  # noqa: PLR2004 (network, bridge, a container, broadcast)
        raise bad(f"ipam.ranges[{number}].subnet", str(subnet), "room for a bridge and a container, at most a /8")
    if any(subnet.overlaps(each) for each in _UNUSABLE if each.version == subnet.version):
        raise bad(f"ipam.ranges[{number}].subnet", str(subnet), "addresses that one host may send to another")
    gateway = _host(value, "gateway", subnet[1], subnet)
    # The last address of an IPv4 range is its broadcast; IPv6 has none.
    end = subnet[-2] if subnet.version == 4 else subnet[-1]  # noqa: PLR2004 (the family)
    if not int(subnet[0]) < int(gateway) <= int(end):
        raise bad("ipam.ranges.gateway", str(gateway), f"an address that a host of {subnet} may have")
    first, last = _host(value, "rangeStart", subnet[1], subnet), _host(value, "rangeEnd", end, subnet)
    if int(first) > int(last):
        raise bad(f"ipam.ranges[{number}].rangeStart", str(first), f"no more than rangeEnd, {last}")
    return Range(subnet, gateway, first, min(last, end, key=int))


def _read_routes(ipam: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    routes = []
    for each in read_list(ipam, "routes", "ipam.routes"):
        if not isinstance(each, dict):
            raise bad("ipam.routes", each, "objects with dst, and gw if need be")
        gateway = read_value(each, "gw", "")
        via = "" if gateway == "" else str(read_address(gateway, "ipam.routes.gw"))
        routes.append((str(read_network(each.get("dst"), "ipam.routes.dst")), via))
    return tuple(routes)
