"""An ADD that is killed in the middle, and the DEL after it."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from labctl.cni.conformance.attachment import Attached
from labctl.cni.conformance.check import Failed, must, should

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labctl.cni.conformance.bench import Bench
    from labctl.cni.conformance.call import Answer
    from labctl.cni.conformance.check import Check
    from labctl.cni.conformance.network import Network

_MOMENTS = 8
# Where each takes the only address along, if it does.
_FEWER = 4
# So many times as many are tried, at most.
_LONGEST = 4


@dataclass(frozen=True)
class _Killed:
    """An ADD that was killed, the DEL after it, and what is left of it then."""

    attached: Attached
    deleted: Answer
    left: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"killed: {self.attached.answer}; then: {self.deleted}"


def _seconds(bench: Bench, network: Network) -> float:
    """How long an ADD takes here."""
    attachment = bench.container(network)
    began = time.perf_counter()
    attached = bench.add(attachment)
    seconds = time.perf_counter() - began
    bench.delete(attached)
    return seconds


def _kill(bench: Bench, network: Network, seconds: float) -> _Killed:
    """ADD, killed with all that it has started after so long; then DEL, as a runtime does that knows no result."""
    attachment = bench.container(network)
    answer = bench.call("ADD", attachment, kill_after=seconds)
    return _Killed(Attached(attachment, answer), bench.call("DEL", attachment))


def _kills(bench: Bench, network: Network, count: int) -> Iterator[_Killed]:
    """ADDs that are killed: one as soon as it runs, then so many later and later, up to one that ended by itself.

    How long an ADD takes is measured once, and the machine may be busier or less so after that. So it goes on beyond
    that, some three times as long at most, and begins again in smaller steps where the end came too early.
    """
    step = _seconds(bench, network) / (count + 1)
    yield _kill(bench, network, 0)
    middle, moment = 0, step
    for _ in range(_LONGEST * count):
        killed = _kill(bench, network, moment)
        yield killed
        if killed.attached.answer.cut_short:
            middle += 1
            moment += step
        elif middle >= count // 2:
            return
        else:
            step /= 2
            moment = step


def _all_killed(bench: Bench) -> list[_Killed]:
    def work() -> list[_Killed]:
        network = bench.standing().attachment.network
        found = []
        before = bench.snapshot()
        for killed in _kills(bench, network, _MOMENTS):
            left = bench.leftovers(before, killed.attached)
            if bench.view(killed.attached.attachment.netns).interface("eth0"):
                left.append("eth0 in the container")
            found.append(replace(killed, left=tuple(left)))
            before = bench.snapshot()
        return found

    return bench.once("killed", work)


@must(
    "KIL-01",
    "3 Lifecycle & Ordering",
    "DEL after an ADD that was killed in the middle, at whatever moment, ends with 0.",
)
def _deletes(bench: Bench) -> None:
    for killed in _all_killed(bench):
        killed.deleted.expect_success("DEL after a killed ADD failed")


@should("KIL-02", "2 DEL", "DEL after an ADD that was killed leaves nothing: no interface, no rule, no reservation.")
def _leaves_nothing(bench: Bench) -> None:
    for killed in _all_killed(bench):
        if killed.left:
            raise Failed(f"left behind: {'; '.join(killed.left)}; {killed}")


@should(
    "KIL-03", "2 DEL", "ADDs that are killed and deleted cost no address: the only one of a range is free for the next."
)
def _keeps_address(bench: Bench) -> None:
    network = bench.other_network(30)
    bench.standing()
    for _killed in _kills(bench, network, _FEWER):
        pass
    attachment = bench.container(network)
    answer = bench.call("ADD", attachment).expect_success("the only address of the range is lost")
    bench.keep(attachment, answer)


CHECKS: tuple[Check, ...] = (_deletes, _leaves_nothing, _keeps_address)
