"""The canonical state of a world: one JSON that is equal when, and only when, the lab is the same."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from labctl.errors import KernelRefused
from labctl.model.compute import is_compute
from labctl.model.iptables_save import parse_save
from labctl.model.kubeconfig import AUTHORITY_FILE, KEY_FILE, KUBECONFIG
from labctl.model.lab import INTERNET, NETNS_FOLDER, VPC, Place
from labctl.model.objects import my_pod
from labctl.model.program import program_words
from labctl.model.service import dns_pod
from labctl.model.store import STATE_FOLDERS
from labctl.model.values import Ruleset

if TYPE_CHECKING:
    from labctl.model.lab import Container, Lab, Node
    from labctl.model.ports import Kernel, Net
    from labctl.model.values import Link, Listener

SCHEMA = 1
_TABLES = ("filter", "nat", "mangle", "raw", "security")
SYSCTLS = ("net.ipv4.ip_forward", "net.bridge.bridge-nf-call-iptables")
# Of kubectl's folder only what it is told, not what it remembers of servers.
STATE_PATHS = (*STATE_FOLDERS, KUBECONFIG, AUTHORITY_FILE, KEY_FILE)
NETNS = "/run/netns"
BASELINE_POLICY = {("filter", "FORWARD"): "DROP"}


def take(kernel: Kernel, lab: Lab) -> dict[str, Any]:
    """Look at everything that the course may touch. Shape: docs/json.md."""
    kernel.refresh()
    places = list(lab.outer)
    for node in lab.nodes:
        places += [node.place, *(each.place for each in _containers(kernel, lab, node))]
    names = _Names(kernel, lab, places)
    return {
        "schema": SCHEMA,
        "places": {str(place): _place(kernel, place, names) for place in places},
        "nodes": {node.name: _node(kernel, node, names, _containers(kernel, lab, node)) for node in lab.nodes},
        "vpc_routes": [
            {
                "destination": route.destination,
                "next_hop": route.next_hop,
                "network": route.network,
                "priority": route.priority,
            }
            for route in sorted(kernel.cloud.routes(), key=lambda each: (each.network, each.destination, each.next_hop))
        ],
    }


def take_node(kernel: Kernel, lab: Lab, node: Node) -> dict[str, Any]:
    """The same of one node alone, without its containers: for who looks often, and changes nothing elsewhere."""
    kernel.refresh()
    names = _Names(kernel, lab, [node.place])
    return {
        "places": {str(node.place): _place(kernel, node.place, names)},
        "nodes": {node.name: _node(kernel, node, names, ())},
    }


def spell(snapshot: dict[str, Any]) -> str:
    """The one text of a snapshot."""
    return json.dumps(snapshot, indent=1, sort_keys=True) + "\n"


def _containers(kernel: Kernel, lab: Lab, node: Node) -> tuple[Container, ...]:
    """The node's containers, and those that the lab's own runtime has made, if it has."""
    return (*node.containers, *(each for each in guests(lab, node) if _is_made(kernel, each)))


def guests(lab: Lab, node: Node) -> tuple[Container, ...]:
    """The containers that steps may make on a node."""
    pods = (each for each in (dns_pod(lab), my_pod(lab)) if each.node == node.name)
    return (lab.guest(node), *pods)


def _is_made(kernel: Kernel, guest: Container) -> bool:
    if kernel.files(guest.node).info(f"{NETNS_FOLDER}/{guest.name}") is None:
        return False
    try:
        return bool(kernel.net(guest.place).links())
    except KernelRefused:  # something that is no namespace has the name
        return False


class _Names:
    """Replaces what differs from world to world (MACs, namespace paths) by the names of their owners."""

    def __init__(self, kernel: Kernel, lab: Lab, places: list[Place]) -> None:
        self.links: dict[Place, tuple[Link, ...]] = {place: kernel.net(place).links() for place in places}
        self._kernel = kernel
        self._macs = {mac: name for place in places for mac, name in _owners(place, self.links[place])}
        # A guest's path is its name, the same in every world.
        self._paths = {kernel.namespace_path(each.place): f"<netns of {each.name}>" for each in lab.containers}
        self._numbers: dict[tuple[Place, int], Place] = {}
        for place in places:
            numbered = any(link.peer_netns is not None for link in self.links[place])
            for other in places if numbered else ():
                number = kernel.net(place).number_of(other) if _near(place, other) else None
                if number is not None:
                    self._numbers[place, number] = other

    def peer(self, place: Place, link: Link) -> str | None:
        if link.peer_index is None:
            return None
        there = place if link.peer_netns is None else self._numbers.get((place, link.peer_netns))
        if there is None:
            return "elsewhere"
        name = next((each.name for each in self.links[there] if each.index == link.peer_index), "?")
        return f"{there} {name}"

    def text(self, text: str) -> str:
        for path, name in self._paths.items():
            text = re.sub(re.escape(path) + r"(?!\w)", name, text)
        # Keys are drawn, and so are the certificates that belong to them.
        text = re.sub(r"-----BEGIN ([A-Z ]+)-----.+?-----END \1-----", r"<drawn \1>", text, flags=re.DOTALL)
        return re.sub(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}", lambda found: self._macs.get(found[0], found[0]), text)


def _owners(place: Place, links: tuple[Link, ...]) -> list[tuple[str, str]]:
    """Whose each MAC is. A bridge borrows the lowest of its ports', and which that is differs from world to world."""
    names = {link.index: link.name for link in links}
    bridges = {link.master for link in links if link.master is not None}
    owners = []
    for link in links:
        bridge = link.index if link.index in bridges else link.master
        owner = f"{names[bridge]} or a port of it" if bridge in names else link.name
        owners.append((link.mac, f"<mac of {place} {owner}>"))
    return owners


def _near(place: Place, other: Place) -> bool:
    """Only these may be at the two ends of one cable."""
    return place != other and (place.node == other.node or VPC in (place, other))


def _place(kernel: Kernel, place: Place, names: _Names) -> dict[str, Any]:
    by_index = {link.index: link.name for link in names.links[place]}
    net = kernel.net(place)
    return {
        "links": {
            link.name: {
                "kind": link.kind,
                "up": link.up,
                "master": by_index.get(link.master or 0),
                "peer": names.peer(place, link) if link.kind == "veth" else None,
                "hairpin": link.hairpin,
            }
            for link in names.links[place]
        },
        "addresses": sorted(f"{each.device} {each.cidr}" for each in net.addresses()),
        "routes": sorted(
            f"{route.kind} {route.destination} via {route.via or '-'} dev {route.device or '-'} src "
            f"{route.source or '-'} "
            f"table {route.table} proto {route.protocol} metric {route.metric}"
            for route in net.routes()
        ),
        "neighbours": sorted(f"{each.device} {each.address} {names.text(each.mac)}" for each in net.neighbours()),
        "servers": [] if place in (VPC, INTERNET) else _servers(net),
    }


def _servers(net: Net) -> list[str]:
    """Who waits for whoever comes. The hosts of the cloud have their own, which are no business of the course."""
    return sorted(spell_listener(each) for each in net.listeners() if not is_compute(each))


def spell_listener(listener: Listener) -> str:
    """One of a place's `servers`."""
    return f"{listener.protocol} {listener.address} {listener.port} {' '.join(program_words(listener.argv))}"


def _node(kernel: Kernel, node: Node, names: _Names, owners: tuple[Container, ...]) -> dict[str, Any]:
    firewall = kernel.firewall(node.name)
    # Table by table, each would be asked of an iptables-save of its own.
    saved = parse_save(firewall.saved())
    tables = {name: _table(name, saved.get(name, Ruleset())) for name in _TABLES}
    return {
        "iptables": {name: lines for name, lines in tables.items() if lines},
        "other_iptables": [line for line in firewall.other_backend().splitlines() if line.startswith("-A")],
        "sysctls": {name: kernel.setting(node.place, name) for name in SYSCTLS},
        "files": {
            path: content
            for state in (*STATE_PATHS, NETNS)
            for path, content in _files(kernel, node, state, names, owners).items()
        },
    }


def _table(name: str, ruleset: Ruleset) -> list[str]:
    """A table's rules; empty where it has none, no chain of the person's, and the policies it started with."""
    policies = [f":{chain} {policy}" for chain, policy in changed_policies(name, ruleset)]
    return [*policies, *(f"-A {rule.chain} {' '.join(rule.words)}" for rule in ruleset.rules)]


def changed_policies(name: str, ruleset: Ruleset) -> list[tuple[str, str]]:
    """Chains of the person's own, and policies that are not those a node starts with.

    A table that is gone (`nft flush ruleset`) lets everything pass.
    """
    there = dict(ruleset.policies)
    there |= {chain: ruleset.policy(chain) for table, chain in BASELINE_POLICY if table == name}
    return sorted(each for each in there.items() if each[1] != BASELINE_POLICY.get((name, each[0]), "ACCEPT"))


def _files(kernel: Kernel, node: Node, path: str, names: _Names, owners: tuple[Container, ...]) -> dict[str, str]:
    files = kernel.files(node.name)
    info = files.info(path)
    if info is None:
        return {}
    if info.kind == "folder":
        found = {f"{path}/": ""}
        for name in files.names(path):
            found |= _files(kernel, node, f"{path}/{name}", names, owners)
        return found
    if info.kind == "link":
        return {path: f"-> {names.text(info.target)}"}
    if info.kind != "file":
        return {path: f"<{info.kind}>"}
    return {path: names.text(files.read(path) or "") or _mounted(kernel, node, path, owners)}


def _mounted(kernel: Kernel, node: Node, path: str, owners: tuple[Container, ...]) -> str:
    """Whose network namespace is mounted on a file without text (`ip netns attach`); empty if no container's."""
    files = kernel.files(node.name)
    mounted = (each.name for each in owners if files.same_namespace(path, each.place))
    return next((f"<netns of {name}>" for name in mounted), "")
