"""DEL: what it takes away, and what it leaves to others."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from labctl.cni.conformance.check import Failed, must, should
from labctl.cni.conformance.leftovers import find_files

if TYPE_CHECKING:
    from labctl.cni.conformance.attachment import Attached
    from labctl.cni.conformance.bench import Bench
    from labctl.cni.conformance.call import Answer
    from labctl.cni.conformance.check import Check
    from labctl.cni.conformance.leftovers import Snapshot


def _deleted(bench: Bench) -> tuple[Attached, Snapshot, Answer]:
    """One plain ADD and DEL, that several checks look at."""

    def work() -> tuple[Attached, Snapshot, Answer]:
        bench.standing()
        attachment = bench.container()
        before = bench.snapshot()
        attached = bench.add(attachment)
        return attached, before, bench.delete(attached)

    return bench.once("deleted", work)


@must("DEL-01", "2 DEL", "DEL of what was added ends with 0.")
def _works(bench: Bench) -> None:
    _deleted(bench)[2].expect_success("DEL failed")


@should("DEL-02", "2 DEL", "DEL deletes the interface CNI_IFNAME inside the container.")
def _takes_interface(bench: Bench) -> None:
    attached, _, answer = _deleted(bench)
    if bench.view(attached.attachment.netns).interface(attached.attachment.interface):
        raise Failed(f"eth0 is still in the container: {answer}")


@should(
    "DEL-03", "2 DEL", "DEL undoes what ADD did on the node: no link, no rule and no file of the container is left."
)
def _leaves_nothing(bench: Bench) -> None:
    attached, before, answer = _deleted(bench)
    bench.expect_nothing_left(before, attached, answer)


@should("DEL-04", "2 DEL", "DEL releases the address: another container gets it, where there is only one.")
def _frees_address(bench: Bench) -> None:
    network = bench.other_network(30)
    first = bench.attach(network)
    bench.call("ADD", bench.container(network)).expect_error("a range of one address served two containers")
    bench.delete(first).expect_success("DEL failed")
    third = bench.container(network)
    answer = bench.call("ADD", third).expect_success("the only address of the range was not free after DEL")
    bench.keep(third, answer)


@must("DEL-05", "2 DEL", "A second DEL of the same interface ends with 0.")
def _again(bench: Bench) -> None:
    attached = bench.attach()
    bench.delete(attached)
    bench.delete(attached).expect_success("the second DEL failed")


@must("DEL-06", "2 DEL", "DEL of what was never added ends with 0.")
def _never_added(bench: Bench) -> None:
    bench.call("DEL", bench.container()).expect_success("DEL failed")


@must("DEL-07", "3 Attachment Parameters", "DEL of one container leaves another's alone, however alike their names.")
def _spares_others(bench: Bench) -> None:
    short, long = bench.container(name="box-1"), bench.container(name="box-10")
    first, other = bench.add(short), bench.add(long)
    standing = bench.standing()
    before = bench.snapshot()
    views = [bench.view(each.attachment.netns) for each in (other, standing)]
    answer = bench.delete(first)
    after = bench.snapshot()
    if views != [bench.view(each.attachment.netns) for each in (other, standing)]:
        raise Failed(f"interfaces, addresses or routes of another container are not what they were: {answer}")
    if lost := _lost(bench, before, after, (other, standing)):
        raise Failed(f"gone, and another container's: {'; '.join(lost)}; {answer}")


def _lost(bench: Bench, before: Snapshot, after: Snapshot, others: tuple[Attached, ...]) -> list[str]:
    """Looked at backwards: the files that named the others and do so no more, the links that are theirs."""
    lost = [path for each in others for path in find_files(bench.node, after, before, each.attachment.container)]
    links = after["places"][bench.node]["links"]
    return lost + [name for each in others for name in each.host_interfaces if name not in links]


@must(
    "DEL-08",
    "3 Attachment Parameters",
    "DEL of one interface leaves the container's other interface in the network alone.",
)
def _spares_second(bench: Bench) -> None:
    first = bench.attach()
    second = bench.add(replace(first.attachment, interface="net1"))
    found = bench.view(first.attachment.netns).interface("net1")
    answer = bench.delete(first)
    view = bench.view(first.attachment.netns)
    if view.interface("net1") != found:
        raise Failed(f"after DEL of eth0, net1 is not what it was: {answer}")
    if view.interface("eth0"):
        raise Failed(f"after DEL eth0 is still there: {answer}")
    bench.delete(second).expect_success("DEL of the second interface failed")


@must("DEL-09", "3 Lifecycle & Ordering", "After DEL the same container can be added again.")
def _added_again(bench: Bench) -> None:
    attached = bench.attach()
    bench.delete(attached)
    answer = bench.call("ADD", attached.attachment).expect_success("ADD after DEL failed")
    bench.keep(attached.attachment, answer)


CHECKS: tuple[Check, ...] = (
    _works,
    _takes_interface,
    _leaves_nothing,
    _frees_address,
    _again,
    _never_added,
    _spares_others,
    _spares_second,
    _added_again,
)
