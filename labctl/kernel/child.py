"""What every forked child of labctl's that becomes part of a world, or tries one, does first."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def write_maps(pid: int, unprivileged_id: int) -> None:
    """Map uid and gid 0 of a child's new user namespace to one unprivileged id (user_namespaces(7)).

    Raises:
        OSError: the kernel, or a security module, says no.
    """
    group = unprivileged_id if os.geteuid() == 0 else os.getegid()
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"0 {unprivileged_id} 1"),
        ("gid_map", f"0 {group} 1"),
    ):
        with open(f"/proc/{pid}/{name}", "w") as file:  # noqa: PTH123 (one write(2), which Path.write_text may split)
            file.write(text)


def give_up_groups() -> None:
    """As root, keep none of its groups. A user namespace may deny it, and then they are nobody's outside."""
    with suppress(PermissionError):
        os.setgroups([])


def run_in_child(theirs: socket.socket, work: Callable[[], NoReturn]) -> NoReturn:
    """Run a child's part; whatever goes wrong is told to labctl, never to a terminal."""
    try:
        work()
    except BaseException as error:  # noqa: BLE001 (a forked child must not return into labctl's own code)
        try:
            theirs.send(f"error {_reason(error)}".encode()[:4000])
        finally:
            os._exit(1)


def _reason(error: BaseException) -> str:
    """An OSError of ours says in its text what was tried and why not; its number says nothing to a person."""
    return str(error.args[1]) if isinstance(error, OSError) and len(error.args) > 1 else str(error)


def detach(keep: socket.socket) -> None:
    """Let go of terminal, folder, files and signals of whoever called."""
    os.setsid()
    os.chdir("/")
    os.umask(0o022)
    null = os.open(os.devnull, os.O_RDWR)
    for fd in range(3):
        os.dup2(null, fd)
    kept = keep.fileno()
    os.closerange(3, kept)
    os.closerange(kept + 1, os.sysconf("SC_OPEN_MAX"))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, INTERRUPTS)
    # Ignored across exec too: the kernel then reaps whatever dies below (wait(2)).
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
