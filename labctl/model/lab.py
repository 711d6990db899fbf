"""The lab as data: nodes, containers, ranges and places. Addresses are the notes' own by default."""

from __future__ import annotations

from functools import cached_property
from itertools import count, product
from typing import TYPE_CHECKING

from labctl.errors import UsageError
from labctl.model.value import Value

if TYPE_CHECKING:
    from collections.abc import Iterator
    from ipaddress import IPv4Address, IPv4Network


def letters() -> Iterator[str]:
    """The names a, b, …, z, aa, ab, …, without end."""
    for length in count(1):
        for each in product("abcdefghijklmnopqrstuvwxyz", repeat=length):
            yield "".join(each)


class Place(Value):
    """Where a command runs or a packet starts: a node, a container on it, or one of the outer hosts."""

    node: str
    container: str = ""

    def __str__(self) -> str:
        """Spell it as the command line does: `master` or `master/a`."""
        return f"{self.node}/{self.container}" if self.container else self.node


NETNS_FOLDER = "/var/run/netns"
"""Where a node keeps the names of network namespaces (ip-netns(8))."""

INTERNET = Place("internet")
VPC = Place("vpc")


class Container(Value):
    """What the kubelet hands to the plug-in: a name (`CNI_CONTAINERID`) on a node, with no interface but lo."""

    name: str
    node: str

    @property
    def place(self) -> Place:
        """Where it lives."""
        return Place(self.node, self.name)


class Node(Value):
    """One machine of the cluster: its address in the vpc, its share of the pod range, its containers."""

    name: str
    address: IPv4Address
    pod_range: IPv4Network
    containers: tuple[Container, ...]

    @property
    def place(self) -> Place:
        """Where it lives."""
        return Place(self.name)

    @property
    def bridge_address(self) -> IPv4Address:
        """Give the bridge the first address of the pod range; it is the containers' gateway."""
        return self.pod_range[1]

    @property
    def bridge_cidr(self) -> str:
        """Spell the bridge's address with the range's prefix: `10.244.0.1/24`."""
        return f"{self.bridge_address}/{self.pod_range.prefixlen}"


class Lab(Value):
    """The whole address plan. The defaults live in `world/default.toml` only.

    `nodes` are those that can be worked on from here, `peers` the other machines of the cluster, if it has any: nobody
    can look into them. `outer` are the places that are no node. `cloud` says who knows the way to the pods of another
    node: a cloud network (`gcloud`), or the nodes themselves (`static`). From an address in `beyond`, which is another
    machine's, silence alone proves nothing: perhaps nobody is there.
    """

    bridge: str
    cluster_range: IPv4Network
    node_range: IPv4Network
    gateway: IPv4Address
    internet: IPv4Address
    network: str
    nodes: tuple[Node, ...]
    service_range: IPv4Network
    peers: tuple[Node, ...] = ()
    outer: tuple[Place, ...] = (INTERNET, VPC)
    cloud: str = "gcloud"
    beyond: tuple[IPv4Network, ...] = ()

    @cached_property
    def _nodes(self) -> dict[str, Node]:
        return {node.name: node for node in self.nodes}

    def node(self, name: str, others: str = "") -> Node:
        """Find a node by its name; `others` is said of what else would do.

        Raises:
            UsageError: there is no such node.
        """
        try:
            return self._nodes[name]
        except KeyError:
            names = ", ".join(self._nodes)
            for peer in self.peers:
                if peer.name == name:
                    hint = f"log in there ({peer.address}), and run labctl on it"
                    raise UsageError(f"{name} is another machine; this one is {names}", hint) from None
            raise UsageError(f"there is no node '{name}'", f"the nodes are: {names}{others}") from None

    @cached_property
    def cluster(self) -> tuple[Node, ...]:
        """All nodes of the cluster, those on other machines too; on each machine in the same order."""
        return tuple(sorted((*self.nodes, *self.peers), key=lambda each: each.address)) if self.peers else self.nodes

    def is_beyond(self, address: str) -> bool:
        """Tell whether an address is another machine's, into which nobody can look from here."""
        from ipaddress import ip_address

        return any(ip_address(address) in each for each in self.beyond)

    @property
    def containers(self) -> tuple[Container, ...]:
        """All containers, node by node."""
        return tuple(container for node in self.nodes for container in node.containers)

    def guest(self, node: Node) -> Container:
        """The container that the lab's own runtime makes on a node (step 8): the next free letter, node by node."""
        return self._guests[node.name]

    @cached_property
    def _guests(self) -> dict[str, Container]:
        taken = {name for node in self.cluster for name in (node.name, *(each.name for each in node.containers))}
        free = (name for name in letters() if name not in taken)
        return {node.name: Container(name, node.name) for node, name in zip(self.cluster, free, strict=False)}

    def place(self, text: str) -> Place:
        """Read `NODE`, `NODE/CONTAINER`, `internet` or `vpc` as typed on the command line.

        Raises:
            UsageError: no such node or container.
        """
        if Place(text) in self.outer:
            return Place(text)
        name, _, container = text.partition("/")
        if Place(name) in self.outer:
            raise UsageError(f"{name} has no containers", f"itself: {name}")
        outer = ", ".join(sorted(map(str, self.outer)))
        if text not in self._nodes and (meant := [each.place for each in self.containers if each.name == text]):
            raise UsageError(f"there is no node '{text}', but a container", f"it is: {', '.join(map(str, meant))}")
        node = self.node(name, f"; beside them: {outer}" if outer else "")
        if container and container not in {each.name for each in node.containers}:
            names = ", ".join(each.name for each in node.containers) or "none"
            raise UsageError(f"there is no container '{container}' on {name}", f"its containers are: {names}")
        if "/" in text and not container:
            raise UsageError(f"'{text}' names no container", f"try: {name}/{node.containers[0].name}")
        return Place(name, container)
