"""Whether a checkpoint fits the plan that it names, and this course: asked before anything is made of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labctl.engine.remake.picture import place_of
from labctl.engine.snapshot import NETNS, STATE_PATHS, guests
from labctl.errors import UsageError
from labctl.model.lab import INTERNET, VPC

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labctl.engine.checkpoint import Checkpoint
    from labctl.model.lab import Lab


def check_fits(checkpoint: Checkpoint, lab: Lab, numbers: tuple[int, ...], source: str) -> None:
    """Hold what is in a checkpoint against the plan that it names, and against this course.

    Raises:
        UsageError: it speaks of what neither has.
    """
    for why in _misfits(checkpoint, lab, numbers):
        raise UsageError(f"{source} cannot be used: {why}; nothing was changed", "save it again, or: labctl reset")


def _misfits(checkpoint: Checkpoint, lab: Lab, numbers: tuple[int, ...]) -> Iterator[str]:
    snapshot, names = checkpoint.picture["snapshot"], {node.name for node in lab.nodes}
    steps_at = {*names, "lab"}
    for kept in checkpoint.steps:
        if kept.step not in numbers or kept.node not in steps_at:
            yield f"it names step {kept.step} on {kept.node}, which this labctl's course and its own plan do not have"
    required = {VPC, INTERNET, *(node.place for node in lab.nodes), *(each.place for each in lab.containers)}
    allowed = required | {each.place for node in lab.nodes for each in guests(lab, node)}
    places = {place_of(each) for each in snapshot["places"]}
    if not required <= places <= allowed:
        yield "its places are not those of its own plan"
    for part in (snapshot["nodes"], checkpoint.picture["rules"], checkpoint.picture["executables"]):
        if set(part) != names:
            yield "its nodes are not those of its own plan"
    yield from _broken_links(snapshot["places"])
    for node, body in snapshot["nodes"].items():
        folders = {path.rstrip("/") for path in body["files"] if path.endswith("/")}
        for path in body["files"]:
            parent = path.rstrip("/").rpartition("/")[0]
            if parent not in folders and path.rstrip("/") not in (*STATE_PATHS, NETNS):
                yield f"{path} on {node} lies in what is no folder"


def _broken_links(places: dict[str, Any]) -> Iterator[str]:
    for place, body in places.items():
        for name, link in body["links"].items():
            there, _, peer = (link["peer"] or "").partition(" ")
            other = places.get(there, {}).get("links", {}).get(peer, {})
            if link["kind"] == "veth" and other.get("peer") != f"{place} {name}":
                yield f"the cable {name} on {place} has no other end"
            if link["master"] and body["links"].get(link["master"], {}).get("kind") != "bridge":
                yield f"{name} on {place} is a port of what is no bridge"
