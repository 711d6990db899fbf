"""A folder on a node."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from labctl.model.resource import Absent, Foreign, Present, Seen
from labctl.model.shell import Run, Shell
from labctl.model.value import Value

if TYPE_CHECKING:
    from labctl.model.ports import Kernel
    from labctl.model.shell import Dialect


class Folder(Value):
    """A folder, with its parents. So many of the parents (`parents`) go with it when it goes, if they are empty."""

    node: str
    path: str
    why: str
    parents: int = 0

    @property
    def key(self) -> str:
        """`folder:master/var/run/netns`."""
        return f"folder:{self.node}{self.path}"

    def observe(self, kernel: Kernel) -> Seen:
        """Look whether it is there, and what is in it."""
        info = kernel.files(self.node).info(self.path)
        if info is None:
            return Absent(f"{self.node} has no folder {self.path}")
        if info.kind != "folder":
            return Foreign(f"{self.path} on {self.node} is a {info.kind}, not a folder")
        names = kernel.files(self.node).names(self.path)
        return Present(note=f"{self.path} on {self.node} holds {', '.join(names[:5])}" if names else "", shared=True)

    def apply(self, kernel: Kernel) -> None:
        """Make it."""
        kernel.files(self.node).make_folder(self.path)

    def revert(self, kernel: Kernel) -> None:
        """Remove it and its empty parents; one that holds something stays."""
        files = kernel.files(self.node)
        path = PurePosixPath(self.path)
        for each in (path, *list(path.parents)[: self.parents]):
            info = files.info(str(each))
            if info is None:
                continue
            if info.kind != "folder" or files.names(str(each)):
                return
            files.remove(str(each))

    def shell(self, dialect: Dialect) -> Shell:
        """`mkdir -p`."""
        del dialect  # both say it alike
        parents = [str(each) for each in list(PurePosixPath(self.path).parents)[: self.parents]]
        remove = ("sudo", "rmdir", "--ignore-fail-on-non-empty", self.path, *parents)
        return Shell(
            do=(Run(("sudo", "mkdir", "-p", self.path), self.why),),
            undo=(Run(remove, "remove what was made for it, unless something else is in there"),),
            look=(Run(("ls", "-l", self.path)),),
        )
