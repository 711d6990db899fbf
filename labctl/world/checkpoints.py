"""Where checkpoints lie: one file each in the home, or wherever a person puts one."""

from __future__ import annotations

import errno
import os
import re
import shlex
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from labctl.errors import KernelRefused, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from labctl.world.state import State

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_END = ".json"


class Checkpoints:
    """The checkpoints of one home."""

    def __init__(self, state: State) -> None:
        """Keep them beside the record of the world, where nobody inside can reach them."""
        self._folder = state.home / "checkpoints"

    def names(self) -> tuple[str, ...]:
        """All names, in order."""
        with suppress(FileNotFoundError):
            found = (path.name.removesuffix(_END) for path in self._folder.iterdir() if path.name.endswith(_END))
            return tuple(sorted(name for name in found if _NAME.fullmatch(name)))
        return ()

    def path(self, name: str) -> Path:
        """Where one lies, or would.

        Raises:
            UsageError: it is no name for one.
        """
        if not _NAME.fullmatch(name):
            raise UsageError(
                f"{name!r} is no name for a checkpoint: letters, digits, . _ and -, at most 64",
                "a file of your own: --output FILE to save, --input FILE to restore",
            )
        return self._folder / f"{name}{_END}"

    def existing(self, name: str) -> Path:
        """Where one lies.

        Raises:
            UsageError: there is none.
        """
        path = self.path(name)
        if not os.path.lexists(path):
            known = ", ".join(self.names())
            hint = f"there are: {known}" if known else "labctl checkpoint save NAME"
            raise UsageError(f"there is no checkpoint '{name}'", hint)
        return path

    def write(self, name: str, text: str) -> Path:
        """Write one, whole or not at all, in the place of one of that name."""
        path = self.path(name)
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise _refused(self._folder, "be made", error) from None
        write_file(path, text, replace=True)
        return path

    def remove(self, name: str) -> None:
        """Remove one.

        Raises:
            UsageError: there is none.
        """
        path = self.existing(name)
        try:
            path.unlink()
        except OSError as error:
            raise _refused(path, "be removed", error) from None


def read_file(path: Path, most_bytes: int) -> bytes:
    """Read a file, and no more of it than one byte over the most that it may have.

    Raises:
        UsageError: it cannot be read, or is no file: a link may lead anywhere, a pipe may never end.
    """
    try:
        # A pipe that nobody writes to would have us wait for ever.
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise UsageError(f"{path} is a link, and may lead anywhere", "name the file itself") from None
        raise UsageError(f"{path} cannot be read: {error.strerror}", "labctl checkpoint list") from None
    except ValueError:
        raise UsageError(f"{str(path)!r} is no path", "labctl checkpoint list") from None
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise UsageError(f"{path} is no file", "labctl checkpoint list")
    with os.fdopen(fd, "rb") as file:
        return file.read(most_bytes + 1)


def write_file(path: Path, text: str, *, replace: bool) -> None:
    """Write a file whole or not at all; a link of that name is replaced, not followed.

    A device or a pipe, and what stands for one (`/dev/stdout`, `>(…)` of a shell), is written to and stays what it is.

    Raises:
        UsageError: it exists, and was not to be replaced.
        KernelRefused: it cannot be written.
    """
    if replace and _is_stream(path):
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise _refused(path, "be written", error) from None
        return
    beside = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(fd)
        if replace:
            beside.replace(path)
        else:
            path.hardlink_to(beside)
    except FileExistsError:
        raise UsageError(f"{path} exists already", "another name, or --replace") from None
    except (OSError, ValueError) as error:
        raise _refused(path, "be written", error) from None
    finally:
        with suppress(OSError, ValueError):
            beside.unlink(missing_ok=True)


def _is_stream(path: Path) -> bool:
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    # /dev/stdout is a link, and leads to a file where standard output is one.
    stands_for_one = path.is_symlink() and path.absolute().parts[1] in ("dev", "proc")
    return stands_for_one or not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _refused(path: Path, what: str, error: Exception) -> KernelRefused:
    said = getattr(error, "strerror", None) or str(error)
    return KernelRefused(f"{path} cannot {what}: {said}", f"look at its folder: ls -ld {shlex.quote(str(path.parent))}")
