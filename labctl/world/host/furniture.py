"""What the lab itself puts on a real machine: its small programs, and where its containers are told by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labctl.errors import ForeignObject
from labctl.world.furniture import BASHRC, BIN, texts
from labctl.world.state import INSIDE

if TYPE_CHECKING:
    from pathlib import Path

    from labctl.model.lab import Node
    from labctl.model.ports import Kernel

CONTAINERS = "/run/labctl/containers"
_OWNER = f"{INSIDE}/made-by"
# The real ones, or none: this is no sandbox.
_LEFT_OUT = ("gcloud", "sudo")


def furnish(kernel: Kernel, node: Node, code: Path, backend: str, mark: str) -> None:
    """Write it all; what is there already is written over.

    Raises:
        ForeignObject: another lab, or somebody else, has the folder.
    """
    files = kernel.files(node.name)
    if files.info(str(INSIDE)) is not None and files.read(_OWNER) != mark:
        owner = files.read(_OWNER)
        whose = f"the lab of LABCTL_HOME={owner} stands on this machine" if owner else f"{INSIDE} is somebody else's"
        raise ForeignObject(f"{whose}; nothing was changed", f"LABCTL_HOME={owner} labctl down" if owner else "")
    for folder in (str(BIN), CONTAINERS):
        files.make_folder(folder)
    files.write(_OWNER, mark)
    for text in texts(code, backend):
        if text.path.rpartition("/")[2] not in _LEFT_OUT:
            files.write(text.path, text.content, text.mode)
    for container in node.containers:
        files.write(f"{CONTAINERS}/{container.name}", f"{kernel.namespace_path(container.place)}\n")


def clear(kernel: Kernel, node: Node, mark: str) -> None:
    """Remove it all again, if it is ours; the mark last, by which it is known."""
    files = kernel.files(node.name)
    if files.read(_OWNER) != mark:
        return
    for folder in (CONTAINERS, CONTAINERS.rpartition("/")[0], str(BIN)):
        for name in files.names(folder):
            files.remove(f"{folder}/{name}")
        files.remove(folder)
    files.remove(str(BASHRC))
    files.remove(_OWNER)
    files.remove(str(INSIDE))
