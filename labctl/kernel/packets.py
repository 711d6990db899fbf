"""Real packets from many places at once: ICMP echo (RFC 792) and TCP, side by side, in one thread.

A "no" must be true. Silence counts only when a control ping, sent after the wait, was answered. Each ask has a fresh
ICMP id (or source port), because a flow that conntrack saw before a fix never recovers. ARP entries that remember an
earlier failure are forgotten first, because one delays the next, right packet by 1 s. All namespaces of the machine
share one table of ARP entries (1,024 unless set otherwise): when it overflowed meanwhile, silence means nothing. And a
connection that came about is no silence: who answers on a busy machine gets two seconds more.
"""

from __future__ import annotations

import random
from collections import defaultdict
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING

from labctl.errors import KernelRefused, LabError
from labctl.kernel import neighbours
from labctl.kernel.echoes import Echo, Echoes
from labctl.kernel.talks import Talks
from labctl.model.value import replace
from labctl.model.values import EchoResult

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from labctl.kernel.listener import Enter, Listener
    from labctl.model.lab import Place
    from labctl.model.values import Heard, NameAnswer, NameAsk

# Seconds. An answer comes within 0.2 ms, or 16 ms with every core busy (measured); the rest is for worse machines.
_GAPS = (0.010, 0.010, 0.100)  # the wait after each of the three requests
_CONNECT = 0.300
_PROMPT = 0.050  # a control that took longer says that the machine is loaded
_PATIENCE = 2.0
# dnsmasq holds a question back that it handed on less than two seconds ago, in whole seconds of its clock: one that got
# lost, when what answers was not there yet, makes the next right one wait.
_HELD_BACK = 2.1
_SOCKETS = 200  # open at once: far below the usual limit of 1,024
_GET = b"GET / HTTP/1.0\r\n\r\n"
_PER_SOCKET = 100  # 300 requests that wait for ARP still fit into the smallest usual send buffer


class SidePackets:
    """The port `Packets`: many asks at once, from sockets opened in the namespaces of their places."""

    def __init__(self, enter: Enter, control: tuple[Place, str], through: Sequence[Place] = ()) -> None:
        """`enter` puts the calling thread into a place's network namespace and takes it back.

        `control` is a ping that is answered whatever the learner did: from a host to its own address, its lo being up.
        `through` are places whose failed ARP entries could spoil an answer though they ask nothing: nodes, the vpc.
        """
        self._enter = enter
        self._control = control
        self._through = through

    def ping(self, asks: Sequence[tuple[Place, str]]) -> tuple[EchoResult, ...]:
        """Ping from each place to each address, all side by side; same order as asked; at most 65,536.

        Each ask sends up to three requests over 20 ms and waits 100 ms more. An answer, and an error from the sender's
        own kernel or from a router, is a result at once. `measured=False` where a place could not be entered, nothing
        could be sent, or silence proves nothing.
        """
        idents = random.sample(range(1 << 16), len(asks))
        echoes = [Echo(place, address, ident) for (place, address), ident in zip(asks, idents, strict=True)]
        for batch in _batches(echoes):
            self._ping_batch(batch)
        return tuple(echo.result for echo in echoes)

    def _ping_batch(self, batch: Sequence[Echo]) -> None:
        places = {echo.place for echo in batch}
        self._forget_unanswered(places)
        overflows = neighbours.count_overflows()
        with Echoes(self._enter, batch) as echoes:
            for sequence, gap in enumerate(_GAPS):
                echoes.send(sequence)
                echoes.listen(gap)
            if not echoes.open:
                return
            doubt = self._outwait(echoes, overflows)
            silent = echoes.awaited()
        unresolved = self._forget_unanswered(places)
        for echo in silent:
            echo.result = _judge_silence(echo, doubt, unresolved.get(echo.place, set()))

    def _outwait(self, listener: Listener, overflows: int) -> str:
        """Find out whether an answer would have come, and give late ones time; return what makes silence doubtful."""
        place, address = self._control
        control = Echo(place, address, random.getrandbits(16))
        began = monotonic()
        with Echoes(self._enter, [control]) as echoes:
            echoes.send(0)
            echoes.listen(_PATIENCE)
        took = monotonic() - began
        if not control.result.answered:
            listener.listen(_PATIENCE - took)
            return f"the control ping from {place} to {address} was not answered either"
        listener.listen(0 if took <= _PROMPT else min(4 * took, _PATIENCE))
        if neighbours.count_overflows() != overflows:
            return "the ARP table of this machine overflowed meanwhile (net.ipv4.neigh.default.gc_thresh3)"
        return ""

    def _forget_unanswered(self, places: Iterable[Place]) -> dict[Place, set[str]]:
        forgotten = {}
        for place in {*places, *self._through}:
            with suppress(LabError, OSError), self._enter(place):  # what cannot be entered cannot be asked either
                forgotten[place] = neighbours.forget_unanswered()
        return forgotten

    def converse(self, source: Place, address: str, port: int) -> str:
        """Open a TCP connection and return the first line that the other end says; empty if it does not come about.

        Raises:
            KernelRefused: the source could not be entered, or silence proves nothing.
        """
        (line,) = self.converse_all([(source, address, port)])
        if isinstance(line, KernelRefused):
            raise line
        return line

    def converse_all(self, asks: Sequence[tuple[Place, str, int]]) -> tuple[str | KernelRefused, ...]:
        """Do so from many places side by side: 300 ms in all where some are silent (for each 200 asks)."""
        heard = self._talk(asks, b"")
        return tuple(
            each if isinstance(each, KernelRefused) else each.text.partition("\n")[0].strip() for each in heard
        )

    def fetch_all(self, asks: Sequence[tuple[Place, str, int]]) -> tuple[Heard | KernelRefused, ...]:
        """Ask HTTP servers side by side, each in a connection of its own; silence costs 300 ms for each 200 asks."""
        heard = self._talk(asks, _GET)
        return tuple(each if isinstance(each, KernelRefused) else _take_body(each) for each in heard)

    def _talk(self, asks: Sequence[tuple[Place, str, int]], request: bytes) -> list[Heard | KernelRefused]:
        heard: list[Heard | KernelRefused] = []
        for start in range(0, len(asks), _SOCKETS):
            heard += self._talk_batch(asks[start : start + _SOCKETS], request)
        return heard

    def _talk_batch(self, batch: Sequence[tuple[Place, str, int]], request: bytes) -> list[Heard | KernelRefused]:
        places = {place for place, _, _ in batch}
        self._forget_unanswered(places)
        overflows = neighbours.count_overflows()
        with Talks(self._enter, batch, request) as talks:
            talks.listen_while_busy(_CONNECT)
            if talks.open:
                doubt = self._outwait(talks, overflows)
                talks.hear_out_connected(_PATIENCE)
                self._forget_unanswered(places)
                for number in talks.open if doubt else ():
                    talks.heard[number] = KernelRefused(f"{batch[number][1]} said nothing, but {doubt}")
        return talks.heard

    def ask_names(self, asks: Sequence[NameAsk]) -> tuple[NameAnswer | KernelRefused, ...]:
        """Ask nameservers side by side: 300 ms in all; 2.5 s where some are silent (for each 200 asks)."""
        answers: list[NameAnswer | KernelRefused] = []
        for start in range(0, len(asks), _SOCKETS):
            answers += self._ask_batch(asks[start : start + _SOCKETS], _HELD_BACK)
        return tuple(answers)

    def _ask_batch(self, batch: Sequence[NameAsk], again: float) -> list[NameAnswer | KernelRefused]:
        """Ask these; the silent ones once more after so many seconds, if there are any."""
        from labctl.kernel.name_asks import NameAsks  # dnspython takes its time, and only who asks names needs it

        self._forget_unanswered({ask.source for ask in batch})
        overflows = neighbours.count_overflows()
        with NameAsks(self._enter, batch) as asked:
            asked.listen(_CONNECT)
            doubt = self._outwait(asked, overflows) if asked.open else ""
            asked.listen(0 if doubt else again)
        silent = sorted(asked.open)
        for number in silent if doubt else ():
            asked.answers[number] = KernelRefused(f"{batch[number].server} said nothing, but {doubt}")
        if silent and again and not doubt:
            heard = self._ask_batch([batch[number] for number in silent], 0)
            for number, answer in zip(silent, heard, strict=True):
                asked.answers[number] = answer
        return asked.answers


def _take_body(heard: Heard) -> Heard:
    """The body of a response (RFC 9112), without the line end that closes it."""
    return replace(heard, text=heard.text.replace("\r\n", "\n").partition("\n\n")[2].strip())


def _batches(echoes: Sequence[Echo]) -> Iterator[list[Echo]]:
    """Share the asks out so that sockets, and what waits on each, stay within bounds."""
    by_place: defaultdict[Place, list[Echo]] = defaultdict(list)
    for echo in echoes:
        by_place[echo.place].append(echo)
    while by_place:
        places = list(by_place)[:_SOCKETS]
        yield [echo for place in places for echo in by_place[place][:_PER_SOCKET]]
        for place in places:
            by_place[place] = by_place[place][_PER_SOCKET:]
            if not by_place[place]:
                del by_place[place]


def _judge_silence(echo: Echo, doubt: str, unresolved: set[str]) -> EchoResult:
    """Say what silence means. `unresolved` are the addresses that nobody answered for in the source's ARP table."""
    why = f"no answer from {echo.address}"
    if not echo.sent:
        doubt = f"nothing could be sent: {echo.trouble}"
    elif echo.address in unresolved:
        why = f"no answer: nobody answers ARP for {echo.address}"
    return EchoResult(answered=False, why=f"{why}, but {doubt}" if doubt else why, measured=not doubt)
