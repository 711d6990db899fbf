"""Shared looks at links, addresses and reservations; what several resources ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labctl.model.lab import Place
from labctl.model.store import read_reservations

if TYPE_CHECKING:
    from labctl.model.lab import Container, Node
    from labctl.model.ports import Kernel
    from labctl.model.values import Link

INTERFACE = "eth0"
"""What the container's end is called; the runtime says so (`CNI_IFNAME`), and it is always eth0."""


def find_link(kernel: Kernel, place: Place, name: str) -> Link | None:
    """The link of that name, None if there is none."""
    return kernel.net(place).link(name)


def find_host_end(kernel: Kernel, container: Container, end: Link, likely: str = "") -> Link | None:
    """The link on the node that is the other end of a container's link; None if that is elsewhere.

    Indexes of two namespaces may coincide: the number of the namespace is compared too. The one of the `likely` name
    is looked at first: on a node there may be hundreds.
    """
    node = kernel.net(Place(container.node))
    found = node.link(likely) if likely else None
    if found is None or not _is_other_end(found, end):
        found = next((link for link in node.links() if _is_other_end(link, end)), None)
    if found is None:
        return None
    return found if found.peer_netns == node.number_of(container.place) else None


def _is_other_end(link: Link, end: Link) -> bool:
    return link.index == end.peer_index and link.kind == end.kind and link.peer_index == end.index


def reservation_faults(kernel: Kernel, node: Node, container: Container, network: str) -> tuple[str, ...]:
    """What is wrong with a container's reservation: out of range, not its alone, more than one."""
    pairs = read_reservations(kernel, node.name, network)
    own = [address for address, whose in pairs if whose == container.name]
    faults = []
    if len(own) > 1:
        faults.append(f"{container.name} has {len(own)} reservations ({', '.join(own)}); expected one")
    usable = {str(address) for address in node.pod_range.hosts()} - {str(node.bridge_address)}
    for address in own:
        if address not in usable:
            faults.append(f"{address} is reserved for {container.name}; expected a host address of {node.pod_range}")
        others = [whose for each, whose in pairs if each == address and whose != container.name]
        if others:
            faults.append(f"{address} is reserved for {container.name} and for {', '.join(others)}; expected one owner")
    return tuple(faults)
