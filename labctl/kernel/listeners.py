"""Who listens on which port in a network namespace, and which process that is.

TCP is asked through sock_diag(7), which looks at what listens alone: /proc/net/tcp walks a table of all connections, as
large as the machine's memory makes it, and takes eight times as long where there is none. UDP's table is small.

Sockets are told by their inode; the process that holds one is found by its descriptors in /proc/PID/fd. Only processes
that live in the namespace are asked: those of another may have hundreds.
"""

from __future__ import annotations

import os
import socket
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, TypeAlias

from labctl.kernel.rtnetlink import address, ask
from labctl.model.values import Listener

if TYPE_CHECKING:
    from collections.abc import Iterator

_Socket: TypeAlias = tuple[str, tuple[str, str, int]]
"""An inode; protocol, address and port."""
# include/net/tcp_states.h; a UDP socket without a peer is in the latter.
_LISTEN, _CLOSE = "0A", "07"
_PORTS = 1 << 16
_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_DIAG_REQUEST = struct.Struct("=BB2xI48x")
"""inet_diag_req_v2: family, protocol, states (a bit each)."""
_DIAG_ANSWER = struct.Struct("=B3x2s2x16s44xI")
"""inet_diag_msg: family, port and address of this end as the network orders them, inode."""
# Above, an unconnected UDP socket may be anybody's who asks something (ip_local_port_range).
_FIRST_EPHEMERAL = 32768


def listeners_here() -> tuple[Listener, ...]:
    """Those of the namespace that the calling process is in, by protocol, port and address."""
    sockets = {**dict(_tcp()), **dict(_listed("udp", _CLOSE, _FIRST_EPHEMERAL))}
    if not sockets:
        return ()
    owners = _owners(set(sockets))
    found = {Listener(*where, *owners.get(inode, (0, ()))) for inode, where in sockets.items()}
    return tuple(sorted(found, key=lambda each: (each.protocol, each.port, each.address, each.pid)))


def words_of(pid: int) -> tuple[str, ...]:
    """The words with which a process was started; empty where it is gone."""
    with suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as file:
        return tuple(os.fsdecode(word) for word in file.read().rstrip(b"\0").split(b"\0"))
    return ()


def _tcp() -> Iterator[_Socket]:
    try:
        found = [*_listening(socket.AF_INET), *_listening(socket.AF_INET6)]
    except OSError:  # a kernel that was built without it
        yield from _listed("tcp", _LISTEN, _PORTS)
        return
    for message in found:
        family, port, source, inode = _DIAG_ANSWER.unpack_from(message)
        where = address(source if family == socket.AF_INET6 else source[:4])
        yield str(inode), ("tcp", where, int.from_bytes(port, "big"))


def _listening(family: int) -> list[bytes]:
    wanted = _DIAG_REQUEST.pack(family, socket.IPPROTO_TCP, 1 << int(_LISTEN, 16))
    return ask(_SOCK_DIAG_BY_FAMILY, wanted, dump=True, protocol=_NETLINK_SOCK_DIAG)


def _listed(protocol: str, state: str, most: int) -> Iterator[_Socket]:
    """Those in /proc (proc_net(5)), up to a port."""
    for name in (protocol, f"{protocol}6"):
        try:
            with open(f"/proc/self/net/{name}", encoding="ascii") as file:
                lines = file.read().splitlines()[1:]
        except FileNotFoundError:  # no IPv6
            continue
        for line in lines:
            fields = line.split()
            address, _, port = fields[1].partition(":")
            if fields[3] == state and int(port, 16) < most:
                yield fields[9], (protocol, _spell(address), int(port, 16))


def _spell(digits: str) -> str:
    """Spell an address that the kernel printed as 32-bit words in the order of this machine."""
    words = [int(digits[at : at + 8], 16) for at in range(0, len(digits), 8)]
    packed = struct.pack(f"={len(words)}I", *words)
    return socket.inet_ntop(socket.AF_INET if len(words) == 1 else socket.AF_INET6, packed)


def _owners(inodes: set[str]) -> dict[str, tuple[int, tuple[str, ...]]]:
    """Which process holds each: the first by number, where a fork shares it."""
    here = os.readlink("/proc/self/ns/net")
    owners: dict[str, tuple[int, tuple[str, ...]]] = {}
    for pid in sorted(int(name) for name in os.listdir("/proc") if name.isdigit()):
        with suppress(OSError):
            if pid == os.getpid() or os.readlink(f"/proc/{pid}/ns/net") != here:
                continue
            for fd in os.listdir(f"/proc/{pid}/fd"):
                kind, _, inode = os.readlink(f"/proc/{pid}/fd/{fd}").partition(":[")
                if kind == "socket" and inode[:-1] in inodes:
                    owners.setdefault(inode[:-1], (pid, words_of(pid)))
    return owners
