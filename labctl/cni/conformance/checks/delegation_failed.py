"""Delegated IPAM that fails, and an ADD that fails after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labctl.cni.conformance.check import Failed, NotApplicable, should
from labctl.cni.conformance.checks.delegation import PROCEDURE, attach, delegates
from labctl.cni.conformance.spy import Spy

if TYPE_CHECKING:
    from labctl.cni.conformance.bench import Bench
    from labctl.cni.conformance.check import Check

# No address of the container leads to this next hop: the kernel refuses the route.
_UNUSABLE = {"dst": "192.0.2.0/24", "gw": "203.0.113.77"}


@should("IPM-10", PROCEDURE, "If the delegated plug-in fails on ADD, it is executed again with DEL, and ADD fails.")
def _calls_again(bench: Bench) -> None:
    delegates(bench)
    spy = Spy(bench)
    attachment = spy.container()
    spy.prepare(failing=("ADD",))
    answer = bench.call("ADD", attachment)
    bench.keep(attachment, answer)
    answer.expect_error("ADD succeeded though the IPAM plug-in failed")
    if "DEL" not in [each.command for each in spy.calls()]:
        raise Failed(f"the IPAM plug-in, which failed, was not called with DEL: {answer}")


@should(
    "IPM-11", PROCEDURE, "An ADD that fails after the delegated plug-in's ADD executes it with DEL: no address is lost."
)
def _gives_back(bench: Bench) -> None:
    delegates(bench)
    spy = Spy(bench)
    attachment = spy.container()
    spy.prepare(routes=[_UNUSABLE])
    answer = bench.call("ADD", attachment)
    bench.keep(attachment, answer)
    if answer.code == 0:
        raise NotApplicable(f"the ADD that was to fail, for a route that cannot be made, did not: {answer}")
    if "DEL" not in [each.command for each in spy.calls()]:
        raise Failed(f"the IPAM plug-in, which had given an address, was not called with DEL: {answer}")


@should("IPM-12", PROCEDURE, "If the delegated plug-in returns an error on DEL, DEL returns an error.")
def _fails_del(bench: Bench) -> None:
    spy, attached = attach(bench)
    spy.prepare(failing=("DEL",))
    answer = bench.delete(attached)
    spy.prepare()
    bench.delete(attached)
    answer.expect_error("DEL succeeded though the IPAM plug-in failed")


@should("IPM-13", PROCEDURE, "If the delegated plug-in returns an error on CHECK, CHECK returns an error.")
def _fails_check(bench: Bench) -> None:
    bench.need_version("0.4.0", "CHECK")
    spy, attached = attach(bench)
    spy.prepare(failing=("CHECK",))
    bench.check(attached).expect_error("CHECK succeeded though the IPAM plug-in failed")


@should("IPM-14", PROCEDURE, "If the delegated plug-in returns an error on GC, GC returns an error.")
def _fails_gc(bench: Bench) -> None:
    bench.need_version("1.1.0", "GC")
    spy, attached = attach(bench)
    spy.prepare(failing=("GC",))
    answer = bench.collect(spy.network(), (attached,))
    answer.expect_error("GC succeeded though the IPAM plug-in failed")


@should("IPM-15", "2 STATUS", "If the delegated plug-in returns an error on STATUS, STATUS returns an error.")
def _fails_status(bench: Bench) -> None:
    bench.need_version("1.1.0", "STATUS")
    delegates(bench)
    spy = Spy(bench)
    spy.prepare(failing=("STATUS",))
    answer = bench.call("STATUS", text=spy.network().spell())
    answer.expect_error("STATUS succeeded though the IPAM plug-in failed")


CHECKS: tuple[Check, ...] = (_calls_again, _gives_back, _fails_del, _fails_check, _fails_gc, _fails_status)
