"""Who a process is: its pid, when it started, and the boot that it belongs to. Pids alone are reused."""

from __future__ import annotations

import os
import select
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

# In the environment of a world's first process: the home that it belongs to.
MARK = "LABCTL_WORLD"
# In that of the first process of a world that is this machine itself, and of what was started in it.
KEEPER = "LABCTL_KEEPER"


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


def is_ending(identity: Identity) -> bool:
    """Tell whether this very process has ended, or is about to: the processes of its pid namespace go before it does.

    The flags are field 9 of /proc/PID/stat (proc(5)); PF_EXITING is 4 (linux/sched.h).
    """
    with suppress(FileNotFoundError, ProcessLookupError):
        flags = int(Path(f"/proc/{identity.pid}/stat").read_text().rpartition(")")[2].split()[6])
        return not is_alive(identity) or bool(flags & 4)
    return True


def find_marked(mark: str) -> tuple[Identity, ...]:
    """Find the first processes of worlds that bear this mark; those of other people are not seen.

    Of a world that is this machine itself, what was started in it too.
    """
    first, here = f"{MARK}={mark}".encode(), f"{KEEPER}={mark}".encode()
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            with suppress(OSError):
                environment = (folder / "environ").read_bytes().split(b"\0")
                is_wanted = here in environment or (first in environment and _is_first(folder))
                if is_wanted and (identity := identify(int(folder.name))):
                    found.append(identity)
    return tuple(found)


def mark_of(pid: int) -> dict[str, str]:
    """What the programs of a world have in their environment that is this machine itself, by its first process.

    They are found by it when the world goes, and those that are labctl's own find the world.
    """
    with suppress(OSError):
        for entry in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
            name, _, value = os.fsdecode(entry).partition("=")
            if name == KEEPER:
                return {name: value, "LABCTL_WORLD": "host", "LABCTL_HOME": value}
    return {}


def find_programs(pid: int, folder: str) -> tuple[Identity, ...]:
    """Find the processes that run a program of this folder, and see the same file system as another process."""
    found = []
    with suppress(OSError):
        there = Path(f"/proc/{pid}/ns/mnt").stat()
        for process in Path("/proc").iterdir():
            if process.name.isdecimal():
                with suppress(OSError):
                    words = (process / "cmdline").read_bytes().split(b"\0")
                    is_one = any(word.startswith(os.fsencode(f"{folder}/")) for word in words)
                    if is_one and os.path.samestat((process / "ns/mnt").stat(), there):
                        found += [each for each in (identify(int(process.name)),) if each]
    return tuple(found)


def find_lodgers(pid: int) -> tuple[Identity, ...]:
    """Find the processes that live in the network namespace of another, itself not counted."""
    with suppress(OSError):
        there = Path(f"/proc/{pid}/ns/net").stat()
        found = []
        for folder in Path("/proc").iterdir():
            if folder.name.isdecimal() and int(folder.name) != pid:
                with suppress(OSError):
                    if os.path.samestat((folder / "ns/net").stat(), there) and (each := identify(int(folder.name))):
                        found.append(each)
        return tuple(found)
    return ()


def _is_first(folder: Path) -> bool:
    """Tell whether a process is number 1 of its pid namespace, and that one not ours (proc(5), NSpid)."""
    status = (folder / "status").read_text()
    numbers = next((line.split()[1:] for line in status.splitlines() if line.startswith("NSpid:")), [])
    return len(numbers) > 1 and numbers[-1] == "1"


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
