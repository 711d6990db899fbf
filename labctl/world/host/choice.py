"""Which node of a topology this machine is: the one that was named, or that has its address, or is called like it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labctl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labctl.model.lab import Lab, Node

CLOUDS = ("static", "gcloud")
"""Who knows the way to the pods of another node; the first is what a machine in no cloud needs."""


def choose(lab: Lab, name: str, addresses: Sequence[str], asked: str = "") -> Node:
    """Find this machine in the plan.

    Raises:
        UsageError: it is not there, or no node is called as was asked.
    """
    if asked:
        return lab.node(asked)
    for fits in (
        lambda node: str(node.address) in addresses,
        lambda node: node.name == name.partition(".")[0],
    ):
        for node in lab.nodes:
            if fits(node):
                return node
    known = ", ".join(f"{node.name} ({node.address})" for node in lab.nodes)
    here = ", ".join(each for each in addresses if not each.startswith("127.")) or "no address"
    raise UsageError(
        f"this machine ({name}, {here}) is none of the topology's nodes: {known}",
        "say which: labctl up --as NAME; or give your own plan: labctl up --topology FILE",
    )
