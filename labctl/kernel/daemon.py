"""Starts a program that goes on running when labctl has ended, and ends one.

What is started belongs to the world: it dies with the world's first process, which also reaps it.
"""

from __future__ import annotations

import os
import select
import signal
from time import monotonic
from typing import TYPE_CHECKING, NoReturn

from labctl.errors import KernelRefused
from labctl.kernel.listeners import listeners_here, words_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from labctl.model.values import Listener

_SECONDS_TO_LISTEN = 20.0
_SECONDS_TO_END = 5.0
# There is no event for a socket that begins to listen; this is how often the kernel is asked.
_BETWEEN_LOOKS = 0.004
_MOST_SAID = 4096


class Starting:
    """A program that was started here, detached, in a session of its own, and may not listen yet."""

    def __init__(self, argv: Sequence[str], environment: Mapping[str, str], protocol: str, port: int) -> None:
        """Start it.

        Raises:
            FileNotFoundError, PermissionError: there is no such program, or nobody may run it.
        """
        self._name, self._protocol, self._port = argv[0], protocol, port
        self._errors = os.memfd_create("labctl")
        try:
            self._pid = _fork_twice(argv, environment, self._errors)
        except OSError:
            os.close(self._errors)
            raise

    def wait(self) -> None:
        """Wait until a process here listens on the port.

        Raises:
            KernelRefused: it ended, or did not listen in time; then it is ended.
        """
        try:
            pidfd = os.pidfd_open(self._pid)
            try:
                _wait_for(self._name, pidfd, self._errors, self._protocol, self._port)
            finally:
                os.close(pidfd)
        except ProcessLookupError:  # it has ended, and was reaped before anybody looked
            raise _ended(self._name, self._errors, self._protocol, self._port) from None
        finally:
            os.close(self._errors)


def start(argv: Sequence[str], environment: Mapping[str, str], protocol: str, port: int) -> None:
    """Start a program here, and wait until a process listens on the port; raises what both do."""
    Starting(argv, environment, protocol, port).wait()


def end(listener: Listener) -> None:
    """End the process that listens, if it is still the one that was seen, and wait until it is gone.

    Raises:
        KernelRefused: it does not go.
    """
    if not listener.pid:
        raise KernelRefused(f"which process listens on {listener.protocol} {listener.port} cannot be seen from here")
    try:
        pidfd = os.pidfd_open(listener.pid)
    except ProcessLookupError:
        return
    try:
        if words_of(listener.pid) != listener.argv:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            signal.pidfd_send_signal(pidfd, number)
            if _has_ended(pidfd, _SECONDS_TO_END):
                return
    except ProcessLookupError:
        return
    finally:
        os.close(pidfd)
    raise KernelRefused(f"{listener.argv[0]} (pid {listener.pid}) does not end")


def _fork_twice(argv: Sequence[str], environment: Mapping[str, str], errors: int) -> int:
    """Give the number of the program's process; nobody here has to wait for it."""
    reader, writer = os.pipe()
    middle = os.fork()
    if middle == 0:
        child = os.fork()
        if child:
            os.write(writer, f"{child} ".encode())
            os._exit(0)
        _become(argv, environment, errors, writer)
    os.close(writer)
    os.waitpid(middle, 0)
    with os.fdopen(reader) as pipe:
        said = pipe.read().split()
    numbers = [int(word) for word in said if not word.startswith("e")]
    if failure := [int(word[1:]) for word in said if word.startswith("e")]:
        raise OSError(failure[0], os.strerror(failure[0]), argv[0])
    return numbers[0]


def _become(argv: Sequence[str], environment: Mapping[str, str], errors: int, writer: int) -> NoReturn:
    try:
        os.setsid()
        os.chdir("/")
        null = os.open(os.devnull, os.O_RDWR)
        for number, fd in enumerate((null, null, errors)):
            os.dup2(fd, number)
        # labctl blocks these while it asks, and Python ignores the last: both would be handed on.
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        for caught in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(caught, signal.SIG_DFL)
        os.execvpe(argv[0], list(argv), dict(environment))
    except OSError as error:
        os.write(writer, f"e{error.errno} ".encode())
    finally:
        os._exit(127)


def _wait_for(name: str, pidfd: int, errors: int, protocol: str, port: int) -> None:
    end_at = monotonic() + _SECONDS_TO_LISTEN
    while not any((each.protocol, each.port) == (protocol, port) for each in listeners_here()):
        if _has_ended(pidfd, _BETWEEN_LOOKS):
            raise _ended(name, errors, protocol, port)
        if monotonic() > end_at:
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            _has_ended(pidfd, _SECONDS_TO_END)
            raise KernelRefused(f"{name} did not listen on {protocol} {port} within {_SECONDS_TO_LISTEN:.0f} seconds")


def _ended(name: str, errors: int, protocol: str, port: int) -> KernelRefused:
    return KernelRefused(f"{name} ended before it listened on {protocol} {port}{_said(errors)}")


def _has_ended(pidfd: int, seconds: float) -> bool:
    poller = select.poll()
    poller.register(pidfd, select.POLLIN)
    return bool(poller.poll(seconds * 1000))


def _said(errors: int) -> str:
    """The last line that it wrote to its standard error."""
    size = os.lseek(errors, 0, os.SEEK_END)
    lines = os.pread(errors, _MOST_SAID, max(0, size - _MOST_SAID)).decode("utf-8", "replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f": {last}" if last else ""
