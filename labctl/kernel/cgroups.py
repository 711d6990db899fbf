"""The control groups of a privileged world: one parent, below which all that a container runtime makes in it goes.

Control groups are no namespace: they outlive the processes in them, `kill -9` of a whole world too. So each world has
one parent, found again by the world's mark. Its first process makes the parent the root of a cgroup namespace
(cgroup_namespaces(7)): what is mounted in there shows the parent's own tree and leads to no other group::

    /sys/fs/cgroup/memory/                 the machine's (cgroups(7); version 2 has one such tree, version 1 several)
    └── labctl-4d2f…                       the world's /sys/fs/cgroup/memory
        ├── lab                            all processes of the world but those that a runtime puts elsewhere: a
        │                                  version 2 group that has groups below may hold no process
        └── k8s.io/…                       what runtimes make
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from labctl.errors import KernelRefused
from labctl.kernel import controllers, syscalls
from labctl.kernel.identity import identify, kill_and_wait
from labctl.kernel.syscalls import MS_NODEV, MS_NOEXEC, MS_NOSUID

_ROOT = Path("/sys/fs/cgroup")
_PREFIX, _LEAF = "labctl-", "lab"
_FLAGS = MS_NOSUID | MS_NODEV | MS_NOEXEC
# What is said of a version 1 tree beside its controllers and its name.
_OTHER_OPTIONS = ("rw", "ro", "xattr", "noprefix", "clone_children", "cpuset_v2_mode", "favordynmods", "release_agent")


@dataclass(frozen=True)
class Hierarchy:
    """One tree of control groups: where it is mounted, `cgroup` or `cgroup2`, and a version 1 tree's controllers."""

    top: Path
    kind: str
    controllers: tuple[str, ...] = ()


def find_hierarchies() -> tuple[Hierarchy, ...]:
    """Find the trees that this machine has mounted in the usual place (proc(5), mountinfo)."""
    found: dict[tuple[str, ...], Hierarchy] = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        mount, _, system = line.partition(" - ")
        top, (kind, _, options) = Path(mount.split()[4]), system.split(maxsplit=2)
        if kind in ("cgroup", "cgroup2") and top.is_relative_to(_ROOT):
            words = (word for word in options.split(",") if word.partition("=")[0] not in _OTHER_OPTIONS)
            controllers = tuple(words) if kind == "cgroup" else ()
            found.setdefault((kind, *controllers), Hierarchy(top, kind, controllers))
    return tuple(found.values())


def make(mark: str) -> tuple[Hierarchy, ...]:
    """Make a world's parent in every tree; none at all where the machine does not let us (a container's often is).

    At the top of the tree, not below the group that we are in: with a session that group may go, the world stays; and
    in version 2 a group with processes hands no controller on to those below it.
    """
    hierarchies = find_hierarchies()
    try:
        for each in hierarchies:
            for folder in (each.top / _name(mark), each.top / _name(mark) / _LEAF):
                folder.mkdir(exist_ok=True)
                if "cpuset" in each.controllers:
                    _take_over_cpus(folder)
            if _has_controllers(each):
                controllers.hand_on(each.top)
    except OSError:
        remove(mark)
        return ()
    return hierarchies


def settle(mark: str) -> None:
    """Move this process out of the group of whoever called, which may end with a session (systemd); and no more.

    Only the tree by which sessions are told is touched, and no controller is handed on: this is the machine itself.
    """
    for each in find_hierarchies():
        if each.kind == "cgroup2" or "name=systemd" in each.controllers:
            with suppress(OSError):  # a container often may not: then its own group will do
                (each.top / _name(mark)).mkdir(exist_ok=True)
                _move(each.top / _name(mark))


def enter(hierarchies: tuple[Hierarchy, ...], mark: str) -> None:
    """Move this process below the world's parent, and make that all that it and its children see."""
    if hierarchies:
        for folder in (_name(mark), f"{_name(mark)}/{_LEAF}"):
            for each in hierarchies:
                _move(each.top / folder)
            if not folder.endswith(_LEAF):
                syscalls.unshare(syscalls.CLONE_NEWCGROUP)


def mount_view(hierarchies: tuple[Hierarchy, ...]) -> None:
    """Mount the trees over a fresh /sys, as the machine has them; what is seen begins at the world's parent."""
    if any(each.top != _ROOT for each in hierarchies):
        syscalls.mount("labctl", str(_ROOT), "tmpfs", _FLAGS, "size=64k,mode=0755")
    for each in sorted(hierarchies, key=lambda each: len(each.top.parts)):
        each.top.mkdir(exist_ok=True)
        syscalls.mount("cgroup", str(each.top), each.kind, _FLAGS, ",".join(each.controllers))


def join(pid: int) -> None:
    """Move this process to where a world's first process is; nothing happens where the world has no groups."""
    parents = {}
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        own = [name for name in path.split("/") if name.startswith(_PREFIX)]
        parents[frozenset(controllers.split(","))] = own[0] if own else None
    for each in find_hierarchies():
        if parent := parents.get(frozenset(each.controllers or ("",))):
            _move(each.top / parent / _LEAF)


def thaw(mark: str) -> None:
    """Let what a runtime has paused in a world go on: a frozen process does not die either, nor then does the world.

    Only those of version 1; in version 2 SIGKILL reaches them (kernel, cgroup-v2, cgroup.freeze).
    """
    for each in find_hierarchies():
        if "freezer" in each.controllers:
            for folder, _, _ in os.walk(each.top / _name(mark)):
                with suppress(OSError):
                    Path(folder, "freezer.state").write_text("THAWED")


def remove(mark: str) -> None:
    """Take a world's groups away, and what still runs in them; gone already is success.

    Raises:
        KernelRefused: one does not go.
    """
    for each in find_hierarchies():
        # From below: a group goes only when none is below it.
        for folder, _, _ in os.walk(each.top / _name(mark), topdown=False):
            _remove_one(Path(folder))
        if _has_controllers(each):
            controllers.take_back(each.top)


def _remove_one(folder: Path) -> None:
    try:
        for line in (folder / "cgroup.procs").read_text().split():
            if identity := identify(int(line)):
                kill_and_wait(identity)
        folder.rmdir()
    except FileNotFoundError:
        return
    except OSError as error:
        raise KernelRefused(
            f"the control group {folder} does not go: {error.strerror}", "try again: labctl down"
        ) from None


def _has_controllers(hierarchy: Hierarchy) -> bool:
    """Version 2 has them where it is alone: beside version 1 they are that one's."""
    return hierarchy.kind == "cgroup2" and hierarchy.top == _ROOT


def _name(mark: str) -> str:
    return _PREFIX + hashlib.sha256(mark.encode()).hexdigest()[:16]


def _move(folder: Path) -> None:
    (folder / "cgroup.procs").write_text("0")


def _take_over_cpus(folder: Path) -> None:
    """A new group of version 1 has no processors and no memory nodes: nothing may enter it before it is given some."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        with suppress(FileNotFoundError):
            (folder / name).write_text((folder.parent / name).read_text())
