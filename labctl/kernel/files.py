"""Files of a node, as the node's own processes see them (port `Files`).

Without pathlib, whose import would be a tenth of what a call of the CNI plug-in takes.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from typing import TYPE_CHECKING

from labctl.errors import KernelRefused
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

    def _go(self) -> None:
        self._places.go(self._node)

    def info(self, path: str) -> FileInfo | None:
        """Tell what is there, without following a link."""
        self._go()
        try:
            found = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        mode, owner = found.st_mode, found.st_uid
        if stat.S_ISLNK(mode):
            return FileInfo("link", os.readlink(path), owner=owner)
        if stat.S_ISREG(mode):
            return FileInfo("file", executable=bool(mode & stat.S_IXUSR), owner=owner, size=found.st_size)
        return FileInfo("folder" if stat.S_ISDIR(mode) else "other", owner=owner)

    def read(self, path: str) -> str | None:
        """Read a text file of at most 1 MiB; what is not UTF-8 is replaced."""
        self._go()
        try:
            with open(path, "rb") as file:
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
            self._go()
            return tuple(sorted(name for name in os.listdir(path) if not name.endswith(_UNFINISHED)))
        except (FileNotFoundError, NotADirectoryError):
            return ()

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a text file whole, or not at all."""
        self._go()
        beside = _beside(path)
        try:
            with open(beside, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())  # or a power cut may leave the new name with nothing in it
            os.chmod(beside, mode)
            os.replace(beside, path)
        except OSError:
            _unlink(beside)
            raise

    def exchange(self, path: str, lock: str, old: str, new: str) -> bool:
        """Compare and set while holding flock(2) on the file or folder `lock`, as `flock LOCK …` in a shell would."""
        self._go()
        # Read-only, as flock(1) opens it: a folder cannot be opened otherwise.
        held = os.open(lock, os.O_RDONLY if os.path.isdir(lock) else os.O_RDONLY | os.O_CREAT, 0o644)
        try:
            fcntl.flock(held, fcntl.LOCK_EX)
            if (self.read(path) or "") != old:
                return False
            # Whoever may read it now may do so afterwards, and nobody else: there may be a secret in it.
            self.write(path, new, stat.S_IMODE(os.stat(path).st_mode) if os.path.exists(path) else 0o644)
            return True
        finally:
            os.close(held)

    def make_folder(self, path: str) -> None:
        """Make a folder and its parents."""
        self._go()
        os.makedirs(path, exist_ok=True)

    def link(self, path: str, target: str) -> None:
        """Make a symbolic link, or turn one, in one rename."""
        self._go()
        if not os.path.lexists(path):
            os.symlink(target, path)
            return
        beside = _beside(path)
        _unlink(beside)
        os.symlink(target, beside)
        try:
            os.replace(beside, path)
        except OSError:
            _unlink(beside)
            raise

    def remove(self, path: str) -> None:
        """Remove a file, a link or an empty folder; a mount on it goes first (`ip netns attach` makes one)."""
        self._go()
        try:
            _unmount(path)
            if os.path.isdir(path) and not os.path.islink(path):
                for name in os.listdir(path):
                    if name.endswith(_UNFINISHED):
                        os.unlink(os.path.join(path, name))
                os.rmdir(path)
            else:
                os.unlink(path)
        except (FileNotFoundError, NotADirectoryError):
            return

    def same_namespace(self, path: str, place: Place) -> bool:
        """Compare device and inode of the two namespace files (namespaces(7))."""
        self._go()
        try:
            return os.path.samefile(path, self._places.namespace_path(place))
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            return False


def _beside(path: str) -> str:
    """Where a file is written before it takes its place; always the same, so that a killed run leaves at most one."""
    folder, name = os.path.split(path)
    return os.path.join(folder, f".{name}{_UNFINISHED}")


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return


def _unmount(path: str) -> None:
    """Take away what `ip netns` has mounted there: the folder on itself (`add`), a namespace on a file (`attach`)."""
    folder, name = os.path.split(path)
    point = os.path.join(os.path.realpath(folder), name)
    for _ in range(_count_mounts(point)):
        from labctl.kernel import syscalls

        syscalls.unmount(point, syscalls.MNT_DETACH)


def _count_mounts(point: str) -> int:
    """How many mounts of `ip netns` lie on top there (proc(5), mountinfo: fields 1 to 5); what is below is a person's.

    One whose parent is not seen there belongs to a folder of the same name that is hidden: the machine may have a
    /run/netns of its own under the node's /run.
    """
    # Octal escapes do not occur here.
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        fields = [line.split()[:5] for line in file]
    mounts = {number: (parent, root, where) for number, parent, _, root, where in fields}
    below = _mount_of(os.path.dirname(point))
    if below not in mounts:
        return 0
    _, root, where = mounts[below]
    itself = os.path.join(root, os.path.relpath(point, where))
    own: list[bool] = []
    while above := [number for number, (parent, _, where) in mounts.items() if (parent, where) == (below, point)]:
        below = above[0]
        root = mounts[below][1]
        own.append(root == itself or root.startswith("net:["))
    return len(own) if all(own) else own[::-1].index(False)


def _mount_of(folder: str) -> str:
    held = os.open(folder, os.O_PATH | os.O_CLOEXEC)
    try:
        with open(f"/proc/self/fdinfo/{held}", encoding="ascii") as file:
            return next(line.split()[1] for line in file if line.startswith("mnt_id:"))
    finally:
        os.close(held)
