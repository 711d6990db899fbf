"""What a network namespace remembers of neighbours that did not answer ARP, through rtnetlink(7).

Such an entry delays the next, right packet by 1 s. All namespaces of the machine share one table (1,024 entries unless
set otherwise); while it overflows, packets are lost without a word.
"""

from __future__ import annotations

import socket
import struct

from labctl.kernel.rtnetlink import ask, attribute, attributes, request

_RTM_DELNEIGH, _RTM_GETNEIGH, _RTM_GETNEIGHTBL = 29, 30, 66  # linux/rtnetlink.h
NEIGHBOUR = struct.Struct("=B3xiHBB")
"""ndmsg: family, index of the link, state, flags, type."""
NDA_DST = 1  # linux/neighbour.h, as all that follows
_NUD_INCOMPLETE, _NUD_FAILED = 0x01, 0x20
_TABLE = struct.Struct("=B3x")
"""ndtmsg: family."""
_NDTA_STATS = 7
_TABLE_FULLS = 80  # the eleventh u64 of struct ndt_stats


def ask_neighbours() -> list[bytes]:
    """All ARP entries of this network namespace, each a NEIGHBOUR and its attributes."""
    return ask(_RTM_GETNEIGH, NEIGHBOUR.pack(socket.AF_INET, 0, 0, 0, 0), dump=True)


def forget_unanswered() -> set[str]:
    """Delete the ARP entries of this network namespace that say that nobody answered; return their addresses."""
    failed = []
    for message in ask_neighbours():
        _, _, state, _, _ = NEIGHBOUR.unpack_from(message)
        where = attributes(message, NEIGHBOUR.size).get(NDA_DST)
        if where and state & (_NUD_INCOMPLETE | _NUD_FAILED):
            failed.append((message[: NEIGHBOUR.size], where))
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW) as netlink:
        for head, where in failed:  # no answer is asked for: an entry that went away meanwhile is as good
            netlink.send(request(_RTM_DELNEIGH, head + attribute(NDA_DST, where)))
    return {socket.inet_ntoa(where) for _, where in failed}


def count_overflows() -> int:
    """How often the machine's ARP table had no room (`table_fulls` of struct ndt_stats)."""
    tables = (attributes(each, _TABLE.size) for each in ask(_RTM_GETNEIGHTBL, _TABLE.pack(socket.AF_INET), dump=True))
    return sum(
        int(struct.unpack_from("=Q", table[_NDTA_STATS], _TABLE_FULLS)[0]) for table in tables if _NDTA_STATS in table
    )
