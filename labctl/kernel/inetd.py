"""Starts a program for each caller of sockets that it was handed (inetd(8), "nowait"): it stands, the program does not.

Run as `python -I -S inetd.py FD... -- PROGRAM ARG...`; each FD listens. The program has the connection as its standard
input and output, the null device as its standard error. At most 16 run at once; who calls then waits in the queue.

It stands for as long as the world does, so it is small: only modules written in C (3 MB PSS). It ends by SIGKILL.
"""

from __future__ import annotations

import posix
import sys
from _signal import SIG_IGN, SIGHUP, SIGINT, SIGTERM, signal  # type: ignore[import-not-found]  # typeshed lacks it
from _socket import AF_INET, SOCK_STREAM, socket
from select import EPOLLIN, epoll

AT_ONCE = 16


class Attendant:
    """The sockets, and the programs that run now, in one epoll(7) loop."""

    def __init__(self, listeners: list[int], argv: list[str]) -> None:
        """Take over sockets that listen already."""
        self._epoll = epoll()
        self._sockets = {number: socket(AF_INET, SOCK_STREAM, 0, number) for number in listeners}
        self._argv = argv
        self._running: dict[int, int] = {}  # pidfd → pid
        self._null = posix.open("/dev/null", posix.O_RDWR)
        for number, sock in self._sockets.items():
            sock.setblocking(False)  # noqa: FBT003 (it takes it by position only)
            posix.set_inheritable(number, False)  # noqa: FBT003 (as above)
            self._epoll.register(number, EPOLLIN)

    def run(self) -> None:
        """Attend until killed."""
        while True:
            for number, _ in self._epoll.poll():
                if number in self._running:
                    self._bury(number)
                elif len(self._running) < AT_ONCE:
                    self._accept(self._sockets[number])

    def _accept(self, listener: socket) -> None:
        try:
            number, _ = listener._accept()  # type: ignore[attr-defined]  # noqa: SLF001 (what socket.accept calls)
        except OSError:  # the caller has gone, or there are no more files
            return
        posix.set_blocking(number, True)
        actions = [(posix.POSIX_SPAWN_DUP2, fd, place) for place, fd in enumerate((number, number, self._null))]
        try:
            pid = posix.posix_spawn(self._argv[0], self._argv, posix.environ, file_actions=actions)
        except OSError:  # the caller is hung up on
            return
        finally:
            posix.close(number)
        pidfd = posix.pidfd_open(pid)
        self._running[pidfd] = pid
        self._epoll.register(pidfd, EPOLLIN)
        if len(self._running) == AT_ONCE:
            for each in self._sockets:
                self._epoll.unregister(each)

    def _bury(self, pidfd: int) -> None:
        if len(self._running) == AT_ONCE:
            for each in self._sockets:
                self._epoll.register(each, EPOLLIN)
        posix.waitpid(self._running.pop(pidfd), 0)
        self._epoll.unregister(pidfd)
        posix.close(pidfd)


def main(arguments: list[str]) -> None:
    """Attend the sockets FD... with PROGRAM."""
    if "--" not in arguments:
        sys.exit("usage: python -I -S inetd.py FD... -- PROGRAM ARG...")
    for number in (SIGHUP, SIGINT, SIGTERM):  # a Ctrl-C, or a `kill` typed in the lab, is not meant for this
        signal(number, SIG_IGN)
    cut = arguments.index("--")
    Attendant([int(each) for each in arguments[:cut]], arguments[cut + 1 :]).run()


if __name__ == "__main__":
    main(sys.argv[1:])
