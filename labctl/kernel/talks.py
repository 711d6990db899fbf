"""TCP connections from many places, side by side."""

from __future__ import annotations

import os
import select
import socket
import struct
from collections import Counter
from errno import ECONNREFUSED, EINPROGRESS
from time import monotonic
from typing import TYPE_CHECKING

from labctl.errors import KernelRefused, LabError
from labctl.kernel.listener import Listener
from labctl.model.values import Heard

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labctl.kernel.listener import Enter
    from labctl.model.lab import Place

_LONGEST = 1 << 16
# Source ports follow the clock through those below what the kernel hands out (ip_local_port_range), once in 128 s.
# Conntrack remembers for 120 s a connection that was not answered, with what it made of it then, and does the same to a
# later one from the same port. The kernel's own choice came back to such ports too often: one in 3,000 connections.
_PORTS = range(2048, 32768)
_PORTS_A_SECOND = 240
_TRIES = 16
# Closed so (socket(7), SO_LINGER), a connection ends at once, and conntrack forgets it after 10 s in place of 120.
_ABRUPT = struct.pack("ii", 1, 0)
_BETWEEN_LOOKS = 0.050
_TCP_ESTABLISHED = 1  # tcp_info's state, tcp_states.h


class Talks(Listener):
    """Connections (from, to, port); each is awaited until an error, its end, or, where nothing is said, a first line.

    `request` is what is said first. `heard` is what came of each, in the order of the asks.
    """

    def __init__(self, enter: Enter, asks: Sequence[tuple[Place, str, int]], request: bytes = b"") -> None:
        """Connect; what cannot be entered has its result at once."""
        super().__init__()
        self.heard: list[Heard | KernelRefused] = [Heard("")] * len(asks)
        self._request = request
        self._talks: dict[int, tuple[int, socket.socket, bytearray]] = {}
        self._silent: set[int] = set()
        self._start = int(monotonic() * _PORTS_A_SECOND)
        self._used: Counter[Place] = Counter()
        for number, (place, address, port) in enumerate(asks):
            try:
                socket.inet_pton(socket.AF_INET, address)  # or else the DNS would be asked for a name
                with enter(place):
                    talk = self.watch(socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK))
                    self._take_port(place, talk)
            except (LabError, OSError) as error:
                self.heard[number] = KernelRefused(f"{address} could not be asked from {place}: {error}")
                continue
            self._connect(number, talk, (address, port))

    def _take_port(self, place: Place, talk: socket.socket) -> None:
        """Take the next port that is free; if so many are not, the kernel may choose."""
        for _ in range(_TRIES):
            port = _PORTS[(self._start + self._used[place]) % len(_PORTS)]
            self._used[place] += 1
            try:
                talk.bind(("", port))
            except OSError:
                continue
            return

    def _connect(self, number: int, talk: socket.socket, there: tuple[str, int]) -> None:
        if self._request:
            talk.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABRUPT)
            self.poll.modify(talk, select.POLLOUT)
            self._silent.add(talk.fileno())
        self._talks[talk.fileno()] = (number, talk, bytearray())
        self.open.add(number)
        error = talk.connect_ex(there)
        if error not in (0, EINPROGRESS):
            self._end(talk.fileno(), error)

    def listen_while_busy(self, seconds: float) -> None:
        """Listen for so long, and on for as long as something came of it in that time."""
        left = None
        while self.open and left != len(self.open):
            left = len(self.open)
            self.listen(seconds)

    def hear_out_connected(self, seconds: float) -> None:
        """Listen for so long at most to those that are connected: packets come through, and who answers is slow."""
        end = monotonic() + seconds
        while any(_is_connected(talk) for number, talk, _ in self._talks.values() if number in self.open):
            if monotonic() > end:
                return
            self.listen(_BETWEEN_LOOKS)

    def read(self, descriptor: int) -> None:
        """Say what is to be said, then take in what comes; a refusal or a reset ends the talk."""
        _, talk, heard = self._talks[descriptor]
        # An ICMP error that came while connect(2) was at work is told by this alone: send(2) would say EAGAIN.
        if error := talk.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._end(descriptor, error)
            return
        try:
            if descriptor in self._silent:
                talk.send(self._request)  # shorter than any socket's buffer
                self._silent.discard(descriptor)
                self.poll.modify(descriptor, select.POLLIN)
                return
            data = talk.recv(4096)
        except BlockingIOError:
            return
        except OSError as refusal:
            self._end(descriptor, refusal.errno or 0)
            return
        heard += data
        if not data or len(heard) > _LONGEST or (b"\n" in heard and not self._request):
            self._end(descriptor, 0)

    def _end(self, descriptor: int, error: int) -> None:
        number, _, heard = self._talks[descriptor]
        why = os.strerror(error).lower() if error else ""
        self.heard[number] = Heard(heard.decode(errors="replace"), why, refused=error == ECONNREFUSED)
        self.open.discard(number)
        self.poll.unregister(descriptor)  # or else its end would be reported again and again


def _is_connected(talk: socket.socket) -> bool:
    return talk.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == _TCP_ESTABLISHED
