"""STATUS (version 1.1.0)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from labctl.cni.conformance.check import Failed, NotApplicable, must, should

if TYPE_CHECKING:
    from labctl.cni.conformance.bench import Bench
    from labctl.cni.conformance.check import Check

FIRST_VERSION = "1.1.0"


@must("STA-01", "2 STATUS", "STATUS needs no container, and ends with 0 where an ADD would succeed.")
def _ready(bench: Bench) -> None:
    bench.need_version(FIRST_VERSION, "STATUS")
    bench.standing()
    bench.call("STATUS").expect_success("STATUS failed though ADD works")


@should("STA-02", "2 STATUS", "STATUS has no result: where all is well it prints nothing.")
def _is_silent(bench: Bench) -> None:
    bench.need_version(FIRST_VERSION, "STATUS")
    answer = bench.call("STATUS")
    if answer.code == 0 and answer.out.strip():
        raise Failed(f"it printed something: {answer}")


@must("STA-03", "2 STATUS", "STATUS is purely informational: it changes nothing.")
def _changes_nothing(bench: Bench) -> None:
    bench.need_version(FIRST_VERSION, "STATUS")
    before = bench.snapshot()
    answer = bench.call("STATUS")
    if bench.snapshot() != before:
        raise Failed(f"the node is not what it was: {answer}")


@must("STA-04", "2 STATUS", "STATUS fails, with 50 or 51, where the IPAM plug-in that ADD would need is not there.")
def _asks_delegate(bench: Bench) -> None:
    bench.need_version(FIRST_VERSION, "STATUS")
    if not bench.network.delegate:
        raise NotApplicable("the configuration names no IPAM plug-in")
    bench.standing()
    attachment = replace(bench.container(), network=bench.network.with_ipam(type="there-is-none"))
    bench.call("STATUS", text=attachment.network.spell()).expect_error("STATUS succeeded", {50, 51})


CHECKS: tuple[Check, ...] = (_ready, _is_silent, _changes_nothing, _asks_delegate)
