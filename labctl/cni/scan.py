"""Step 1's question to nmap, about the few addresses that the store would give next."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING

from labctl.cni.failure import NO_ADDRESS, CniFailure
from labctl.cni.store import locked
from labctl.errors import KernelRefused
from labctl.kernel import spawn
from labctl.model.store import ASK_FAST, why_nmap_failed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from labctl.cni.call import Call
    from labctl.cni.fields import Host

_REPORT = re.compile(r"^Nmap scan report for (\S+)$", re.MULTILINE)
_FIRST_BATCH, _LARGEST_BATCH = 16, 256
_MOST_ASKED = 4096  # of a set: where so many answer, one answers for all


def reserve_silent(call: Call) -> None:
    """Give the attachment the lowest free addresses at which nobody answers; those of IPv6 are not asked.

    The lock is held while the store is read and written, not while nmap waits: what others took meanwhile is seen in
    the next round.

    Raises:
        CniFailure: 103 if there are none, or too many answer.
        KernelRefused: nmap failed; then its silence says nothing of who is there.
    """
    asked, answering, size = set[str](), frozenset[str](), _FIRST_BATCH
    sets, attachment = call.configuration.range_sets, call.request.attachment
    while True:
        with locked(call.configuration.folder):
            store = call.store
            picked = store.pick(attachment, sets, answering)
            unsure = [n for n, each in enumerate(picked) if each.version == 4 and str(each) not in asked]  # noqa: PLR2004 (the family)
            if not unsure:
                store.take(attachment, picked)
                return
            free = [store.free(sets[number], asked, attachment) for number in unsure]
        if len(asked) >= _MOST_ASKED * len(sets):
            what = f"{len(asked)} free addresses were asked, and somebody answers at each, up to {picked[unsure[0]]}"
            raise CniFailure(NO_ADDRESS, what, "does one machine answer for all? (proxy ARP)")
        batch = {str(picked[number]) for number in unsure} | _spell(free, size // len(unsure))
        answering |= _ask(sorted(batch))
        asked |= batch
        size = min(2 * size, _LARGEST_BATCH)


def _spell(free: Sequence[Iterator[Host]], each: int) -> set[str]:
    return {str(host) for hosts in free for host in islice(hosts, each)}


def _ask(addresses: Sequence[str]) -> frozenset[str]:
    done = spawn.run(("nmap", "-n", "-sn", *ASK_FAST, *addresses))
    if done.code != 0:
        raise KernelRefused(f"nmap could not ask who answers from {addresses[0]} on: {why_nmap_failed(done)}")
    return frozenset(_REPORT.findall(done.out))
