"""Who listens on which port in a network namespace (proc_net(5)), and which process that is.

Sockets are told by their inode; the process that holds one is found by its descriptors in /proc/PID/fd. Only processes
that live in the namespace are asked: those of another may have hundreds.
"""

from __future__ import annotations

import os
import socket
import struct
from contextlib import suppress

from labctl.model.values import Listener

_TCP_LISTEN = "0A"  # include/net/tcp_states.h
_UDP_UNCONNECTED = "07"
# Above, an unconnected UDP socket may be anybody's who asks something (ip_local_port_range).
_FIRST_EPHEMERAL = 32768
_FILES = (("tcp", "tcp", _TCP_LISTEN), ("tcp6", "tcp", _TCP_LISTEN), ("udp", "udp", _UDP_UNCONNECTED))
_SOURCES = (*_FILES, ("udp6", "udp", _UDP_UNCONNECTED))


def listeners_here() -> tuple[Listener, ...]:
    """Those of the namespace that the calling process is in, by protocol, port and address."""
    sockets = {inode: where for name, protocol, state in _SOURCES for inode, where in _read(name, protocol, state)}
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


def _read(name: str, protocol: str, state: str) -> list[tuple[str, tuple[str, str, int]]]:
    try:
        with open(f"/proc/self/net/{name}", encoding="ascii") as file:
            lines = file.read().splitlines()[1:]
    except FileNotFoundError:  # no IPv6
        return []
    found = []
    for line in lines:
        fields = line.split()
        address, _, port = fields[1].partition(":")
        number = int(port, 16)
        if fields[3] == state and (protocol == "tcp" or number < _FIRST_EPHEMERAL):
            found.append((fields[9], (protocol, _spell(address), number)))
    return found


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
