"""ICMP echo (RFC 792) from many places side by side."""

from __future__ import annotations

import os
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass
from errno import EACCES, EHOSTUNREACH, EINVAL, ENETDOWN, ENETUNREACH, EPERM
from typing import TYPE_CHECKING

from labctl.errors import LabError
from labctl.kernel.listener import Listener
from labctl.model.values import EchoResult

if TYPE_CHECKING:
    from collections.abc import Iterable

    from labctl.kernel.listener import Enter
    from labctl.model.lab import Place

_ECHO_REPLY, _UNREACHABLE, _ECHO_REQUEST, _TIME_EXCEEDED = 0, 3, 8, 11  # RFC 792
_ICMP_FILTER = 1  # raw(7): an option of level SOL_RAW, which has the number of IPPROTO_RAW; 1 bits are types kept out
_KEEP_OUT = 0xFFFFFFFF & ~(1 << _ECHO_REPLY | 1 << _UNREACHABLE | 1 << _TIME_EXCEEDED)
_REFUSALS = {  # what ip-route(8) and iptables do to the sender itself
    ENETUNREACH: "network is unreachable: no route to {}",
    EHOSTUNREACH: "no route to host: a route says that {} is unreachable",
    EACCES: "permission denied: a route says that {} is prohibited, or it is a broadcast address",
    EINVAL: "no route to host: the route to {} is a blackhole",
    EPERM: "the firewall of the sender refused it",
    ENETDOWN: "the interface towards {} is down",
}
_WORDS = {  # RFC 792, RFC 1812 5.2.7.1
    (_UNREACHABLE, 0): "network unreachable",
    (_UNREACHABLE, 1): "host unreachable",
    (_UNREACHABLE, 3): "port unreachable",
    (_UNREACHABLE, 9): "network prohibited",
    (_UNREACHABLE, 10): "host prohibited",
    (_UNREACHABLE, 13): "prohibited by a filter",
    (_TIME_EXCEEDED, 0): "time to live exceeded, the routes go in a circle",
}


def _build_request(ident: int, sequence: int, token: bytes) -> bytes:
    """Build an echo request with its checksum (RFC 1071); `token` has an even length."""
    words = struct.unpack(f"!4H{len(token) // 2}H", struct.pack("!BBHHH", _ECHO_REQUEST, 0, 0, ident, sequence) + token)
    total = sum(words)
    total = (total & 0xFFFF) + (total >> 16)
    checksum = ~(total + (total >> 16)) & 0xFFFF
    return struct.pack("!BBHHH", _ECHO_REQUEST, 0, checksum, ident, sequence) + token


_NOT_ASKED = EchoResult(answered=False, why="it was not asked", measured=False)


@dataclass
class Echo:
    """One ask, and what came of it so far."""

    place: Place
    address: str
    ident: int
    sent: bool = False
    trouble: str = ""
    result: EchoResult = _NOT_ASKED


class Echoes(Listener):
    """Echo requests side by side. All from one place share one raw socket (icmp(7), raw(7))."""

    def __init__(self, enter: Enter, echoes: Iterable[Echo]) -> None:
        """Open the sockets; what cannot be entered has its result at once."""
        super().__init__()
        self._token = os.urandom(8)  # tells late answers to an earlier ping from ours
        self._echoes = {echo.ident: echo for echo in echoes}
        self._places: dict[int, tuple[Place, socket.socket]] = {}
        doors: dict[Place, socket.socket | EchoResult] = {}
        for echo in self._echoes.values():
            if echo.place not in doors:
                doors[echo.place] = self._open_door(enter, echo.place)
            match doors[echo.place]:
                case EchoResult() as failed:
                    echo.result = failed
                case _:
                    self.open.add(echo.ident)
        self._doors = {place: door for place, door in doors.items() if isinstance(door, socket.socket)}

    def _open_door(self, enter: Enter, place: Place) -> socket.socket | EchoResult:
        try:
            with enter(place):
                door = socket.socket(socket.AF_INET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.IPPROTO_ICMP)
        except (LabError, OSError) as error:
            return EchoResult(answered=False, why=f"{place} could not be entered: {error}", measured=False)
        self.watch(door).setsockopt(socket.IPPROTO_RAW, _ICMP_FILTER, struct.pack("=I", _KEEP_OUT))
        for buffer in (socket.SO_SNDBUF, socket.SO_RCVBUF):  # the kernel grants what net.core allows
            door.setsockopt(socket.SOL_SOCKET, buffer, 1 << 20)
        self._places[door.fileno()] = (place, door)
        return door

    def awaited(self) -> list[Echo]:
        """List the asks with no result yet, in the order in which they were asked."""
        return [echo for ident, echo in self._echoes.items() if ident in self.open]

    def send(self, sequence: int) -> None:
        """Ask, where there is no result yet."""
        for count, echo in enumerate(self.awaited(), start=1):
            try:
                socket.inet_pton(socket.AF_INET, echo.address)  # or else sendto(2) would ask the DNS for a name
                request = _build_request(echo.ident, sequence, self._token)
                self._doors[echo.place].sendto(request, (echo.address, 0))
            except OSError as error:
                echo.trouble = error.strerror or str(error)
                if error.errno in _REFUSALS:
                    self._settle(echo, _REFUSALS[error.errno].format(echo.address))
            else:
                echo.sent = True
            if not count % 32:  # an unread socket holds about a hundred answers
                self.listen(0)

    def _settle(self, echo: Echo, refusal: str = "") -> None:
        echo.result = EchoResult(answered=not refusal, why=refusal)
        self.open.discard(echo.ident)

    def read(self, descriptor: int) -> None:
        """Take in what a socket holds, or a good part: others may flood the namespace."""
        place, door = self._places[descriptor]
        for _ in range(500):
            try:
                packet = door.recv(2048)
            except OSError:  # EAGAIN: nothing more
                return
            with suppress(IndexError, OSError, ValueError, struct.error):  # malformed: anyone can send such things
                self._take(place, packet)

    def _take(self, place: Place, packet: bytes) -> None:
        """Take an IPv4 packet that holds ICMP: a reply, or an error that quotes 8 or more bytes of the request."""
        sender, icmp = socket.inet_ntoa(packet[12:16]), (packet[0] & 15) * 4
        kind, code = packet[icmp : icmp + 2]
        if kind == _ECHO_REPLY:
            about, ours, asked = icmp, packet[icmp + 8 :] == self._token, sender
        else:
            quoted = icmp + 8
            about = quoted + (packet[quoted] & 15) * 4
            ours = packet[quoted + 9] == socket.IPPROTO_ICMP and packet[about] == _ECHO_REQUEST
            asked = socket.inet_ntoa(packet[quoted + 16 : quoted + 20])
        echo = self._echoes.get(struct.unpack_from("!H", packet, about + 4)[0])
        if not ours or not echo or echo.ident not in self.open or echo.place != place:
            return
        if kind != _ECHO_REPLY and asked == echo.address:
            self._settle(echo, f"{sender} says: {_WORDS.get((kind, code), f'unreachable, code {code}')}")
        elif kind == _ECHO_REPLY:
            self._settle(echo, "" if asked == echo.address else f"{sender} answered instead of {echo.address}")
