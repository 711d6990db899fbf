"""Controllers of the version 2 tree: `up --privileged` hands them on from its top, the last `down` takes them back.

A group has `memory.max` and the like only where the group above hands the controller on (kernel, cgroup-v2,
cgroup.subtree_control), and a runtime sets these for its containers. systemd hands on what its units want, before any
lab; for what was missing then, a note stays at the top, as an extended attribute: it lasts as long as the setting does,
and all worlds of the machine read the same one.

Only where no group is left below the top is anything taken back: whoever has a group may have set something in it, and
would lose it without a word.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_WANTED = ("cpu", "cpuset", "io", "memory", "pids")
_NOTE = "user.labctl.handed_on"


def hand_on(top: Path) -> None:
    """Let the groups below the top have the controllers that runtimes set; note those that nobody had handed on.

    Those below are made first: a `down` elsewhere, which might be taking back just now, sees them.
    """
    there = (top / "cgroup.controllers").read_text().split()
    handed = (top / "cgroup.subtree_control").read_text().split()
    ours = [name for name in _WANTED if name in there and name not in handed]
    if ours:
        _note(top, sorted({*_noted(top), *ours}))
    for name in _WANTED:
        if name in there:
            _tell(top, f"+{name}")


def take_back(top: Path) -> None:
    """Take back what labctl has handed on, if no group is left that could rely on it."""
    ours = _noted(top)
    if not ours or _groups(top):
        return
    for name in ours:
        _tell(top, f"-{name}")
    if _groups(top):
        # A world that came up in the same moment.
        for name in ours:
            _tell(top, f"+{name}")
    else:
        with suppress(OSError):
            os.removexattr(top, _NOTE)


def _groups(top: Path) -> bool:
    return any(each.is_dir() for each in top.iterdir())


def _tell(top: Path, word: str) -> None:
    # Refused where the top of a container's tree has processes (its runtimes will say what they miss), and to users.
    with suppress(OSError):
        (top / "cgroup.subtree_control").write_text(word)


def _noted(top: Path) -> list[str]:
    try:
        return os.getxattr(top, _NOTE).decode().split()
    except OSError:
        return []


def _note(top: Path, names: list[str]) -> None:
    # A tree that keeps no note keeps what it hands on, too.
    with suppress(OSError):
        os.setxattr(top, _NOTE, " ".join(names).encode())
