"""A plug-in in a chain: prevResult is passed on."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from labctl.cni.conformance.check import Failed, NotApplicable, must, should
from labctl.cni.conformance.checks.check import FIRST_VERSION

if TYPE_CHECKING:
    from labctl.cni.conformance.attachment import Attached
    from labctl.cni.conformance.bench import Bench
    from labctl.cni.conformance.call import Answer
    from labctl.cni.conformance.check import Check


def _chained(bench: Bench) -> tuple[dict[str, Any], Answer]:
    """An ADD of net1 after that of eth0, with the result of the first as prevResult, as in a list of plug-ins."""

    def work() -> tuple[dict[str, Any], Answer]:
        first = bench.attach()
        previous = copy.deepcopy(first.result)
        previous.setdefault("routes", []).append({"dst": "192.0.2.0/24", "gw": "10.244.0.1"})
        attachment = replace(first.attachment, interface="net1", network=bench.network.changed(prevResult=previous))
        return previous, bench.call("ADD", attachment)

    return bench.once("chained", work)


@must(
    "CHN-01",
    "5 Success",
    "ADD with a prevResult ends with 0, and outputs the interfaces and addresses of it beside its own.",
)
def _passes_on(bench: Bench) -> None:
    previous, answer = _chained(bench)
    answer.expect_success("ADD with prevResult failed")
    for key, name in (("interfaces", "name"), ("ips", "address")):
        given = {str(each.get(name)) for each in previous.get(key) or []}
        got = {str(each.get(name)) for each in answer.fields.get(key) or [] if isinstance(each, dict)}
        if missing := sorted(given - got):
            raise Failed(f"{key} of prevResult are not in the result: {', '.join(missing)}: {answer}")


@must("CHN-02", "5 Success", "ADD with a prevResult outputs the routes of it.")
def _passes_routes(bench: Bench) -> None:
    previous, answer = _chained(bench)
    answer.expect_success("ADD with prevResult failed")
    got = [str(each.get("dst")) for each in answer.fields.get("routes") or [] if isinstance(each, dict)]
    if missing := [str(each["dst"]) for each in previous["routes"] if str(each["dst"]) not in got]:
        raise Failed(f"routes of prevResult are not in the result: {', '.join(missing)}: {answer}")


@must("CHN-03", "5 Success", "Indexes of `ips` point to the same interfaces after prevResult was passed on.")
def _keeps_indexes(bench: Bench) -> None:
    previous, answer = _chained(bench)
    given, got = _owners(previous), _owners(answer.fields)
    passed = given.keys() & got.keys()
    if not passed:
        raise NotApplicable("no address of prevResult is in the result (see CHN-01)")
    for address in passed:
        if got[address] != given[address]:
            raise Failed(f"{address} belonged to {given[address]}, and now to {got[address]}: {answer}")


def _owners(result: dict[str, Any]) -> dict[str, str]:
    interfaces = result.get("interfaces") or []
    owners = {}
    for entry in result.get("ips") or []:
        index = entry.get("interface")
        if isinstance(index, int) and 0 <= index < len(interfaces):
            owners[str(entry.get("address"))] = str(interfaces[index].get("name"))
    return owners


@must(
    "CHN-04",
    "3 Deleting an attachment",
    "DEL takes the result of the whole chain in prevResult, what others added included.",
)
def _deletes(bench: Bench) -> None:
    attached = bench.attach()
    result = _of_chain(attached)
    network = attached.attachment.network.changed(prevResult=result)
    answer = bench.call("DEL", replace(attached.attachment, network=network)).expect_success("DEL failed")
    if bench.view(attached.attachment.netns).interface("eth0"):
        raise Failed(f"eth0 is still in the container: {answer}")


def _of_chain(attached: Attached) -> dict[str, Any]:
    result = copy.deepcopy(attached.result)
    result.setdefault("interfaces", []).append({"name": "later0", "mac": "02:00:00:00:00:01"})
    result.setdefault("routes", []).append({"dst": "192.0.2.0/24"})
    return result


@should(
    "CHN-05",
    "2 CHECK",
    "CHECK takes a prevResult in which others have interfaces and addresses too: only its own are its business.",
)
def _checks(bench: Bench) -> None:
    bench.need_version(FIRST_VERSION, "CHECK")
    first = bench.attach()
    network = first.attachment.network.changed(prevResult=first.result)
    attachment = replace(first.attachment, interface="net1", network=network)
    answer = bench.call("ADD", attachment)
    if answer.code != 0:
        raise NotApplicable("ADD with a prevResult does not work (see CHN-01)")
    attached = bench.keep(attachment, answer)
    if "net1" not in (each.get("name") for each in answer.fields.get("interfaces") or [] if isinstance(each, dict)):
        raise NotApplicable("the result does not list the interface (see ADD-07)")
    bench.check(attached).expect_success("CHECK with the result of a chain failed")


CHECKS: tuple[Check, ...] = (_passes_on, _passes_routes, _keeps_indexes, _deletes, _checks)
