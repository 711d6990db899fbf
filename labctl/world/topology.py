"""Reads the address plan of a lab, checks it, and makes larger ones by the same pattern."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from ipaddress import IPv4Address, IPv4Network
from itertools import combinations, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from labctl.errors import UsageError
from labctl.model.lab import Container, Lab, Node, letters
from labctl.model.objects import MY_POD
from labctl.model.service import DNS_POD
from labctl.model.value import replace

if TYPE_CHECKING:
    from collections.abc import Iterator

Document: TypeAlias = "dict[str, Any]"

DEFAULT = Path(__file__).with_name("default.toml")
MOST_NODES = 50
MOST_CONTAINERS = 200
# A node's name becomes the interface v<name> in the vpc; IFNAMSIZ leaves 15 characters (if_nametoindex(3)).
_NAME = re.compile(r"[a-z][a-z0-9-]{0,12}")
# Likewise veth<name> on the node.
_CONTAINER = re.compile(r"[a-z][a-z0-9-]{0,10}")
_BRIDGE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,14}")
_RESERVED = frozenset({"internet", "vpc", "all", "lab", DNS_POD, MY_POD})
_INTERFACES = frozenset({"lo", "eth0", "all", "default", "master"})
# Network, bridge and broadcast address are nobody's.
_TAKEN_ADDRESSES = 3
# From this prefix on there is neither (RFC 3021).
_POINT_TO_POINT = 31
_LONGEST_SERVICE_PREFIX = 24
_TOP = {"bridge", "network", "cluster_range", "node_range", "gateway", "node"}
# What a file may leave out has the value of the default topology.
_OPTIONAL = {"internet", "service_range"}
# What is noted in it, and makes no difference.
_NOTED = {"seed"}
_NODE = {"name", "address", "pod_range", "containers"}


def read_file(path: Path) -> Document:
    """Read a topology file (TOML).

    Raises:
        UsageError: it cannot be read, or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise UsageError(f"the topology {path} cannot be read: {reason}", f"an example: {DEFAULT}") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"the topology {path} is not TOML: {error}", f"an example: {DEFAULT}") from None


def localise(lab: Lab, name: str, cloud: str) -> Lab:
    """The lab as it is seen from one of its nodes, a real machine: the others are machines that nobody can look into.

    Raises:
        UsageError: there is no such node.
    """
    here = lab.node(name)
    peers = tuple(node for node in lab.nodes if node != here)
    addresses = (IPv4Network(each) for each in (lab.internet, *(peer.address for peer in peers)))
    beyond = (*addresses, *(peer.pod_range for peer in peers))
    return replace(lab, nodes=(here,), peers=peers, outer=(), cloud=cloud, beyond=beyond)


def plan_id(document: Document) -> str:
    """What the journal calls a plan."""
    import hashlib
    import json

    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:16]


def spread(nodes: int | None, containers: int | None) -> Document:
    """Make a topology of so many nodes and containers a node, by the pattern of the default one.

    Raises:
        UsageError: too few or too many.
    """
    document = read_file(DEFAULT)
    if nodes is None and containers is None:
        return document
    nodes = len(document["node"]) if nodes is None else nodes
    containers = len(document["node"][0]["containers"]) if containers is None else containers
    if not 1 <= nodes <= MOST_NODES:
        raise UsageError(f"{nodes} nodes cannot be made", f"from 1 to {MOST_NODES}: labctl up --nodes 5")
    if not 1 <= containers <= MOST_CONTAINERS:
        raise UsageError(
            f"{containers} containers a node cannot be made", f"from 1 to {MOST_CONTAINERS}: labctl up --containers 20"
        )
    first = IPv4Address(document["node"][0]["address"])
    ranges = IPv4Network(document["cluster_range"]).subnets(new_prefix=24)
    names = _letters()
    document["node"] = [
        {
            "name": "master" if number == 0 else "worker" + (str(number) if number > 1 else ""),
            "address": str(first + number),
            "pod_range": str(pod_range),
            "containers": list(islice(names, containers)),
        }
        for number, pod_range in zip(range(nodes), ranges, strict=False)
    ]
    return document


def _letters() -> Iterator[str]:
    """Name containers a, b, …, z, aa, ab, …; never by a name that means something else."""
    return (name for name in letters() if name not in _RESERVED)


def read_lab(document: Document) -> Lab:
    """Turn a topology into a lab, checked.

    Raises:
        UsageError: a field is missing, unknown or of the wrong form, or ranges overlap or are too small.
    """
    document = {**{field: read_file(DEFAULT)[field] for field in _OPTIONAL - set(document)}, **document}
    _check_fields({key: document[key] for key in document if key not in _NOTED}, _TOP | _OPTIONAL, "the topology")
    entries = document["node"]
    if not isinstance(entries, list) or not entries:
        raise _wrong("the topology has no [[node]]")
    lab = Lab(
        bridge=_text(document, "bridge", _BRIDGE),
        network=_text(document, "network", _NAME),
        cluster_range=_range(document, "cluster_range"),
        node_range=_range(document, "node_range"),
        gateway=_address(document, "gateway"),
        internet=_address(document, "internet"),
        nodes=tuple(_read_node(entry) for entry in entries),
        service_range=_range(document, "service_range"),
    )
    _check_lab(lab)
    return lab


def _read_node(entry: object) -> Node:
    if not isinstance(entry, dict):
        raise _wrong("a [[node]] is not a table")
    _check_fields(entry, _NODE, f"node {entry.get('name', '?')}")
    name = _text(entry, "name", _NAME)
    names = entry["containers"]
    if not isinstance(names, list) or not names or not all(isinstance(each, str) for each in names):
        raise _wrong(f"the containers of {name} are not a list of names")
    for each in names:
        if not _CONTAINER.fullmatch(each):
            raise _wrong(f"'{each}' is no name for a container: letters, digits and -, at most 11")
    containers = tuple(Container(each, name) for each in names)
    return Node(name, _address(entry, "address"), _range(entry, "pod_range"), containers)


def _check_lab(lab: Lab) -> None:
    if len(lab.nodes) > MOST_NODES or any(len(node.containers) > MOST_CONTAINERS for node in lab.nodes):
        raise _wrong(f"at most {MOST_NODES} nodes with {MOST_CONTAINERS} containers each")
    _check_names(lab)
    _check_ranges(lab)
    for first, second in combinations(lab.nodes, 2):
        if first.pod_range.overlaps(second.pod_range):
            raise _wrong(
                f"the pod ranges of {first.name} ({first.pod_range}) and {second.name} ({second.pod_range}) overlap"
            )
        if first.address == second.address:
            raise _wrong(f"{first.name} and {second.name} have the same address {first.address}")
    for node in lab.nodes:
        _check_node(lab, node)


def _check_names(lab: Lab) -> None:
    if lab.bridge in _INTERFACES | {f"veth{container.name}" for container in lab.containers}:
        raise _wrong(f"the name '{lab.bridge}' of the bridge is taken by another interface of the node")
    names = Counter([node.name for node in lab.nodes] + [container.name for container in lab.containers])
    for name, times in names.items():
        if times > 1:
            raise _wrong(f"the name '{name}' stands twice")
        if name in _RESERVED:
            raise _wrong(f"the name '{name}' is taken by the lab itself")


def _check_ranges(lab: Lab) -> None:
    for name, value in (
        ("cluster_range", lab.cluster_range),
        ("node_range", lab.node_range),
        ("service_range", lab.service_range),
        ("internet", lab.internet),
    ):
        if value.is_loopback or value.is_multicast or value.is_unspecified or value.is_reserved or value.is_link_local:
            raise _wrong(f"{name} = {value} is not usable: the kernel keeps these addresses for other things")
    named = (
        ("cluster_range", lab.cluster_range),
        ("node_range", lab.node_range),
        ("service_range", lab.service_range),
    )
    for (name, one), (other_name, other) in combinations(named, 2):
        if one.overlaps(other):
            raise _wrong(f"{name} {one} and {other_name} {other} overlap")
    if lab.service_range.prefixlen > _LONGEST_SERVICE_PREFIX:
        raise _wrong(f"service_range {lab.service_range} is too small: its hundredth address is a Service's")
    if any(lab.internet in each for _, each in named):
        raise _wrong(f"the internet's address {lab.internet} lies inside the lab's own ranges")
    if lab.gateway not in lab.node_range:
        raise _wrong(f"the gateway {lab.gateway} is not in node_range {lab.node_range}")
    for name, address in (("gateway", lab.gateway), *((node.name, node.address) for node in lab.nodes)):
        if lab.node_range.prefixlen < _POINT_TO_POINT and address in (lab.node_range[0], lab.node_range[-1]):
            raise _wrong(f"the address {address} of {name} is the network or broadcast address of {lab.node_range}")


def _check_node(lab: Lab, node: Node) -> None:
    if not node.pod_range.subnet_of(lab.cluster_range):
        raise _wrong(f"the pod range {node.pod_range} of {node.name} is not in cluster_range {lab.cluster_range}")
    if node.address not in lab.node_range or node.address == lab.gateway:
        raise _wrong(f"the address {node.address} of {node.name} is not a free one of node_range {lab.node_range}")
    room = node.pod_range.num_addresses - _TAKEN_ADDRESSES
    if room < len(node.containers):
        raise _wrong(
            f"the pod range {node.pod_range} of {node.name} is too small: room for {max(room, 0)} containers, "
            f"{len(node.containers)} wanted"
        )


def _check_fields(entry: Document, wanted: set[str], where: str) -> None:
    for field in sorted(wanted - set(entry)):
        raise _wrong(f"{where} has no '{field}'")
    for field in sorted(set(entry) - wanted):
        raise _wrong(f"{where} has an unknown field '{field}'")


def _text(entry: Document, field: str, form: re.Pattern[str]) -> str:
    value = entry[field]
    if not isinstance(value, str) or not form.fullmatch(value):
        raise _wrong(f"{field} = {value!r} is no usable name ({form.pattern})")
    return value


def _range(entry: Document, field: str) -> IPv4Network:
    try:
        return IPv4Network(_spelled(entry[field]))
    except ValueError as error:
        raise _wrong(f"{field} = {entry[field]!r} is no range: {error}") from None


def _address(entry: Document, field: str) -> IPv4Address:
    try:
        return IPv4Address(_spelled(entry[field]))
    except ValueError as error:
        raise _wrong(f"{field} = {entry[field]!r} is no address: {error}") from None


def _spelled(value: object) -> str:
    """TOML has numbers too, and ipaddress would take them."""
    if not isinstance(value, str):
        raise ValueError(f"a text like '10.0.0.1' or '10.0.0.0/24' is wanted, not {value!r}")  # noqa: TRY004 (ipaddress's own)
    return value


def _wrong(what: str) -> UsageError:
    return UsageError(f"the topology is not right: {what}", f"an example: {DEFAULT}")
