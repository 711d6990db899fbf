"""An ADD that fails half-way leaves nothing behind."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from labctl.cni.conformance.attachment import Attached
from labctl.cni.conformance.check import Failed, NotApplicable, must, should

if TYPE_CHECKING:
    from labctl.cni.conformance.attachment import Attachment
    from labctl.cni.conformance.bench import Bench
    from labctl.cni.conformance.call import Answer
    from labctl.cni.conformance.check import Check
    from labctl.cni.conformance.leftovers import Snapshot
    from labctl.cni.conformance.network import Network

_DELEGATION = "4 Delegated plugin execution procedure"


def _try(bench: Bench, network: Network, what: str) -> tuple[Attachment, Snapshot, Answer]:
    attachment = bench.container(network)
    before = bench.snapshot()
    answer = bench.call("ADD", attachment)
    bench.keep(attachment, answer)
    answer.expect_error(what)
    return attachment, before, answer


def _exhausted(bench: Bench) -> tuple[Attachment, Snapshot, Answer]:
    """The second ADD where there is one address."""

    def work() -> tuple[Attachment, Snapshot, Answer]:
        network = bench.other_network(30)
        bench.attach(network)
        return _try(bench, network, "a range of one address served two containers")

    return bench.once("exhausted", work)


def _no_delegate(bench: Bench) -> tuple[Attachment, Snapshot, Answer]:
    """An ADD whose IPAM plug-in does not exist."""

    def work() -> tuple[Attachment, Snapshot, Answer]:
        if not bench.network.delegate:
            raise NotApplicable("the configuration names no IPAM plug-in")
        bench.standing()
        return _try(
            bench, bench.network.with_ipam(type="there-is-none"), "an IPAM plug-in that does not exist was used"
        )

    return bench.once("no delegate", work)


def _check_container(bench: Bench, attachment: Attachment, answer: Answer) -> None:
    left = [each.name for each in bench.view(attachment.netns).interfaces if each.name != "lo"]
    if left:
        raise Failed(f"the container has {', '.join(left)}: {answer}")


@should("FLD-01", _DELEGATION, "An ADD that fails for want of an address leaves no interface in the container.")
def _no_interface(bench: Bench) -> None:
    attachment, _, answer = _exhausted(bench)
    _check_container(bench, attachment, answer)


@should("FLD-02", _DELEGATION, "An ADD that fails for want of an address leaves nothing on the node.")
def _nothing_on_node(bench: Bench) -> None:
    attachment, before, answer = _exhausted(bench)
    bench.expect_nothing_left(before, Attached(attachment, answer), answer)


@should("FLD-03", _DELEGATION, "An ADD whose IPAM plug-in fails leaves no interface in the container.")
def _no_interface_without_delegate(bench: Bench) -> None:
    attachment, _, answer = _no_delegate(bench)
    _check_container(bench, attachment, answer)


@should("FLD-04", _DELEGATION, "An ADD whose IPAM plug-in fails leaves nothing on the node.")
def _nothing_on_node_without_delegate(bench: Bench) -> None:
    attachment, before, answer = _no_delegate(bench)
    bench.expect_nothing_left(before, Attached(attachment, answer), answer)


@must("FLD-05", "3 Lifecycle & Ordering", "DEL after an ADD that failed, which runtimes must send, ends with 0.")
def _deletes(bench: Bench) -> None:
    attachment, _, _ = _exhausted(bench)
    bench.call("DEL", attachment).expect_success("DEL failed")


@should(
    "FLD-06",
    "2 ADD",
    "An ADD that fails because the interface exists takes no address for good, and spares the interface.",
)
def _keeps_address(bench: Bench) -> None:
    bench.standing()
    network = bench.other_network(30)
    taken = bench.container(network)
    bench.do(f"nsenter --net={taken.netns} ip link add eth0 type bridge")
    answer = bench.call("ADD", taken).expect_error("ADD over an interface of somebody else's succeeded")
    if bench.view(taken.netns).interface("eth0") is None:
        raise Failed(f"somebody else's eth0 is gone: {answer}")
    after = bench.container(network)
    answer = bench.call("ADD", after).expect_success("the only address of the range is taken after an ADD that failed")
    bench.keep(after, answer)


@should("FLD-07", "2 ADD", "An ADD into a namespace that does not exist leaves nothing on the node.")
def _nowhere(bench: Bench) -> None:
    bench.standing()
    attachment = replace(bench.container(), netns="/run/netns/there-is-none")
    before = bench.snapshot()
    answer = bench.call("ADD", attachment)
    bench.keep(attachment, answer)
    bench.expect_nothing_left(before, Attached(attachment, answer), answer)


CHECKS: tuple[Check, ...] = (
    _no_interface,
    _nothing_on_node,
    _no_interface_without_delegate,
    _nothing_on_node_without_delegate,
    _deletes,
    _keeps_address,
    _nowhere,
)
