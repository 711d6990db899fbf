"""CHECK of what is as it should be, and what CHECK is told."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING

from labctl.cni.conformance.check import Failed, NotApplicable, must, should

if TYPE_CHECKING:
    from labctl.cni.conformance.bench import Bench
    from labctl.cni.conformance.check import Check

FIRST_VERSION = "0.4.0"


@must("CHK-01", "2 CHECK", "CHECK immediately after ADD ends with 0.")
def _passes(bench: Bench) -> None:
    bench.need_version(FIRST_VERSION, "CHECK")
    attached = bench.attach()
    bench.check(attached).expect_success("CHECK failed right after ADD")


@should("CHK-02", "2 CHECK", "A CHECK that finds nothing prints nothing.")
def _is_silent(bench: Bench) -> None:
    bench.need_version(FIRST_VERSION, "CHECK")
    answer = bench.check(bench.standing())
    if answer.code == 0 and answer.out.strip():
        raise Failed(f"it printed something: {answer}")


@must("CHK-03", "2 CHECK", "CHECK consults prevResult: without one it fails.")
def _needs_result(bench: Bench) -> None:
    bench.need_version(FIRST_VERSION, "CHECK")
    bench.call("CHECK", bench.standing().attachment).expect_error("CHECK without prevResult succeeded")


@must("CHK-04", "2 CHECK", "CHECK consults prevResult for the addresses: one that the interface has not is an error.")
def _believes_addresses(bench: Bench) -> None:
    bench.need_version(FIRST_VERSION, "CHECK")
    attached = bench.standing()
    result = copy.deepcopy(attached.result)
    if not result.get("ips"):
        raise NotApplicable("the result lists no addresses")
    entry = result["ips"][0]
    entry["address"] = "2001:db8::77/64" if ":" in str(entry.get("address")) else "10.244.0.77/24"
    entry.pop("gateway", None)
    bench.check(attached, result).expect_error("CHECK succeeded though prevResult has another address")


@must(
    "CHK-05", "2 CHECK", "CHECK consults prevResult for the interfaces: one that is not in the container is an error."
)
def _believes_interfaces(bench: Bench) -> None:
    bench.need_version(FIRST_VERSION, "CHECK")
    attached = bench.attach()
    other = replace(attached.attachment, interface="net9")
    network = other.network.changed(prevResult=attached.result)
    answer = bench.call("CHECK", replace(other, network=network))
    answer.expect_error("CHECK of an interface that does not exist succeeded")


@must("CHK-06", "2 CHECK", "CHECK allows for a later plug-in of the chain to have changed things, e.g. added routes.")
def _allows_chain(bench: Bench) -> None:
    bench.need_version(FIRST_VERSION, "CHECK")
    attached = bench.attach()
    inside = f"nsenter --net={attached.attachment.netns}"
    bench.do(f"{inside} ip route add blackhole 192.0.2.0/24 && {inside} ip link add br-later type bridge")
    result = copy.deepcopy(attached.result)
    result.setdefault("interfaces", []).append({"name": "br-later", "sandbox": attached.attachment.netns})
    bench.check(attached, result).expect_success(
        "CHECK failed where a later plug-in had added a route and an interface"
    )


@should("CHK-07", "2 CHECK", "CHECK is a way to probe: it changes nothing.")
def _changes_nothing(bench: Bench) -> None:
    bench.need_version(FIRST_VERSION, "CHECK")
    attached = bench.standing()
    before, view = bench.snapshot(), bench.view(attached.attachment.netns)
    answer = bench.check(attached)
    if bench.snapshot() != before or bench.view(attached.attachment.netns) != view:
        raise Failed(f"the node or the container is not what it was: {answer}")


CHECKS: tuple[Check, ...] = (
    _passes,
    _is_silent,
    _needs_result,
    _believes_addresses,
    _believes_interfaces,
    _allows_chain,
    _changes_nothing,
)
