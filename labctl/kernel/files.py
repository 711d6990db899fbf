"""Files of a node, as the node's own processes see them (port `Files`)."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from labctl.errors import KernelRefused
from labctl.kernel import syscalls
from labctl.model.lab import Place
from labctl.model.values import FileInfo

if TYPE_CHECKING:
    from labctl.kernel.places import Places

_MOST_BYTES = 1 << 20
_UNFINISHED = ".labctl-unfinished"


class NodeFiles:
    """The files of one node."""

    def __init__(self, places: Places, node: str) -> None:
        """Look and write there."""
        self._places, self._node = places, Place(node)

    def _path(self, path: str) -> Path:
        self._places.go(self._node)
        return Path(path)

    def info(self, path: str) -> FileInfo | None:
        """Tell what is there, without following a link."""
        where = self._path(path)
        try:
            mode = where.lstat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            return None
        if stat.S_ISLNK(mode):
            return FileInfo("link", str(where.readlink()))
        kinds = {stat.S_IFREG: "file", stat.S_IFDIR: "folder"}
        return FileInfo(kinds.get(stat.S_IFMT(mode), "other"))

    def read(self, path: str) -> str | None:
        """Read a text file of at most 1 MiB; what is not UTF-8 is replaced."""
        where = self._path(path)
        try:
            with where.open("rb") as file:
                return file.read(_MOST_BYTES).decode("utf-8", "replace")
        except (FileNotFoundError, NotADirectoryError):
            return None
        except IsADirectoryError:
            raise KernelRefused(f"{path} on {self._node} is a folder, not a file") from None
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            return ""  # a mounted namespace (`ip netns add`) looks like a file, and has no text

    def names(self, path: str) -> tuple[str, ...]:
        """List a folder, sorted, without what a killed labctl left unfinished."""
        try:
            names = (each.name for each in self._path(path).iterdir())
            return tuple(sorted(name for name in names if not name.endswith(_UNFINISHED)))
        except (FileNotFoundError, NotADirectoryError):
            return ()

    def write(self, path: str, text: str) -> None:
        """Write a text file whole, or not at all."""
        where = self._path(path)
        beside = _beside(where)
        try:
            beside.write_text(text, encoding="utf-8")
            beside.replace(where)
        except OSError:
            beside.unlink(missing_ok=True)
            raise

    def exchange(self, path: str, lock: str, old: str, new: str) -> bool:
        """Compare and set while holding flock(2) on the file or folder `lock`, as `flock LOCK …` in a shell would."""
        where = self._path(path)
        # Read-only, as flock(1) opens it: a folder cannot be opened otherwise.
        held = os.open(lock, os.O_RDONLY if Path(lock).is_dir() else os.O_RDONLY | os.O_CREAT, 0o644)
        try:
            fcntl.flock(held, fcntl.LOCK_EX)
            if (self.read(path) or "") != old:
                return False
            self.write(str(where), new)
            return True
        finally:
            os.close(held)

    def make_folder(self, path: str) -> None:
        """Make a folder and its parents."""
        self._path(path).mkdir(parents=True, exist_ok=True)

    def link(self, path: str, target: str) -> None:
        """Make a symbolic link, or turn one, in one rename."""
        where = self._path(path)
        if not os.path.lexists(where):
            where.symlink_to(target)
            return
        beside = _beside(where)
        beside.unlink(missing_ok=True)
        beside.symlink_to(target)
        try:
            beside.replace(where)
        except OSError:
            beside.unlink(missing_ok=True)
            raise

    def remove(self, path: str) -> None:
        """Remove a file, a link or an empty folder; a mount on it goes first (`ip netns attach` makes one)."""
        where = self._path(path)
        try:
            mounted = _mount_points()
            point = str(where.parent.resolve() / where.name)
            while mounted.count(point):
                # `ip netns add` mounts the folder on itself, and `ip netns attach` a namespace on a file.
                syscalls.unmount(point, syscalls.MNT_DETACH)
                mounted.remove(point)
            if where.is_dir() and not where.is_symlink():
                for unfinished in where.glob(f"*{_UNFINISHED}"):
                    unfinished.unlink()
                where.rmdir()
            else:
                where.unlink()
        except (FileNotFoundError, NotADirectoryError):
            return

    def same_namespace(self, path: str, place: Place) -> bool:
        """Compare device and inode of the two namespace files (namespaces(7))."""
        where = self._path(path)
        try:
            return where.samefile(f"/proc/{self._places.pid(place)}/ns/net")
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            return False


def _beside(where: Path) -> Path:
    """Where a file is written before it takes its place; always the same, so that a killed run leaves at most one."""
    return where.with_name(f".{where.name}{_UNFINISHED}")


def _mount_points() -> list[str]:
    """The mount points of this mount namespace (proc(5), mountinfo field 5; octal escapes do not occur here)."""
    return [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
