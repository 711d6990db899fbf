"""Looks at many network namespaces at once, with as little as it takes: a list of a hundred pods is asked for at will.

A netlink dump costs a millisecond a namespace; SIOCGIFADDR (netdevice(7)) costs some microseconds.
"""

from __future__ import annotations

import fcntl
import os
import platform
import socket
import struct
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from labctl.errors import KernelRefused
from labctl.kernel.identity import boot_id, identify
from labctl.model.values import MachineFacts, Standing

if TYPE_CHECKING:
    from labctl.kernel.places import Places
    from labctl.model.lab import Place

_SIOCGIFADDR = 0x8915  # linux/sockios.h
# struct ifreq: the name, then a sockaddr_in, whose address begins at its fifth byte (netdevice(7), ip(7)).
_REQUEST = struct.Struct("16s24x")
_ADDRESS = slice(20, 24)
_INTERFACE = b"eth0"


def look_at_namespace(places: Places, place: Place) -> Standing | None:
    """Look at the network namespace of one place; None if it is not there."""
    try:
        with places.opened(place) as fd:
            seen = os.fstat(fd)
        with places.at(place), socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as asker:
            address = _address(asker)
    except (KernelRefused, OSError):  # gone, or something that is no namespace has the name
        return None
    started = places.started(place)
    return Standing(seen.st_ino, seen.st_ctime if started is None else _in_seconds(started), address)


def began(pid: int) -> float | None:
    """When a process began, in seconds since 1970; None where it is gone."""
    identity = identify(pid)
    return _in_seconds(identity.started) if identity else None


def _in_seconds(ticks: int) -> float:
    return booted() + ticks / os.sysconf("SC_CLK_TCK")


def _address(asker: socket.socket) -> str:
    try:
        answer = fcntl.ioctl(asker, _SIOCGIFADDR, _REQUEST.pack(_INTERFACE))
    except OSError:  # ENODEV: no eth0; EADDRNOTAVAIL: it has no address
        return ""
    return socket.inet_ntoa(answer[_ADDRESS])


@cache
def booted() -> int:
    """When this machine began, in seconds since 1970 (proc(5), btime); asked once, as clocks are set now and then."""
    lines = Path("/proc/stat").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("btime "))


def read_machine() -> MachineFacts:
    """What machine this is (uname(2), os-release(5), proc(5))."""
    memory = next(
        int(line.split()[1]) for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal:")
    )
    try:
        system = platform.freedesktop_os_release().get("PRETTY_NAME", "")
    except OSError:
        system = ""
    return MachineFacts(platform.release(), system, platform.machine(), os.cpu_count() or 1, memory, boot_id())
