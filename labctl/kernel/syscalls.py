"""The system calls that Python 3.11 has no function for, each checked, in one place.

Numbers are the generic ones of Linux ≥ 5.12 (`include/uapi/asm-generic/unistd.h`), the same on every architecture
since `pidfd_open`.
"""

from __future__ import annotations

import ctypes
import os
from functools import cache
from typing import Final

CLONE_NEWNS: Final = 0x00020000
CLONE_NEWCGROUP: Final = 0x02000000
CLONE_NEWUTS: Final = 0x04000000
CLONE_NEWIPC: Final = 0x08000000
CLONE_NEWUSER: Final = 0x10000000
CLONE_NEWPID: Final = 0x20000000
CLONE_NEWNET: Final = 0x40000000

MS_RDONLY: Final = 1
MS_NOSUID: Final = 2
MS_NODEV: Final = 4
MS_NOEXEC: Final = 8
MS_BIND: Final = 4096
MS_MOVE: Final = 8192
MS_REC: Final = 16384
MS_PRIVATE: Final = 1 << 18
MS_SLAVE: Final = 1 << 19
MNT_DETACH: Final = 2

_SYS_MOUNT_SETATTR: Final = 442
_AT_FDCWD: Final = -100
_AT_RECURSIVE: Final = 0x8000
_MOUNT_ATTR_RDONLY: Final = 1


class _MountAttr(ctypes.Structure):
    _fields_ = (
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    )


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    """Leave the named namespaces for new ones (unshare(2))."""
    _check(_libc().unshare(flags), "unshare")


def setns(fd: int, flags: int) -> None:
    """Join a namespace, or those of a process by its pidfd (setns(2); several at once since Linux 5.8)."""
    _check(_libc().setns(fd, flags), "setns")


def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    """Mount (mount(2)); empty strings stand for NULL."""
    arguments = (text.encode() if text else None for text in (source, target, kind))
    _check(_libc().mount(*arguments, ctypes.c_ulong(flags), data.encode() if data else None), f"mount on {target}")


def unmount(target: str, flags: int = 0) -> None:
    """Unmount (umount2(2))."""
    _check(_libc().umount2(target.encode(), flags), f"umount {target}")


def make_read_only(target: str) -> None:
    """Make a mount and all mounts below it read-only (mount_setattr(2); a bind remount is not recursive)."""
    _set_attributes(target, _MountAttr(attr_set=_MOUNT_ATTR_RDONLY))


def make_writable(target: str) -> None:
    """Take read-only back from a mount and all below it, leaving its other flags as they are (mount_setattr(2))."""
    _set_attributes(target, _MountAttr(attr_clr=_MOUNT_ATTR_RDONLY))


def _set_attributes(target: str, attributes: _MountAttr) -> None:
    result = _libc().syscall(
        ctypes.c_long(_SYS_MOUNT_SETATTR),
        ctypes.c_int(_AT_FDCWD),
        target.encode(),
        ctypes.c_uint(_AT_RECURSIVE),
        ctypes.byref(attributes),
        ctypes.c_size_t(ctypes.sizeof(attributes)),
    )
    _check(result, f"mount_setattr {target}")


def close_memory() -> None:
    """Close /proc/self to others of the same id, and to ptrace(2), until the next exec (prctl(2), PR_SET_DUMPABLE)."""
    _check(_libc().prctl(4, ctypes.c_ulong(0), 0, 0, 0), "prctl")


def die_with_parent() -> None:
    """Be killed when the process that started this one ends; exec does not change that (prctl(2), PR_SET_PDEATHSIG)."""
    _check(_libc().prctl(1, ctypes.c_ulong(9), 0, 0, 0), "prctl")


def set_dumpable() -> None:
    """Own one's /proc/self again after a change of ids (prctl(2), PR_SET_DUMPABLE)."""
    _check(_libc().prctl(4, ctypes.c_ulong(1), 0, 0, 0), "prctl")
