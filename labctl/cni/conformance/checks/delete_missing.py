"""DEL where something that it would like to have is missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from labctl.cni.conformance.check import CannotAsk, Check, Level

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from labctl.cni.conformance.attachment import Attached
    from labctl.cni.conformance.bench import Bench
    from labctl.cni.conformance.call import Answer
    from labctl.cni.conformance.leftovers import Snapshot

_SECONDS = 5


@dataclass(frozen=True)
class _Case:
    """What is missing, how it comes to be missing, and how DEL is called then."""

    name: str
    how: Callable[[Bench, Attached], Answer]


def _unset(bench: Bench, attached: Attached) -> Answer:
    _end_namespace(bench, attached)
    return bench.delete(attached, changed={"CNI_NETNS": None})


def _empty(bench: Bench, attached: Attached) -> Answer:
    """As containerd sends the second one: the namespace is gone, and nothing is said of it."""
    _end_namespace(bench, attached)
    return bench.delete(attached, changed={"CNI_NETNS": ""}, result=False)


def _empty_with_result(bench: Bench, attached: Attached) -> Answer:
    """The namespace lives, and nobody says where; but prevResult names the interfaces on the node."""
    return bench.delete(attached, changed={"CNI_NETNS": ""})


def _gone(bench: Bench, attached: Attached) -> Answer:
    _end_namespace(bench, attached)
    return bench.delete(attached)


def _end_namespace(bench: Bench, attached: Attached) -> None:
    """The kernel takes a namespace's links away a moment later, and with them their ends on the node: wait for it."""
    bench.do(f"ip netns del {attached.attachment.netns.rpartition('/')[2]}")
    waiting = " || ".join(
        f"ip link show dev {name} type veth 2>/dev/null | grep -q ." for name in attached.host_interfaces
    )
    if waiting and bench.run(("timeout", str(_SECONDS), "sh", "-c", f"while {waiting}; do :; done")).code != 0:
        raise CannotAsk("the kernel did not take the namespace's links away")


def _no_result(bench: Bench, attached: Attached) -> Answer:
    return bench.delete(attached, result=False)


def _no_interface(bench: Bench, attached: Attached) -> Answer:
    bench.do(f"nsenter --net={attached.attachment.netns} ip link del {attached.attachment.interface}")
    return bench.delete(attached)


_CASES = (
    _Case("CNI_NETNS is not set, the namespace gone", _unset),
    _Case("CNI_NETNS is empty, prevResult missing, the namespace gone (so runtimes send it)", _empty),
    _Case("CNI_NETNS is empty, the namespace alive", _empty_with_result),
    _Case("the namespace is gone", _gone),
    _Case("there is no prevResult", _no_result),
    _Case("the interface is gone", _no_interface),
)


def _done(bench: Bench, case: _Case) -> tuple[Attached, Snapshot, Answer]:
    def work() -> tuple[Attached, Snapshot, Answer]:
        bench.standing()
        attachment = bench.container()
        before = bench.snapshot()
        attached = bench.add(attachment)
        answer = case.how(bench, attached)
        return attached, before, answer

    return bench.once(f"DEL where {case.name}", work)


def _succeeds(case: _Case) -> Callable[[Bench], None]:
    def ask(bench: Bench) -> None:
        _done(bench, case)[2].expect_success(f"DEL failed where {case.name}")

    return ask


def _leaves_nothing(case: _Case) -> Callable[[Bench], None]:
    def ask(bench: Bench) -> None:
        attached, before, answer = _done(bench, case)
        try:
            bench.expect_nothing_left(before, attached, answer)
        finally:
            # Another DEL, with everything that it could want: the next check finds the node clean.
            bench.delete(attached)

    return ask


def _checks() -> Iterator[Check]:
    for number, case in enumerate(_CASES):
        first = 10 + 2 * number
        says = f"DEL ends with 0 where {case.name}."
        yield Check(f"DEL-{first}", Level.MUST, "2 DEL", says, _succeeds(case))
        says = f"DEL cleans up as much as possible where {case.name}: no link, rule or reservation is left."
        yield Check(f"DEL-{first + 1}", Level.SHOULD, "2 DEL", says, _leaves_nothing(case))


CHECKS: tuple[Check, ...] = tuple(_checks())
