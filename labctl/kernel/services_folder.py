"""The entries of a folder, looked up when a question comes: a Service that comes or goes needs no restart.

What comes or goes changes the folder itself, which is looked at for every question. What is written over in its place
does not: all files are looked at ten times a second at most, as there may be thousands.
"""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from time import time_ns
from typing import TYPE_CHECKING, TypeAlias

from labctl.model.naming import MOST_BYTES, read_entry, split_file_name
from labctl.model.zone import Zone

if TYPE_CHECKING:
    from ipaddress import IPv4Network

    from labctl.model.naming import Entry

Mark: TypeAlias = "tuple[int, int, int]"

# Two changes within one tick of the clock that files are marked by may leave the same mark (a tick is at most 10 ms).
_SETTLED = 1_000_000_000
_BETWEEN_LOOKS = 100_000_000


class ServicesFolder:
    """The zone that a folder's files make. Read anew is what has changed since it was last looked at."""

    def __init__(self, folder: str, pods: IPv4Network) -> None:
        """Read nothing yet."""
        self._folder, self._pods = folder, pods
        self._read: dict[str, tuple[Mark, Entry | None]] = {}
        self._zone: Zone | None = None
        self._mark: Mark | None = None
        self._looked = 0

    def zone(self) -> Zone:
        """What there is now."""
        now, mark = time_ns(), self._mark_of_folder()
        is_still = mark is not None and mark == self._mark and now - mark[0] >= _SETTLED
        if self._zone is None or not is_still or not 0 <= now - self._looked < _BETWEEN_LOOKS:
            self._zone = self._look(now)
            self._mark, self._looked = mark, now
        return self._zone

    def _mark_of_folder(self) -> Mark | None:
        try:
            info = Path(self._folder).stat()
        except OSError:
            return None
        return info.st_mtime_ns, info.st_size, info.st_ino

    def _look(self, now: int) -> Zone:
        """Look at all files; what has changed is read."""
        read: dict[str, tuple[Mark, Entry | None]] = {}
        newest = 0
        for name, mark in self._list():
            known = self._read.get(name)
            if known is None or known[0] != mark or now - mark[0] < _SETTLED:
                known = (mark, self._entry(name))
            read[name] = known
            newest = max(newest, mark[0])
        if self._zone is not None and read == self._read:
            return self._zone
        self._read = read
        entries = (entry for _, entry in read.values() if entry is not None)
        return Zone(entries, self._pods, serial=(newest or now) // 1_000_000_000)

    def _list(self) -> list[tuple[str, Mark]]:
        """The regular files with names of entries, sorted."""
        try:
            with os.scandir(self._folder) as items:
                found = [(each.name, each.stat(follow_symlinks=False)) for each in items if split_file_name(each.name)]
        except OSError:  # not there yet, or taken away in the middle
            return []
        return sorted(
            (name, (info.st_mtime_ns, info.st_size, info.st_ino)) for name, info in found if stat.S_ISREG(info.st_mode)
        )

    def _entry(self, name: str) -> Entry | None:
        """Read one; what is not well formed is said on standard error, and not answered for."""
        path = f"{self._folder}/{name}"
        try:
            # It was a regular file a moment ago; a link or a pipe in its place is not followed, nor waited for.
            with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
                return read_entry(name, file.read(MOST_BYTES + 1).decode())
        except (OSError, ValueError) as error:
            sys.stderr.write(f"{path}: {error}\n")
            return None
