"""What the lab itself puts on a real machine: its small programs, and where its containers are told by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labctl.errors import ForeignObject
from labctl.world.furniture import BIN, texts
from labctl.world.state import INSIDE

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from labctl.model.baseline import Baseline
    from labctl.model.lab import Node
    from labctl.model.ports import Kernel
    from labctl.model.world import Text

CONTAINERS = "/run/labctl/containers"
OWN_FOLDERS = (str(INSIDE), CONTAINERS.rpartition("/")[0])
"""What must not be there before: all of it goes with the lab."""
_OWNER = f"{INSIDE}/made-by"


def refuse_others(kernel: Kernel, node: Node, baseline: Baseline) -> None:
    """Refuse a machine on which another lab stands, or where somebody else has the lab's folders.

    Raises:
        ForeignObject: so it is.
    """
    for folder in OWN_FOLDERS:
        if baseline.kind_of(folder):
            owner = kernel.files(node.name).read(_OWNER)
            whose = (
                f"the lab of LABCTL_HOME={owner} stands on this machine" if owner else f"{folder} is somebody else's"
            )
            hint = f"LABCTL_HOME={owner} labctl down" if owner else f"see what is in it: ls -lR {folder}"
            raise ForeignObject(f"{whose}; nothing was changed", hint)


def programs(code: Path, backend: str, *, has_sudo: bool) -> tuple[Text, ...]:
    """The small programs that a machine gets: not the sandbox's gcloud, and no `sudo` beside a real one."""
    left_out = {"gcloud", *(("sudo",) if has_sudo else ())}
    return tuple(text for text in texts(code, backend) if text.path.rpartition("/")[2] not in left_out)


def furnish(kernel: Kernel, node: Node, wanted: Iterable[Text], mark: str) -> None:
    """Write it all; what is there already is written over."""
    files = kernel.files(node.name)
    for folder in (str(BIN), CONTAINERS):
        files.make_folder(folder)
    files.write(_OWNER, mark)
    for text in wanted:
        files.write(text.path, text.content, text.mode)
    for container in node.containers:
        files.write(f"{CONTAINERS}/{container.name}", f"{kernel.namespace_path(container.place)}\n")


def clear(kernel: Kernel, node: Node) -> None:
    """Remove it all again; gone already is success."""
    files = kernel.files(node.name)
    for folder in (CONTAINERS, OWN_FOLDERS[1], str(BIN), str(INSIDE)):
        for name in files.names(folder):
            files.remove(f"{folder}/{name}")
        files.remove(folder)
