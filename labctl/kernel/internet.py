"""The internet host: tells each caller the address that it saw the caller come from.

Run as `python -I -S internet.py ADDRESS [FD]`, in the host's own network namespace. HTTP on port 80 answers
`you are 10.128.0.2`, TCP on port 5000 says `10.128.0.2` and hangs up. Once both listen, `ready` and a newline go to
the file descriptor FD, which is then closed. Exits with 1 and a line on stderr if it cannot listen.

It stands for as long as the world does, so it is small: one process, and only modules written in C (5 MB PSS;
`socket` in place of `_socket` adds 1.3, `http.server` 8). It ends by SIGKILL and keeps nothing.
"""

from __future__ import annotations

import posix
import sys
from _signal import SIG_IGN, SIGHUP, SIGINT, SIGTERM, signal  # type: ignore[import-not-found]  # typeshed lacks it
from _socket import AF_INET, SHUT_WR, SO_REUSEADDR, SOCK_NONBLOCK, SOCK_STREAM, SOL_SOCKET, socket
from select import EPOLLIN, epoll
from time import monotonic

HTTP_PORT, TCP_PORT = 80, 5000
CALLERS = 128  # connected at once; one more, and the oldest is hung up on
PATIENCE = 5.0  # seconds that a connection may last in all, so that dripping bytes gains nothing
LONGEST_REQUEST = 8192  # bytes


class Caller:
    """A connection: where it comes from, until when it may last, and what it asked so far (None: it has its answer)."""

    __slots__ = ("address", "end", "request", "sock")

    def __init__(self, sock: socket, address: str, request: bytes | None) -> None:
        """Its time runs from now on."""
        self.sock = sock
        self.address = address
        self.request = request
        self.end = monotonic() + PATIENCE


def answer_http(request: bytes, address: str) -> bytes:
    """Build the response (RFC 9112) to a request whose head is complete or too long."""
    method, _, rest = request.partition(b" ")
    status, body = b"200 OK", b"you are %s\n" % address.encode()
    if len(request) > LONGEST_REQUEST:
        status, body = b"431 Request Header Fields Too Large", b"that is too long\n"
    elif b" HTTP/1." not in rest.partition(b"\n")[0]:
        status, body = b"400 Bad Request", b"that is not HTTP/1.0 or 1.1\n"
    elif method not in (b"GET", b"HEAD"):
        status, body = b"405 Method Not Allowed\r\nAllow: GET, HEAD", b"only GET and HEAD\n"
    head = b"HTTP/1.1 %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
    return head % (status, len(body)) + (b"" if method == b"HEAD" else body)


def is_complete(request: bytes) -> bool:
    """Tell whether the empty line that ends the head has come, or more than is bearable."""
    return b"\r\n\r\n" in request or b"\n\n" in request or len(request) > LONGEST_REQUEST


class Server:
    """Both ports and all callers, in one epoll(7) loop; nothing in it blocks but the wait for the next event."""

    def __init__(self, address: str) -> None:
        """Listen.

        Raises:
            OSError: the address is not this host's, or a port is taken.
        """
        self._epoll = epoll()
        self._http, self._tcp = self._listen(address, HTTP_PORT), self._listen(address, TCP_PORT)
        self._callers: dict[int, Caller] = {}  # by file descriptor, the oldest first

    def _listen(self, address: str, port: int) -> socket:
        sock = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK)
        sock.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
        sock.bind((address, port))
        sock.listen(CALLERS)
        self._epoll.register(sock.fileno(), EPOLLIN)
        return sock

    def run(self) -> None:
        """Answer until killed."""
        while True:
            oldest = next(iter(self._callers.values()), None)
            for descriptor, _ in self._epoll.poll(max(0.0, oldest.end - monotonic()) if oldest else -1):
                if descriptor in (self._http.fileno(), self._tcp.fileno()):
                    self._accept(self._http if descriptor == self._http.fileno() else self._tcp)
                elif caller := self._callers.get(descriptor):  # or else: hung up on a moment ago
                    self._hear(caller)
            for caller in list(self._callers.values()):
                if caller.end > monotonic():
                    break
                self._hang_up(caller)

    def _accept(self, listener: socket) -> None:
        try:
            # `socket.accept` is this and a second object; typeshed lacks it
            descriptor, (address, _) = listener._accept()  # type: ignore[attr-defined]  # noqa: SLF001 - see above
        except OSError:  # the caller has gone already
            return
        if len(self._callers) >= CALLERS:
            self._hang_up(next(iter(self._callers.values())))
        sock = socket(fileno=descriptor)
        sock.setblocking(False)  # noqa: FBT003 - the C socket takes it by position only
        caller = self._callers[descriptor] = Caller(sock, address, b"" if listener is self._http else None)
        self._epoll.register(descriptor, EPOLLIN)
        if listener is self._tcp:
            self._say(caller, address.encode() + b"\n")

    def _hear(self, caller: Caller) -> None:
        """Read on. What comes after the answer is thrown away, as closing over unread bytes would reset the answer."""
        try:
            heard = caller.sock.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            heard = b""
        if not heard:
            self._hang_up(caller)
        elif caller.request is not None:
            caller.request += heard
            if is_complete(caller.request):
                self._say(caller, answer_http(caller.request, caller.address))

    def _say(self, caller: Caller, answer: bytes) -> None:
        """Send the whole answer, which fits into any send buffer, and say that no more comes."""
        caller.request = None
        try:
            caller.sock.send(answer)
            caller.sock.shutdown(SHUT_WR)
        except OSError:  # the caller has gone
            self._hang_up(caller)

    def _hang_up(self, caller: Caller) -> None:
        del self._callers[caller.sock.fileno()]
        caller.sock.close()  # epoll(7) forgets it by itself


def main(arguments: list[str]) -> None:
    """Serve at ADDRESS; announce it on FD."""
    if not arguments:
        sys.exit("usage: python -I -S internet.py ADDRESS [FD]")
    for number in (SIGHUP, SIGINT, SIGTERM):  # a Ctrl-C, or a `kill` typed in the lab, is not meant for this
        signal(number, SIG_IGN)
    try:
        server = Server(arguments[0])
    except OSError as error:
        sys.exit(f"the internet host cannot listen at {arguments[0]}: {error}")
    if len(arguments) > 1:
        posix.write(int(arguments[1]), b"ready\n")
        posix.close(int(arguments[1]))
    server.run()


if __name__ == "__main__":
    main(sys.argv[1:])
