"""GC (version 1.1.0): what is listed stays, what is not goes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from labctl.cni.conformance.check import Failed, NotApplicable, must, should
from labctl.cni.conformance.checks.delegation import delegates
from labctl.cni.conformance.spy import Spy

if TYPE_CHECKING:
    from labctl.cni.conformance.attachment import Attached
    from labctl.cni.conformance.bench import Bench
    from labctl.cni.conformance.call import Answer
    from labctl.cni.conformance.check import Check

FIRST_VERSION = "1.1.0"


def _check_stands(bench: Bench, attached: Attached, answer: Answer) -> None:
    found = bench.view(attached.attachment.netns).interface(attached.attachment.interface)
    addresses = {each.partition("/")[0] for each in found.addresses} if found else set()
    if not set(attached.addresses) & addresses:
        raise Failed(f"{attached.attachment.interface} of {attached.attachment.container} lost its address: {answer}")
    checked = bench.check(attached)
    checked.expect_success("CHECK fails after GC")


@must("GC-01", "2 GC", "GC keeps what is listed in `cni.dev/valid-attachments`, and ends with 0.")
def _keeps_listed(bench: Bench) -> None:
    bench.need_version(FIRST_VERSION, "GC")
    network = bench.other_network(29)
    first, second = bench.attach(network), bench.attach(network)
    answer = bench.collect(network, (first, second)).expect_success("GC failed")
    for each in (first, second):
        _check_stands(bench, each, answer)
    third = bench.attach(network)
    if set(third.addresses) & {*first.addresses, *second.addresses}:
        raise Failed(f"an address of a listed container was given to another: {third.answer}")


@should("GC-02", "2 GC", "GC releases the addresses of attachments that are not listed.")
def _frees(bench: Bench) -> None:
    bench.need_version(FIRST_VERSION, "GC")
    network = bench.other_network(30)
    first = bench.attach(network)
    bench.do(f"ip netns del {first.attachment.netns.rpartition('/')[2]}")
    bench.collect(network, ()).expect_success("GC failed")
    second = bench.container(network)
    answer = bench.call("ADD", second).expect_success("the only address of the range was not free after GC")
    bench.keep(second, answer)


@should("GC-03", "2 GC", "GC removes what is stale: no rule, no link and no file of what is not listed is left.")
def _leaves_nothing(bench: Bench) -> None:
    bench.need_version(FIRST_VERSION, "GC")
    network = bench.other_network()
    listed = bench.attach(network)
    stale = bench.container(network)
    before = bench.snapshot()
    attached = bench.add(stale)
    answer = bench.collect(network, (listed,)).expect_success("GC failed")
    bench.expect_nothing_left(before, attached, answer)
    _check_stands(bench, listed, answer)


@must("GC-04", "2 GC", "GC is per network: attachments of another network are left alone.")
def _spares_networks(bench: Bench) -> None:
    bench.need_version(FIRST_VERSION, "GC")
    standing = bench.standing()
    network = bench.other_network()
    bench.attach(network)
    answer = bench.collect(network, ()).expect_success("GC failed")
    _check_stands(bench, standing, answer)


@should(
    "GC-05",
    "2 GC",
    "An attachment is container and interface: of a container with two, GC removes the one that is not listed.",
)
def _tells_interfaces(bench: Bench) -> None:
    bench.need_version(FIRST_VERSION, "GC")
    network = bench.other_network()
    first = bench.attach(network)
    before = bench.snapshot()
    second = bench.add(replace(first.attachment, interface="net1"))
    answer = bench.collect(network, (first,)).expect_success("GC failed")
    if left := [each for each in bench.leftovers(before, second) if "which names" not in each]:
        raise Failed(f"left behind: {'; '.join(left)}; {answer}")
    _check_stands(bench, first, answer)


@must("GC-06", "3 Garbage-collecting a network", "Without the key nobody has said what is stale: nothing is removed.")
def _needs_key(bench: Bench) -> None:
    bench.need_version(FIRST_VERSION, "GC")
    network = bench.other_network()
    attached = bench.attach(network)
    answer = bench.call("GC", text=network.spell())
    _check_stands(bench, attached, answer)


@should("GC-07", "2 GC", "GC completes without error where there is nothing to remove.")
def _nothing_there(bench: Bench) -> None:
    bench.need_version(FIRST_VERSION, "GC")
    bench.standing()
    bench.collect(bench.other_network(), ()).expect_success("GC failed")


@should(
    "GC-08",
    "2 GC",
    "GC that meets an error goes on: where the IPAM plug-in fails, the links of what is stale go all the same.",
)
def _goes_on(bench: Bench) -> None:
    bench.need_version(FIRST_VERSION, "GC")
    delegates(bench)
    spy = Spy(bench)
    spy.prepare()
    attachment = spy.container()
    before = bench.snapshot()
    attached = bench.add(attachment)
    spy.prepare(failing=("GC",))
    answer = bench.collect(spy.network(), ())
    asked = spy.calls("GC")
    spy.prepare()
    if not asked:
        raise NotApplicable(f"the plug-in does not call the IPAM plug-in for GC: {answer}")
    if left := [each for each in bench.leftovers(before, attached) if each.startswith("the link ")]:
        raise Failed(f"the IPAM plug-in failed, and left behind: {'; '.join(left)}; {answer}")


CHECKS: tuple[Check, ...] = (
    _keeps_listed,
    _frees,
    _leaves_nothing,
    _spares_networks,
    _tells_interfaces,
    _needs_key,
    _nothing_there,
    _goes_on,
)
