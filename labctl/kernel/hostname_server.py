"""A small HTTP server that answers every request with a name, as `serve-hostname` of Kubernetes' agnhost image does.

`serve-hostname NAME PORT`. Whoever asks an address behind which there are several learns which of them answered.
"""

from __future__ import annotations

import selectors
import socket
import sys
from contextlib import suppress
from time import monotonic

_BACKLOG = 512
_MOST_HEAD = 8192
_PATIENCE = 10.0
_MOST_CALLERS = 512
_END_OF_HEAD = (b"\r\n\r\n", b"\n\n")


class _Server:
    def __init__(self, name: str, port: int) -> None:
        body = f"{name}\n".encode()
        head = (
            f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        self._answer = head.encode() + body
        self._socket = socket.create_server(("", port), backlog=_BACKLOG)
        self._socket.settimeout(0)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._socket, selectors.EVENT_READ)
        self._heads: dict[socket.socket, tuple[float, bytes]] = {}

    def serve(self) -> None:
        """Answer until it is ended."""
        while True:
            for key, _ in self._selector.select(_PATIENCE if self._heads else None):
                if key.fileobj is self._socket:
                    self._accept()
                elif isinstance(key.fileobj, socket.socket) and key.fileobj in self._heads:  # else hung up on meanwhile
                    self._hear(key.fileobj)
            # In the order in which they came.
            while self._heads and monotonic() - next(iter(self._heads.values()))[0] > _PATIENCE:
                self._hang_up(next(iter(self._heads)))

    def _accept(self) -> None:
        with suppress(OSError):
            caller, _ = self._socket.accept()
            caller.settimeout(0)
            self._selector.register(caller, selectors.EVENT_READ)
            self._heads[caller] = (monotonic(), b"")
        if len(self._heads) > _MOST_CALLERS:
            # Before files run out: then nobody could be let in, and this would be asked without end.
            self._hang_up(next(iter(self._heads)))

    def _hear(self, caller: socket.socket) -> None:
        since, head = self._heads[caller]
        try:
            piece = caller.recv(_MOST_HEAD)
        except OSError:
            piece = b""
        head += piece
        if piece and len(head) < _MOST_HEAD and not any(end in head for end in _END_OF_HEAD):
            self._heads[caller] = (since, head)
            return
        if piece and len(head) < _MOST_HEAD:
            with suppress(OSError):
                caller.send(self._answer)  # shorter than any socket's buffer
        self._hang_up(caller)

    def _hang_up(self, caller: socket.socket) -> None:
        self._selector.unregister(caller)
        del self._heads[caller]
        caller.close()


def main() -> None:
    """Read the arguments, and serve."""
    match sys.argv[1:]:
        case [name, port] if port.isdecimal():
            try:
                server = _Server(name, int(port))
            except (OSError, OverflowError) as error:
                sys.exit(f"serve-hostname: port {port}: {error}")
            server.serve()
        case _:
            sys.exit("usage: serve-hostname NAME PORT")
