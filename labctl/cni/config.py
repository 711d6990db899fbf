"""A network configuration, read from what the runtime sends (specification 1.1.0, section 1) and held against it."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any, TypeAlias

from labctl.cni.failure import BAD_CONFIGURATION, CniFailure
from labctl.cni.request import NAME
from labctl.model.value import Value

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

    Network: TypeAlias = "IPv4Network | IPv6Network"
    Host: TypeAlias = "IPv4Address | IPv6Address"

_LONGEST_INTERFACE = 15
_LONGEST_NAME = 200  # a folder of the store is called so
_SMALLEST_PREFIX = 8
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


def read_configuration(raw: dict[str, Any]) -> Configuration:
    """Read it.

    Raises:
        CniFailure: 7, naming the key and what is there.
    """
    name = _text(raw, "name", "")
    if not NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
        raise _bad("name", name, "letters, digits, '_', '.' and '-', beginning with a letter or a digit")
    bridge = _text(raw, "bridge", "cni0")
    if not NAME.fullmatch(bridge) or len(bridge) > _LONGEST_INTERFACE:
        raise _bad("bridge", bridge, f"the name of an interface, at most {_LONGEST_INTERFACE} letters")
    ipam = _object(raw, "ipam")
    delegate = _text(ipam, "type", "", "ipam.type")
    if delegate and "/" in delegate:
        raise _bad("ipam.type", delegate, "the name of an executable in CNI_PATH")
    folder = _text(ipam, "dataDir", "/var/lib/cni/networks", "ipam.dataDir")
    if not folder.startswith("/"):
        raise _bad("ipam.dataDir", folder, "an absolute path")
    own = delegate in ("", "labnet")
    sets = _read_sets(ipam) if own else ()
    cluster = _networks(raw, "clusterRange") or tuple(str(each.subnet) for ranges in sets for each in ranges)
    return Configuration(
        name=name,
        bridge=bridge,
        masquerade=_flag(raw, "ipMasq", default=True),
        scan=_flag(ipam, "scan", default=False),
        range_sets=sets,
        cluster=cluster,
        routes=_read_routes(ipam),
        folder=f"{folder.rstrip('/')}/{name}",
        ipam="" if own else delegate,
        dns=_object(raw, "dns"),
        previous=_read_previous(raw),
        raw=raw,
    )


def _read_previous(raw: dict[str, Any]) -> dict[str, Any] | None:
    """What earlier plug-ins of the list, or our own ADD, answered; lists that it lacks are empty ones."""
    if raw.get("prevResult") is None:
        return None
    previous = _object(raw, "prevResult")
    lists = {key: _list(previous, key, f"prevResult.{key}") for key in ("interfaces", "ips", "routes")}
    for key, entries in lists.items():
        for each in entries:
            if not isinstance(each, dict):
                raise _bad(f"prevResult.{key}", each, "objects")
    return {**previous, **lists, "dns": _object(previous, "dns", "prevResult.dns")}


def _bad(key: str, value: object, expected: str) -> CniFailure:
    said = repr(value)
    return CniFailure(BAD_CONFIGURATION, f"{key} is {said[:80]}{'…' if len(said) > 80 else ''}; expected {expected}")  # noqa: PLR2004 (as much as fits into a line)


def _get(where: dict[str, Any], key: str, default: object) -> object:
    """A value; null, which Go writes for what is not set, is as good as nothing."""
    value = where.get(key)
    return default if value is None else value


def _has_bytes(text: str) -> bool:
    """Tell half of a surrogate pair, which JSON can say and no file name can."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _text(where: dict[str, Any], key: str, default: str, spelled: str = "") -> str:
    value = _get(where, key, default)
    if not isinstance(value, str) or "\0" in value or not _has_bytes(value):
        raise _bad(spelled or key, value, "a text")
    return value


def _flag(where: dict[str, Any], key: str, *, default: bool) -> bool:
    value = _get(where, key, default)
    if not isinstance(value, bool):
        raise _bad(key, value, "true or false")
    return value


def _object(where: dict[str, Any], key: str, spelled: str = "") -> dict[str, Any]:
    value = _get(where, key, {})
    if not isinstance(value, dict):
        raise _bad(spelled or key, value, "an object")
    return value


def _list(where: dict[str, Any], key: str, spelled: str) -> list[Any]:
    value = _get(where, key, [])
    if not isinstance(value, list):
        raise _bad(spelled, value, "a list")
    return value


def _networks(where: dict[str, Any], key: str) -> tuple[str, ...]:
    value = _get(where, key, [])
    values = value if isinstance(value, list) else [value]
    return tuple(str(_network(each, key)) for each in values)


def _network(value: object, key: str) -> Network:
    try:
        return ip_network(value if isinstance(value, str) and "/" in value else "")
    except ValueError:
        raise _bad(key, value, "a range like 10.244.0.0/24") from None


def _host(where: dict[str, Any], key: str, default: Host, subnet: Network) -> Host:
    value = where.get(key)
    if value is None:
        return default
    try:
        # Of a scope (fe80::1%eth0) `ipaddress` takes anything, ends of lines too.
        found = ip_address(value if isinstance(value, str) and "%" not in value else "")
    except ValueError:
        raise _bad(f"ipam.ranges.{key}", value, "an address") from None
    if found not in subnet:
        raise _bad(f"ipam.ranges.{key}", value, f"an address of {subnet}")
    return found


def _read_sets(ipam: dict[str, Any]) -> tuple[tuple[Range, ...], ...]:
    sets = _list(ipam, "ranges", "ipam.ranges")
    if "subnet" in ipam:
        sets = [[ipam], *sets]
    if not sets:
        raise _bad("ipam.ranges", sets, "at least one list of ranges, each with a subnet")
    read = []
    for number, each in enumerate(sets):
        if not isinstance(each, list) or not each:
            raise _bad(f"ipam.ranges[{number}]", each, "a list of ranges, each with a subnet")
        ranges = tuple(_read_range(one, number) for one in each)
        if len({one.subnet.version for one in ranges}) > 1:
            raise _bad(f"ipam.ranges[{number}]", each, "ranges of one family")
        read.append(ranges)
    return tuple(read)


def _read_range(value: object, number: int) -> Range:
    if not isinstance(value, dict):
        raise _bad(f"ipam.ranges[{number}]", value, "objects with a subnet")
    subnet = _network(value.get("subnet"), f"ipam.ranges[{number}].subnet")
    if subnet.num_addresses < 4 or subnet.prefixlen < _SMALLEST_PREFIX:  # noqa: PLR2004 (network, bridge, a container, broadcast)
        raise _bad(f"ipam.ranges[{number}].subnet", str(subnet), "room for a bridge and a container, at most a /8")
    if any(subnet.overlaps(each) for each in _UNUSABLE if each.version == subnet.version):
        raise _bad(f"ipam.ranges[{number}].subnet", str(subnet), "addresses that one host may send to another")
    gateway = _host(value, "gateway", subnet[1], subnet)
    # The last address of an IPv4 range is its broadcast; IPv6 has none.
    end = subnet[-2] if subnet.version == 4 else subnet[-1]  # noqa: PLR2004 (the family)
    if not int(subnet[0]) < int(gateway) <= int(end):
        raise _bad("ipam.ranges.gateway", str(gateway), f"an address that a host of {subnet} may have")
    first, last = _host(value, "rangeStart", subnet[1], subnet), _host(value, "rangeEnd", end, subnet)
    if int(first) > int(last):
        raise _bad(f"ipam.ranges[{number}].rangeStart", str(first), f"no more than rangeEnd, {last}")
    return Range(subnet, gateway, first, min(last, end, key=int))


def _read_routes(ipam: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    routes = []
    for each in _list(ipam, "routes", "ipam.routes"):
        if not isinstance(each, dict):
            raise _bad("ipam.routes", each, "objects with dst, and gw if need be")
        gateway = each.get("gw", "")
        try:
            via = str(ip_address(gateway if "%" not in str(gateway) else "")) if gateway else ""
        except ValueError:
            raise _bad("ipam.routes.gw", gateway, "an address") from None
        routes.append((str(_network(each.get("dst"), "ipam.routes.dst")), via))
    return tuple(routes)
