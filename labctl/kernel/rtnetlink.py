"""Asks the kernel over netlink(7), in the network namespace that the calling process is in.

A look is one datagram and the kernel's answer to it. Through pyroute2, which has an event loop for it, it takes ten
times as long, and the first waits for 130 ms of imports: that is for who changes something (`labctl.kernel.netlink`).
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import sys
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

Attributes: TypeAlias = dict[int, bytes]

_HEADER = struct.Struct("=IHHII")
"""nlmsghdr: length, type, flags, sequence, port."""
_ATTRIBUTE = struct.Struct("=HH")
_ERROR = struct.Struct("=i")
_REQUEST, _DUMP, _INTERRUPTED = 0x1, 0x300, 0x10
_NLMSG_NOOP, _NLMSG_ERROR, _NLMSG_DONE = 1, 2, 3
_FLAGS_OF_TYPE = 0xC000  # NLA_F_NESTED, NLA_F_NET_BYTEORDER
_MOST_BYTES = 1 << 16
_TRIES = 100
_IPV4_BYTES = 4


def ask(kind: int, body: bytes, *, dump: bool, protocol: int = socket.NETLINK_ROUTE) -> list[bytes]:
    """Ask, and give what the messages of the answer hold, without their headers.

    `dump` asks for all there are; one that something was changed in the middle of is asked for again.

    Raises:
        OSError: the kernel refused; EBUSY: it was changed each time.
    """
    for _ in range(_TRIES):
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol) as sock:
            sock.send(request(kind, body, _DUMP if dump else 0))
            found, whole = hear_out(sock, dump=dump)
        if whole:
            return found
    raise OSError(errno.EBUSY, "what is asked for changes faster than it can be told")


def request(kind: int, body: bytes, flags: int = 0) -> bytes:
    """The datagram that asks for something."""
    return _HEADER.pack(_HEADER.size + len(body), kind, _REQUEST | flags, 1, 0) + body


def hear_out(sock: socket.socket, *, dump: bool) -> tuple[list[bytes], bool]:
    """What came, and whether nothing was changed meanwhile.

    Raises:
        OSError: the kernel refused; EMSGSIZE: there was no room for what it said.
    """
    found: list[bytes] = []
    whole = True
    while True:
        data, _, flags, _ = sock.recvmsg(_MOST_BYTES)
        if flags & socket.MSG_TRUNC:
            raise OSError(errno.EMSGSIZE, os.strerror(errno.EMSGSIZE))
        for kind, marks, payload in _messages(data):
            whole = whole and not marks & _INTERRUPTED
            if kind in (_NLMSG_ERROR, _NLMSG_DONE):
                _refuse(payload)
                return found, whole
            if kind != _NLMSG_NOOP:
                found.append(payload)
        if not dump:
            return found, whole


def _refuse(payload: bytes) -> None:
    """Both an error and an end begin with a number, which is negative where the kernel refused."""
    number = -_ERROR.unpack_from(payload)[0] if len(payload) >= _ERROR.size else 0
    if number > 0:
        raise OSError(number, os.strerror(number))


def _messages(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    at = 0
    while at + _HEADER.size <= len(data):
        length, kind, flags, _, _ = _HEADER.unpack_from(data, at)
        yield kind, flags, data[at + _HEADER.size : at + length]
        at += _align(max(length, _HEADER.size))


def attribute(kind: int, value: bytes) -> bytes:
    """One attribute of a request."""
    length = _ATTRIBUTE.size + len(value)
    return _ATTRIBUTE.pack(length, kind) + value + bytes(_align(length) - length)


def attributes(data: bytes, at: int = 0) -> Attributes:
    """The attributes from there on, by their types; of several of one type the last, and none that was cut short."""
    found = {}
    while at + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if at + length > len(data):
            break
        found[kind & ~_FLAGS_OF_TYPE] = data[at + _ATTRIBUTE.size : at + length]
        at += _align(max(length, _ATTRIBUTE.size))
    return found


def number(value: bytes | None) -> int | None:
    """A whole number in the order of this machine; None for nothing."""
    return None if value is None else int.from_bytes(value, sys.byteorder)


def text(value: bytes | None) -> str:
    """A text that ends with a zero; empty for nothing."""
    return os.fsdecode((value or b"").partition(b"\0")[0])


def address(value: bytes | None) -> str:
    """An address of IPv4 or IPv6; empty for nothing."""
    return socket.inet_ntop(socket.AF_INET if len(value) == _IPV4_BYTES else socket.AF_INET6, value) if value else ""


def _align(length: int) -> int:
    return (length + 3) & ~3
