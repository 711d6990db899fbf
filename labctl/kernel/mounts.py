"""What the world's file system is made of: everything of the machine read-only, a few places of its own."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from labctl.kernel import syscalls
from labctl.kernel.syscalls import MS_BIND, MS_MOVE, MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_PRIVATE, MS_RDONLY, MS_REC
from labctl.model.world import Window

if TYPE_CHECKING:
    from collections.abc import Iterable

    from labctl.model.world import BootPlan, Scratch, Text

_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_STAGE = "/tmp"  # noqa: S108 (a memory file system of the world's own is mounted there first)
_REMOUNT = 32


def furnish(plan: BootPlan) -> None:
    """Make the machine's files read-only for all processes to come, and mount what is the world's own.

    What must stay visible is opened first: later the scratch folders hide the way to it.
    """
    syscalls.mount("", "/", flags=MS_REC | MS_PRIVATE)
    windows = [(os.open(window.source, os.O_PATH), window) for window in plan.windows]
    devices = [(os.open(f"/dev/{name}", os.O_PATH), name) for name in _DEVICES]
    syscalls.make_read_only("/")
    _mount_etc()
    # Under a host's own /run and /var/lib lies this, never the machine's: sockets there take orders even read-only.
    below = tuple(replace(each, megabytes=1) for each in plan.host_scratch)
    for scratch in sorted((*plan.scratch, *below), key=lambda each: each.path.count("/")):
        _mount_scratch(scratch)
    for fd, window in windows:
        _open_window(fd, window)
    _mount_proc()
    # Read-write, or `ip netns exec` may not mount its own over it; nobody inside owns what the machine's root does.
    syscalls.mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    _mount_devices(devices)
    _write(plan.texts)


def stage_windows(plan: BootPlan) -> BootPlan:
    """As root, in a mount namespace that nobody sees, lead the windows to where anybody may enter.

    Also leaves that namespace's propagation private, so nothing shows on the machine.
    """
    syscalls.unshare(syscalls.CLONE_NEWNS)
    syscalls.mount("", "/", flags=MS_REC | MS_PRIVATE)
    opened = [(os.open(window.source, os.O_PATH), window) for window in plan.windows]
    syscalls.mount("labctl", _STAGE, "tmpfs", MS_NOSUID | MS_NODEV, "size=1m,mode=0755")
    staged = []
    for number, (fd, window) in enumerate(opened):
        here = Window(window.source, f"{_STAGE}/window{number}")
        _open_window(fd, here)
        staged.append(replace(window, source=here.target))
    return replace(plan, windows=tuple(staged))


def furnish_host(plan: BootPlan, containers: dict[str, int]) -> None:
    """Give a host its own /run, /var/lib and /sys, and note where its containers are (`containers`: their pids)."""
    folders = [scratch.path for scratch in plan.host_scratch]
    hidden = [each for each in plan.windows if any(Path(each.target).is_relative_to(folder) for folder in folders)]
    windows = [(os.open(window.target, os.O_PATH), window) for window in hidden]
    for scratch in plan.host_scratch:
        _mount_scratch(scratch)
    for fd, window in windows:
        _open_window(fd, window)
    syscalls.mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    folder = Path("/run/labctl/containers")
    folder.mkdir(parents=True)
    Path("/run/lock").mkdir()
    for name, pid in containers.items():
        (folder / name).write_text(f"/proc/{pid}/ns/net\n")


def map_self_to_root() -> None:
    """In a new user namespace, be again who one was before: uid and gid 0 (user_namespaces(7))."""
    for name, text in (("setgroups", "deny"), ("uid_map", "0 0 1"), ("gid_map", "0 0 1")):
        Path(f"/proc/self/{name}").write_text(text)


def _mount_scratch(scratch: Scratch) -> None:
    with suppress(OSError):  # one that the machine lacks can be made only where it is the world's own to make
        Path(scratch.path).mkdir(parents=True, exist_ok=True)
    if Path(scratch.path).is_dir():
        options = f"size={scratch.megabytes}m,nr_inodes={scratch.megabytes * 1024},mode={scratch.mode}"
        syscalls.mount("labctl", scratch.path, "tmpfs", MS_NOSUID | MS_NODEV, options)


def _mount_etc() -> None:
    """Lay a writable layer over /etc. Its top folder is ours; files of root below it can be replaced, not appended to.

    Where no overlay is to be had (its module is missing), a copy of what can be read does as well.
    """
    syscalls.mount("labctl", _STAGE, "tmpfs", MS_NOSUID | MS_NODEV, "size=32m,nr_inodes=16384,mode=0755")
    upper, work = Path(_STAGE, "upper"), Path(_STAGE, "work")
    upper.mkdir()
    work.mkdir()
    for name, text in (
        ("hosts", "127.0.0.1 localhost\n"),
        ("resolv.conf", "# no DNS in the lab yet\n"),
        ("hostname", ""),
    ):
        (upper / name).write_text(text)
    try:
        syscalls.mount("overlay", "/etc", "overlay", MS_NODEV, f"lowerdir=/etc,upperdir={upper},workdir={work}")
    except OSError:
        _copy_readable("/etc", upper)
        syscalls.mount(str(upper), "/etc", flags=MS_BIND)


def _copy_readable(source: str, target: Path) -> None:
    for item in os.scandir(source):
        if not (target / item.name).exists():
            with suppress(OSError, shutil.Error):
                if item.is_dir(follow_symlinks=False):
                    shutil.copytree(item.path, target / item.name, symlinks=True, ignore_dangling_symlinks=True)
                else:
                    shutil.copy2(item.path, target / item.name, follow_symlinks=False)


def _open_window(fd: int, window: Window) -> None:
    target = Path(window.target)
    if not target.exists():
        if Path(window.source).is_dir() or Path(f"/proc/self/fd/{fd}").is_dir():
            target.mkdir(parents=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.touch()
    syscalls.mount(f"/proc/self/fd/{fd}", window.target, flags=MS_BIND | MS_REC)
    if window.writable:
        syscalls.make_writable(window.target)
    os.close(fd)


def _mount_proc() -> None:
    """A /proc of the world's pid namespace, whose /proc/sys is read-only but for /proc/sys/net."""
    syscalls.mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    stage = Path(_STAGE, "sys")
    stage.mkdir()
    syscalls.mount("/proc/sys/net", "/proc/sys/net", flags=MS_BIND)
    syscalls.mount("/proc/sys", str(stage), flags=MS_BIND | MS_REC)
    syscalls.mount("", str(stage), flags=MS_BIND | _REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC)
    syscalls.mount(str(stage), "/proc/sys", flags=MS_MOVE)
    stage.rmdir()


def _mount_devices(devices: Iterable[tuple[int, str]]) -> None:
    syscalls.mount("labctl", "/dev", "tmpfs", MS_NOSUID, "size=1m,nr_inodes=64,mode=0755")
    for fd, name in devices:
        node = Path("/dev", name)
        node.touch()
        syscalls.mount(f"/proc/self/fd/{fd}", str(node), flags=MS_BIND)
        os.close(fd)
    Path("/dev/pts").mkdir()
    syscalls.mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620")
    Path("/dev/shm").mkdir()  # noqa: S108 (the world's own)
    syscalls.mount("labctl", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "size=16m,mode=1777")  # noqa: S108 (as above)
    for name, points_to in (
        ("ptmx", "pts/ptmx"),
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ):
        Path("/dev", name).symlink_to(points_to)


def _write(texts: Iterable[Text]) -> None:
    for text in texts:
        path = Path(text.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.content)
        path.chmod(text.mode)
