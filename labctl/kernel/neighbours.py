"""What a network namespace remembers of neighbours that did not answer ARP, through raw rtnetlink(7).

Such an entry delays the next, right packet by 1 s. All namespaces of the machine share one table (1,024 entries unless
set otherwise); while it overflows, packets are lost without a word.
"""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_RTM_DELNEIGH, _RTM_GETNEIGH, _RTM_GETNEIGHTBL = 29, 30, 66  # linux/rtnetlink.h
_NLM_F_REQUEST, _NLM_F_DUMP, _NLMSG_ERROR, _NLMSG_DONE = 0x1, 0x300, 2, 3  # netlink(7)
_NDA_DST, _NUD_INCOMPLETE, _NUD_FAILED, _NDTA_STATS = 1, 0x01, 0x20, 7  # linux/neighbour.h


def _dump(netlink: socket.socket, kind: int, fixed: int) -> Iterator[tuple[bytes, dict[int, bytes]]]:
    """Ask rtnetlink(7) for a list of IPv4 things: of each the `fixed` first bytes, and its attributes by number."""
    request = struct.pack("=IHHIIB", 16 + fixed, kind, _NLM_F_REQUEST | _NLM_F_DUMP, 1, 0, socket.AF_INET)
    netlink.send(request + bytes(fixed - 1))
    while True:
        data = netlink.recv(1 << 16)
        while data:
            length, kind = struct.unpack_from("=IH", data)
            if kind in (_NLMSG_ERROR, _NLMSG_DONE):
                return
            head, rest, data = data[16 : 16 + fixed], data[16 + fixed : length], data[(length + 3) & ~3 :]
            attributes = {}
            while rest:
                size, name = struct.unpack_from("=HH", rest)
                attributes[name], rest = rest[4:size], rest[(size + 3) & ~3 :]
            yield head, attributes


def forget_unanswered() -> set[str]:
    """Delete the ARP entries of this network namespace that say that nobody answered; return their addresses."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW) as netlink:
        failed = []
        for head, attributes in _dump(netlink, _RTM_GETNEIGH, 12):  # struct ndmsg: …, ifindex at 4, state at 8
            if struct.unpack_from("=H", head, 8)[0] & (_NUD_INCOMPLETE | _NUD_FAILED) and _NDA_DST in attributes:
                failed.append((head, attributes[_NDA_DST]))
        for head, address in failed:  # no answer is asked for: an entry that went away meanwhile is as good
            request = struct.pack("=IHHII", 36, _RTM_DELNEIGH, _NLM_F_REQUEST, 0, 0)
            netlink.send(request + head + struct.pack("=HH4s", 8, _NDA_DST, address))
    return {socket.inet_ntoa(address) for _, address in failed}


def count_overflows() -> int:
    """How often the machine's ARP table had no room (`table_fulls`, the eleventh u64 of struct ndt_stats)."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW) as netlink:
        tables = [attributes for _, attributes in _dump(netlink, _RTM_GETNEIGHTBL, 4)]
    return sum(int(struct.unpack_from("=Q", table[_NDTA_STATS], 80)[0]) for table in tables if _NDTA_STATS in table)
