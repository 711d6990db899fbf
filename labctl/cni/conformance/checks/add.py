"""ADD: what it makes, for whom, and what it does not touch."""

from __future__ import annotations

import shlex
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from labctl.cni.conformance.check import Failed, NotApplicable, must, should
from labctl.cni.conformance.leftovers import find_files, find_rules
from labctl.model.lab import Place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labctl.cni.conformance.attachment import Attached
    from labctl.cni.conformance.bench import Bench
    from labctl.cni.conformance.check import Check

INTERNET_SECONDS = "2"


@must("ADD-01", "2 ADD", "A successful ADD ends with 0 and prints a result, one JSON object, on standard output.")
def _works(bench: Bench) -> None:
    attachment = bench.container()
    answer = bench.call("ADD", attachment).expect_success("ADD failed")
    if not answer.fields:
        raise Failed(f"standard output is not one JSON object: {answer}")
    bench.keep(attachment, answer)


@should("ADD-02", "2 ADD", "ADD creates the interface CNI_IFNAME inside the container at CNI_NETNS, and it is up.")
def _creates(bench: Bench) -> None:
    attached = bench.standing()
    found = bench.view(attached.attachment.netns).interface(attached.attachment.interface)
    if found is None or not found.up:
        raise Failed(f"eth0 in the container {'is down' if found else 'does not exist'}: {attached.answer}")


@should(
    "ADD-03", "2 Overview", "The interface has connectivity: the container reaches the gateway that the result names."
)
def _reaches_gateway(bench: Bench) -> None:
    attached = bench.attach()
    gateways = [
        each["gateway"] for each in attached.result.get("ips", []) if isinstance(each, dict) and each.get("gateway")
    ]
    if not gateways:
        raise NotApplicable("the result names no gateway")
    for gateway in gateways:
        if not pings(bench, attached, str(gateway)):
            raise Failed(f"the container gets no answer from its gateway {gateway}: {attached.answer}")


@should("ADD-04", "1 Optional keys, well-known", "With `ipMasq`, what leaves the node bears the node's own address.")
def _masquerades(bench: Bench) -> None:
    attached = bench.attach()
    if not bench.network.configuration.get("ipMasq"):
        raise NotApplicable("the configuration has no ipMasq")
    gateway = next((each.get("gateway") for each in attached.result.get("ips", []) if isinstance(each, dict)), None)
    if not gateway:
        raise NotApplicable("the result names no gateway")
    inside = f"nsenter --net={attached.attachment.netns}"
    bench.do(f"{inside} ip route replace {bench.lab.internet} via {shlex.quote(str(gateway))}")
    with accept_forwarded(bench):
        answered = pings(bench, attached, str(bench.lab.internet))
    if not answered:
        raise Failed(f"the internet does not answer, which answers nobody but the node: {attached.answer}")


@contextmanager
def accept_forwarded(bench: Bench) -> Iterator[None]:
    """Where the question is not whether packets may pass the node: Docker's DROP policy is left out of it."""
    policy = bench.do("iptables -w -S FORWARD").splitlines()[0].split()[-1]
    bench.do("iptables -w -P FORWARD ACCEPT")
    try:
        yield
    finally:
        bench.do(f"iptables -w -P FORWARD {policy}")


def pings(bench: Bench, attached: Attached, address: str) -> bool:
    """Whether it answers a container."""
    argv = (
        "nsenter",
        f"--net={attached.attachment.netns}",
        "ping",
        "-n",
        "-c",
        "3",
        "-i",
        "0.1",
        "-w",
        INTERNET_SECONDS,
        address,
    )
    return bench.run(argv).code == 0


@must("ADD-05", "2 ADD", "If an interface of the requested name already exists in the container, ADD fails.")
def _refuses_second(bench: Bench) -> None:
    attached = bench.attach()
    bench.call("ADD", attached.attachment).expect_error("a second ADD of the same interface succeeded")


@must("ADD-06", "2 ADD", "An ADD that fails because the interface exists leaves that interface as it is.")
def _keeps_first(bench: Bench) -> None:
    attached = bench.attach()
    before, snapshot = bench.view(attached.attachment.netns), bench.snapshot()
    answer = bench.call("ADD", attached.attachment)
    if bench.view(attached.attachment.netns) != before:
        raise Failed(f"the container's interfaces, addresses or routes are not what they were: {answer}")
    after = bench.snapshot()
    # Looked at backwards: what there was and is no more.
    lost = [f"the {table} rule {rule}" for table, rule in find_rules(bench.node, after, snapshot)]
    lost += [f"the file {path}" for path in find_files(bench.node, after, snapshot, attached.attachment.container)]
    if lost:
        raise Failed(f"gone, and the first's: {'; '.join(lost)}; {answer}")


@must("ADD-07", "2 Parameters", "The interface is called what CNI_IFNAME says, or ADD fails: not always eth0.")
def _obeys_name(bench: Bench) -> None:
    attachment = replace(bench.container(), interface="net-1.x_2345678")
    answer = bench.call("ADD", attachment)
    if answer.code != 0:
        bench.standing()
        answer.expect_error("ADD with another interface name")
        if not answer.fields:
            raise Failed(f"no error on standard output: {answer}")
        raise NotApplicable(f"the plug-in is unable to use this interface name, and says so: {answer}")
    bench.keep(attachment, answer)
    names = [each.name for each in bench.view(attachment.netns).interfaces if each.name != "lo"]
    if attachment.interface not in names:
        raise Failed(f"the container has {', '.join(names) or 'no interface'}: {answer}")
    listed = answer.fields.get("interfaces")
    if not any(isinstance(each, dict) and each.get("name") == attachment.interface for each in listed or ()):
        raise Failed(f"the result does not list {attachment.interface}: {answer}")


@must(
    "ADD-08",
    "3 Lifecycle & Ordering",
    "A container may have two interfaces in one network: an attachment is container and interface.",
)
def _adds_two(bench: Bench) -> None:
    first = bench.attach()
    second_attachment = replace(first.attachment, interface="net1")
    answer = bench.call("ADD", second_attachment).expect_success("ADD of a second interface failed")
    second = bench.keep(second_attachment, answer)
    view = bench.view(first.attachment.netns)
    for name in ("eth0", "net1"):
        if view.interface(name) is None:
            raise Failed(f"after both ADDs there is no {name}: {answer}")
    if same := set(first.addresses) & set(second.addresses):
        raise Failed(f"both interfaces have {', '.join(same)}: {answer}")


@must("ADD-09", "2 Parameters", "CNI_NETNS is a path to a namespace, of whatever kind: /proc/PID/ns/net too.")
def _takes_proc(bench: Bench) -> None:
    container = bench.lab.nodes[0].containers[0]
    place = Place(bench.node, container.name)
    attachment = replace(bench.container(), netns=bench.kernel.namespace_path(place))
    bench.standing()
    answer = bench.call("ADD", attachment).expect_success("ADD into /proc/PID/ns/net failed")
    attached = bench.keep(attachment, answer)
    if bench.view(attachment.netns).interface("eth0") is None:
        raise Failed(f"there is no eth0 in it: {answer}")
    bench.delete(attached).expect_success("DEL from /proc/PID/ns/net failed")
    if bench.view(attachment.netns).interface("eth0") is not None:
        raise Failed(f"after DEL eth0 is still in it: {answer}")


@must(
    "ADD-10",
    "2 Parameters",
    "A container id may be long, and hold dots, underscores and hyphens after its first character.",
)
def _takes_id(bench: Bench) -> None:
    bench.standing()
    for name in ("0" * 31 + "a" * 32 + "f", "A1_b.c-d"):
        attachment = bench.container(name=name)
        answer = bench.call("ADD", attachment).expect_success(f"the container id {name} was not taken")
        bench.keep(attachment, answer)


CHECKS: tuple[Check, ...] = (
    _works,
    _creates,
    _reaches_gateway,
    _masquerades,
    _refuses_second,
    _keeps_first,
    _obeys_name,
    _adds_two,
    _takes_proc,
    _takes_id,
)
