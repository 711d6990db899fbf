"""Sockets that were opened in many namespaces, read by one thread."""

from __future__ import annotations

import select
from contextlib import ExitStack
from time import monotonic
from typing import TYPE_CHECKING, Self, TypeAlias

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from labctl.model.lab import Place

    Enter: TypeAlias = Callable[[Place], AbstractContextManager[None]]


class Listener:
    """Sockets in many namespaces, and the numbers of what is still awaited from them (`open`)."""

    def __init__(self) -> None:
        """Watch nothing yet."""
        self.open: set[int] = set()
        self.poll = select.poll()
        self._sockets = ExitStack()

    def __enter__(self) -> Self:
        """Hold the sockets."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close them."""
        self._sockets.close()

    def watch(self, sock: socket.socket) -> socket.socket:
        """Read from a socket from now on, and close it at the end."""
        self.poll.register(self._sockets.enter_context(sock), select.POLLIN)
        return sock

    def listen(self, seconds: float) -> None:
        """Take in what comes for so long, or until nothing is awaited any more; looks at least once."""
        end = monotonic() + seconds
        while self.open:
            left = max(0.0, end - monotonic())
            for descriptor, _ in self.poll.poll(left * 1000):
                self.read(descriptor)
            if not left:
                return

    def read(self, descriptor: int) -> None:
        """Take in what a socket holds."""
        raise NotImplementedError
