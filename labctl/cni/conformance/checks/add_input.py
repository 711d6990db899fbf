"""ADD: what it takes, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from labctl.cni.conformance.check import Failed, NotApplicable, must, should

if TYPE_CHECKING:
    from labctl.cni.conformance.bench import Bench
    from labctl.cni.conformance.check import Check


@must("ADD-11", "2 ADD", "CNI_PATH and CNI_ARGS are optional.")
def _needs_no_path(bench: Bench) -> None:
    if bench.network.delegate:
        raise NotApplicable("the configuration names an IPAM plug-in, which is searched for in CNI_PATH")
    bench.standing()
    attachment = bench.container()
    answer = bench.call("ADD", attachment, changed={"CNI_PATH": None}).expect_success("ADD without CNI_PATH failed")
    bench.keep(attachment, answer)


@should("ADD-12", "2 Parameters", "CNI_ARGS that are not the plug-in's own are no error when IgnoreUnknown says so.")
def _ignores_arguments(bench: Bench) -> None:
    bench.standing()
    attachment = bench.container()
    arguments = "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web-1;K8S_POD_INFRA_CONTAINER_ID=abc"
    answer = bench.call("ADD", attachment, changed={"CNI_ARGS": arguments}).expect_success("ADD with CNI_ARGS failed")
    bench.keep(attachment, answer)


@should(
    "ADD-13",
    "1 Reserved keys",
    "What a runtime adds to a configuration (`runtimeConfig`, `args`, `cni.dev/…`) is no error.",
)
def _takes_reserved(bench: Bench) -> None:
    bench.standing()
    more = {"runtimeConfig": {}, "args": {"cni": {}, "labels": {"a": "b"}}, "cni.dev/future": {"a": 1}}
    attachment = bench.container(bench.network.changed(**more))
    answer = bench.call("ADD", attachment).expect_success("ADD failed")
    bench.keep(attachment, answer)


@must(
    "ADD-14",
    "1 Other keys",
    "A key that the plug-in does not know is taken, or refused with code 2 or 7, naming the key.",
)
def _unknown_key(bench: Bench) -> None:
    bench.standing()
    attachment = bench.container(bench.network.changed(somethingUnheardOf="xyzzy"))
    answer = bench.call("ADD", attachment)
    if answer.code == 0:
        bench.keep(attachment, answer)
        return
    answer.expect_error("ADD with an unknown key", {2, 7}, "somethingUnheardOf")


@must("ADD-15", "2 ADD", "An ADD into a namespace that does not exist, or into what is no namespace, fails.")
def _refuses_nowhere(bench: Bench) -> None:
    attachment = bench.container()
    bench.do("echo text > /run/no-namespace")
    for path in ("/run/netns/there-is-none", "/run/no-namespace"):
        answer = bench.call("ADD", replace(attachment, netns=path))
        answer.expect_error(f"ADD into {path} succeeded")


@should(
    "ADD-16",
    "3 Lifecycle & Ordering",
    "A container has a namespace of its own: an ADD into the node's own is refused, and touches nothing.",
)
def _refuses_node(bench: Bench) -> None:
    bench.standing()
    attachment = replace(bench.container(), netns="/proc/self/ns/net", interface="net7")
    before, way_out = bench.view(), bench.do("ip -4 route show default").splitlines()[0]
    answer = bench.call("ADD", attachment)
    if answer.code == 0:
        bench.keep(attachment, answer)
    if bench.view() != before:
        # The checks to come want the node as it was.
        bench.run(("ip", "link", "del", "net7"))
        bench.do(f"ip route replace {way_out}")
        raise Failed(f"the node's own interfaces, addresses or routes are not what they were: {answer}")
    answer.expect_error("ADD into the node's own namespace succeeded")


CHECKS: tuple[Check, ...] = (
    _needs_no_path,
    _ignores_arguments,
    _takes_reserved,
    _unknown_key,
    _refuses_nowhere,
    _refuses_node,
)
