"""What a world is made again from: its snapshot, and what a snapshot leaves out because it matters to nobody's eye.

A snapshot joins the words of a rule by spaces, and has no modes, aliases or names of routes. A picture has them beside
it, so that what is made again is the same, and not only looks the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from labctl.engine.snapshot import changed_policies, take
from labctl.errors import KernelRefused
from labctl.model.lab import VPC, Place
from labctl.model.value import as_dict

if TYPE_CHECKING:
    from labctl.model.lab import Lab, Node
    from labctl.model.ports import Kernel

Picture: TypeAlias = "dict[str, Any]"
"""Of the form of docs/schemas/checkpoint-file.json, `picture`."""


def take_picture(kernel: Kernel, lab: Lab) -> Picture:
    """Look at everything."""
    snapshot = take(kernel, lab)
    return {
        "snapshot": snapshot,
        "rules": {name: _rules(kernel, name, node["iptables"]) for name, node in snapshot["nodes"].items()},
        "executables": {name: _executables(kernel, name, node["files"]) for name, node in snapshot["nodes"].items()},
        "aliases": {place: aliases for place in snapshot["places"] if (aliases := _aliases(kernel, place))},
        "cloud": [as_dict(route) for route in kernel.cloud.routes()],
    }


def place_of(text: str) -> Place:
    """Read a place as a snapshot spells it."""
    node, _, container = text.partition("/")
    return Place(node, container)


def only_node(picture: Picture, node: Node) -> Picture:
    """What of a picture is one node's: the node, its containers, and the cloud network's end of its cable."""
    snapshot = picture["snapshot"]
    cable = f"v{node.name}"
    vpc = snapshot["places"][str(VPC)]
    places = {name: place for name, place in snapshot["places"].items() if place_of(name).node == node.name}
    places[str(VPC)] = {
        "links": {name: link for name, link in vpc["links"].items() if name == cable},
        "addresses": [line for line in vpc["addresses"] if line.startswith(f"{cable} ")],
        "routes": [line for line in vpc["routes"] if f" dev {cable} " in line],
        "neighbours": [line for line in vpc["neighbours"] if line.startswith(f"{cable} ")],
        "servers": [],
    }
    return {
        "snapshot": {"places": places, "nodes": {node.name: snapshot["nodes"][node.name]}},
        "rules": {node.name: picture["rules"][node.name]},
        "executables": {node.name: picture["executables"][node.name]},
        "aliases": {name: each for name, each in picture["aliases"].items() if place_of(name).node == node.name},
    }


def _rules(kernel: Kernel, node: str, tables: dict[str, list[str]]) -> dict[str, Any]:
    found = {}
    for name in tables:
        ruleset = kernel.firewall(node).table(name)
        found[name] = {
            "policies": [list(each) for each in changed_policies(name, ruleset)],
            "rules": [[rule.chain, list(rule.words)] for rule in ruleset.rules],
        }
    return found


def _executables(kernel: Kernel, node: str, files: dict[str, str]) -> list[str]:
    infos = ((path, kernel.files(node).info(path)) for path in sorted(files) if not path.endswith("/"))
    return [path for path, info in infos if info is not None and info.kind == "file" and info.executable]


def _aliases(kernel: Kernel, place: str) -> dict[str, str]:
    try:
        links = kernel.net(place_of(place)).links()
    except KernelRefused:  # a container that has gone since the snapshot
        return {}
    return {link.name: link.alias for link in links if link.alias}
