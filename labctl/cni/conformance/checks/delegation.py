"""Delegated IPAM: how the plug-in calls the IPAM plug-in that its configuration names, and what it makes of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from labctl.cni.conformance.check import Failed, NotApplicable, must, should
from labctl.cni.conformance.spy import ADDRESS, GATEWAY, NAME, ROUTE, SAYS, Call, Spy

if TYPE_CHECKING:
    from labctl.cni.conformance.attachment import Attached
    from labctl.cni.conformance.bench import Bench
    from labctl.cni.conformance.call import Answer
    from labctl.cni.conformance.check import Check
    from labctl.cni.conformance.view import View

PROTOCOL = "4 Delegated Plugin protocol"
PROCEDURE = "4 Delegated plugin execution procedure"
_ARGUMENTS = "IgnoreUnknown=1;LABCTL=delegated"


@dataclass(frozen=True)
class _Added:
    """An ADD for which the checker's own IPAM plug-in was named: the calls that it got, and the container then."""

    answer: Answer
    calls: tuple[Call, ...]
    view: View


def _added(bench: Bench) -> _Added:
    def work() -> _Added:
        spy = Spy(bench)
        attachment = spy.container()
        spy.prepare()
        more = {"args": {"cni": {"labctl": ["whole"]}}}
        attachment = replace(attachment, network=attachment.network.changed(**more))
        answer = bench.call("ADD", attachment, changed={"CNI_ARGS": _ARGUMENTS})
        attached = bench.keep(attachment, answer)
        added = _Added(answer, tuple(spy.calls("ADD")), bench.view(attachment.netns))
        bench.delete(attached)
        return added

    return bench.once("delegated", work)


def delegates(bench: Bench) -> _Added:
    """The ADD, of a plug-in that has called the IPAM plug-in.

    Raises:
        NotApplicable: it has not.
    """
    added = _added(bench)
    if not added.calls:
        raise NotApplicable(f"the plug-in does not call the IPAM plug-in that ipam.type names: {added.answer}")
    return added


def attach(bench: Bench) -> tuple[Spy, Attached]:
    """A container whose address the checker's IPAM plug-in gave; its calls are forgotten.

    Raises:
        NotApplicable: the plug-in calls none.
        CannotAsk: the ADD failed.
    """
    delegates(bench)
    spy = Spy(bench)
    spy.prepare()
    attached = bench.add(spy.container())
    spy.prepare()
    return spy, attached


@should(
    "IPM-01",
    PROCEDURE,
    "The IPAM plug-in that `ipam.type` names is looked up in the folders of CNI_PATH, the last too.",
)
def _looks_it_up(bench: Bench) -> None:
    added = _added(bench)
    if not added.calls and bench.network.delegate:
        raise Failed(f"{NAME}, in the last folder of CNI_PATH, was not called: {added.answer}")
    delegates(bench)


@must("IPM-02", PROTOCOL, "The delegated plug-in receives all the environment variables that the plug-in got.")
def _passes_environment(bench: Bench) -> None:
    added = delegates(bench)
    got = added.calls[0].environment
    for name, value in added.answer.variables:
        if got.get(name) != value:
            raise Failed(f"the IPAM plug-in got {name} {got.get(name, 'not at all')!r}, not {value!r}: {added.answer}")


@must("IPM-03", PROTOCOL, "The delegated plug-in is provided the complete configuration, not just its part `ipam`.")
def _passes_configuration(bench: Bench) -> None:
    added = delegates(bench)
    given, got = added.answer.sent, added.calls[0].given
    if not isinstance(got, dict):
        raise Failed(f"the IPAM plug-in got no JSON object on standard input: {added.answer}")
    if changed := [key for key in given if got.get(key) != given[key]]:
        raise Failed(f"the IPAM plug-in did not get these keys as they were sent: {', '.join(changed)}: {added.answer}")


@must("IPM-04", "4 Plugin Delegation", "What the IPAM plug-in returns is applied: the address, and the routes.")
def _applies(bench: Bench) -> None:
    added = delegates(bench)
    added.answer.expect_success("ADD with an IPAM plug-in that gives an address failed")
    found = added.view.interface("eth0")
    if found is None or ADDRESS not in found.addresses:
        has = ", ".join(found.addresses) if found else ""
        raise Failed(f"the container has {has or 'no address'}, not the {ADDRESS} that it was given: {added.answer}")
    for destination in ("0.0.0.0/0", ROUTE):
        if (destination, GATEWAY, "eth0") not in added.view.routes:
            raise Failed(f"there is no route to {destination} via {GATEWAY}: {added.answer}")


@should("IPM-05", PROCEDURE, "What the delegated plug-in says on standard error goes to the plug-in's own.")
def _passes_stderr(bench: Bench) -> None:
    added = delegates(bench)
    if SAYS not in added.answer.err:
        raise Failed(f"the IPAM plug-in said {SAYS!r} on standard error: {added.answer}")


def _expect_call(spy: Spy, command: str, answer: Answer) -> None:
    if not spy.calls(command):
        raise Failed(f"the IPAM plug-in was not called with {command}: {answer}")


@must("IPM-06", PROCEDURE, "DEL executes the delegated plug-in too.")
def _delegates_del(bench: Bench) -> None:
    spy, attached = attach(bench)
    answer = bench.delete(attached).expect_success("DEL failed")
    _expect_call(spy, "DEL", answer)


@must("IPM-07", PROCEDURE, "CHECK executes the delegated plug-in too.")
def _delegates_check(bench: Bench) -> None:
    bench.need_version("0.4.0", "CHECK")
    spy, attached = attach(bench)
    answer = bench.check(attached).expect_success("CHECK failed")
    _expect_call(spy, "CHECK", answer)


@must("IPM-08", PROCEDURE, "GC executes the delegated plug-in too.")
def _delegates_gc(bench: Bench) -> None:
    bench.need_version("1.1.0", "GC")
    spy, attached = attach(bench)
    answer = bench.collect(spy.network(), (attached,)).expect_success("GC failed")
    _expect_call(spy, "GC", answer)


@must("IPM-09", "2 STATUS", "STATUS executes a STATUS request to the delegated plug-in that ADD relies on.")
def _delegates_status(bench: Bench) -> None:
    bench.need_version("1.1.0", "STATUS")
    delegates(bench)
    spy = Spy(bench)
    spy.prepare()
    answer = bench.call("STATUS", text=spy.network().spell()).expect_success("STATUS failed")
    _expect_call(spy, "STATUS", answer)


CHECKS: tuple[Check, ...] = (
    _looks_it_up,
    _passes_environment,
    _passes_configuration,
    _applies,
    _passes_stderr,
    _delegates_del,
    _delegates_check,
    _delegates_gc,
    _delegates_status,
)
