"""Who a process is: its pid, when it started, and the boot that it belongs to. Pids alone are reused."""

from __future__ import annotations

import os
import select
import signal
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Identity:
    """A process that can be told from a later one with the same number.

    `started` is field 22 of /proc/PID/stat, in clock ticks since boot (proc(5)).
    """

    pid: int
    started: int
    boot: str


def boot_id() -> str:
    """The kernel's name for this boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def identify(pid: int) -> Identity | None:
    """Look a process up; None if there is none, or it is a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name in brackets may itself hold spaces and brackets.
    fields = stat.rpartition(")")[2].split()
    if fields[0] in ("Z", "X"):
        return None
    return Identity(pid, int(fields[19]), boot_id())


def is_alive(identity: Identity) -> bool:
    """Tell whether this very process still lives."""
    return identify(identity.pid) == identity


def kill_and_wait(identity: Identity, seconds: float = 10.0) -> bool:
    """SIGKILL a process and wait until it is gone; tell whether it is. Gone already is success.

    Waits on the pidfd: in /proc it stays a zombie for a moment, and its number may be another's by then.
    """
    try:
        fd = os.pidfd_open(identity.pid)
    except ProcessLookupError:
        return True
    try:
        if identify(identity.pid) != identity:
            return True
        signal.pidfd_send_signal(fd, signal.SIGKILL)
        poller = select.poll()
        poller.register(fd, select.POLLIN)
        return bool(poller.poll(seconds * 1000))
    except ProcessLookupError:
        return True
    finally:
        os.close(fd)
