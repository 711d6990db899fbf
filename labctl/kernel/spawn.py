"""Starts programs with as little as it takes: the CNI plug-in starts anew for every call, and `subprocess` is heavy."""

from __future__ import annotations

import os
import select
from typing import TYPE_CHECKING

from labctl.errors import KernelRefused, ToolMissing
from labctl.model.values import Completed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

FOLDERS = ("/opt/labctl/bin", "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
MOST_SECONDS = 30
_SIGKILL = 9  # of `signal`, which takes its time to import
_ENVIRONMENT = {"PATH": os.pathsep.join(FOLDERS), "LC_ALL": "C", "HOME": "/"}


def find(name: str, folders: Sequence[str] = FOLDERS) -> str:
    """Find a program; the caller's own PATH is not asked.

    Raises:
        ToolMissing: it is in none of the folders.
    """
    for folder in folders:
        path = os.path.join(folder, name)
        if os.access(path, os.X_OK) and not os.path.isdir(path):
            return path
    raise ToolMissing(f"{name} is not installed", "install it; labctl doctor names the package")


def run(
    argv: Sequence[str],
    text: str = "",
    environment: Mapping[str, str] | None = None,
    *,
    seconds: int = MOST_SECONDS,
    leads: bool = False,
) -> Completed:
    """Run a program to its end; `argv[0]` is a path or a name.

    Its three streams are memory files: nobody waits for anybody, however much is said. If it takes too long, it
    is ended; if it `leads`, a process group of its own, with everything that it has started (else whoever ends our own
    group ends it too).

    Raises:
        KernelRefused: it did not end within that many seconds.
    """
    path = argv[0] if "/" in argv[0] else find(argv[0])
    streams = [os.memfd_create("labctl") for _ in range(3)]
    try:
        os.write(streams[0], text.encode())
        os.lseek(streams[0], 0, os.SEEK_SET)
        actions = [(os.POSIX_SPAWN_DUP2, stream, number) for number, stream in enumerate(streams)]
        group: dict[str, Any] = {"setpgroup": 0} if leads else {}
        pid = os.posix_spawn(path, tuple(argv), environment or _ENVIRONMENT, file_actions=actions, **group)
        status = _wait(pid, argv[0], seconds, os.killpg if leads else os.kill)
        out, err = (_read(stream) for stream in streams[1:])
        return Completed(os.waitstatus_to_exitcode(status), out, err)
    finally:
        for stream in streams:
            os.close(stream)


def _wait(pid: int, name: str, seconds: int, kill: Callable[[int, int], None]) -> int:
    """Wait for a program, but not for ever: whoever called us waits too, and others for a lock."""
    ended = select.poll()
    fd = os.pidfd_open(pid)
    try:
        ended.register(fd, select.POLLIN)
        if not ended.poll(seconds * 1000):
            kill(pid, _SIGKILL)
            os.waitpid(pid, 0)
            raise KernelRefused(f"{name} did not end within {seconds} seconds, and was ended")
        return os.waitpid(pid, 0)[1]
    finally:
        os.close(fd)


def _read(stream: int) -> str:
    size = os.lseek(stream, 0, os.SEEK_END)
    return os.pread(stream, size, 0).decode("utf-8", "replace")
