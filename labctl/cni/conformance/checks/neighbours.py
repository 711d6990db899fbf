"""The traffic of other containers, while one comes or goes."""

from __future__ import annotations

import re
import shlex
from contextlib import contextmanager
from typing import TYPE_CHECKING

from labctl.cni.conformance.check import CannotAsk, Failed, NotApplicable, should
from labctl.cni.conformance.checks.add import accept_forwarded, pings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labctl.cni.conformance.attachment import Attached
    from labctl.cni.conformance.bench import Bench
    from labctl.cni.conformance.call import Answer
    from labctl.cni.conformance.check import Check
    from labctl.cni.conformance.network import Network

_FLOW = "/run/labctl-flow"
_SECONDS = 5
# MACs, of those that anybody may give away (IEEE 802: the bit of local ones): lower or higher than any by chance.
_LOWEST = "02:00:00:00:00:01"
_HIGH = ("fe:ff:ff:ff:ff:f1", "fe:ff:ff:ff:ff:f2", "fe:ff:ff:ff:ff:f3")
# Not so an error, which has the number too: `From 10.1.0.1 icmp_seq=3 Destination Host Unreachable`.
_ANSWERED = re.compile(r"^\d+ bytes from .* (?:icmp_)?seq=(\d+) ", re.MULTILINE)
_COUNTED = re.compile(r"(\d+) packets transmitted")


def _gateway(attached: Attached) -> str:
    found = next((each.get("gateway") for each in attached.result.get("ips") or [] if isinstance(each, dict)), None)
    if not found:
        raise NotApplicable("the result names no gateway")
    return str(found)


@contextmanager
def _flow(bench: Bench, first: Attached, second: Attached, third: Attached) -> Iterator[list[str]]:
    """Pings from the first to the second, all the while; afterwards, what was lost, and whether the gateway answers.

    The third asks for the gateway, before and after. Where the plug-in has what the first sends bear the node's address
    (its rules for another network may), the node has to ask for the first again, and by that would help it out.

    Raises:
        CannotAsk: the gateway does not answer, or the second does not, even before.
    """
    lost: list[str] = []
    target = second.addresses[0]
    asked = ((third, _gateway(third)), (first, target))
    with accept_forwarded(bench):
        for who, each in asked:
            if not pings(bench, who, each):
                raise CannotAsk(f"{each} does not answer another container even before (see ADD-03)")
        command = f"nsenter --net={first.attachment.netns} ping -n -i 0.002 {shlex.quote(target)}"
        pid = bench.do(f": > {_FLOW}; {command} > {_FLOW} 2>&1 < /dev/null & echo $!").strip()
        try:
            _wait(bench, f"until grep -q from {_FLOW}; do :; done")
            yield lost
            # What breaks with the last moment of the call shows only now.
            lost += [f"{each} answers no more" for who, each in asked if not pings(bench, who, each)]
        finally:
            _wait(bench, f"kill -INT {pid}; while kill -0 {pid} 2>/dev/null; do :; done")
        missing, sent = count_lost(bench.do(f"cat {_FLOW}"))
        if missing:
            lost.append(f"{missing} of {sent} pings to {target}")


def count_lost(said: str) -> tuple[int, int]:
    """How many pings of those that ping(8) sent were not answered, and how many those are.

    Raises:
        CannotAsk: it does not say how many it sent.
    """
    if (counted := _COUNTED.search(said)) is None:
        raise CannotAsk("ping did not say how many it sent")
    sent = int(counted[1])
    # The last one may still be under way when it is stopped.
    return len(set(range(1, sent)) - {int(number) for number in _ANSWERED.findall(said)}), sent


def _wait(bench: Bench, script: str) -> None:
    bench.do(f"timeout {_SECONDS} sh -c {shlex.quote(script)}")


def _expect_none(lost: list[str], answer: Answer) -> None:
    if lost:
        raise Failed(f"lost between others: {'; '.join(lost)}; {answer}")


def _attach(bench: Bench, network: Network, mac: str) -> Attached:
    """An attachment, whose port of a bridge, if one came with it, gets this MAC.

    A bridge without an address of its own takes the lowest of its ports', and another when a lower one comes, or this
    one goes: who asked for the gateway before may lose it. Most are lucky, most of the time; here none is.
    """
    before = {each.name for each in bench.view().interfaces}
    attached = bench.attach(network)
    ports = (each.name for each in bench.view().interfaces if each.master and each.name not in before)
    if port := next(ports, ""):
        bench.do(f"ip link set dev {shlex.quote(port)} address {mac}")
    return attached


@should(
    "NBR-01",
    "2 Overview",
    "An ADD leaves others their connectivity: no ping between them is lost, and their gateway answers.",
)
def _survive_add(bench: Bench) -> None:
    network = bench.own_network()
    others = [_attach(bench, network, mac) for mac in _HIGH]
    comes = bench.container(network)
    with _flow(bench, *others) as lost:
        answer = bench.call("ADD", comes)
        bench.keep(comes, answer)
    _expect_none(lost, answer.expect_success("ADD failed"))


@should(
    "NBR-02",
    "2 Overview",
    "A DEL leaves others their connectivity: no ping between them is lost, and their gateway answers.",
)
def _survive_del(bench: Bench) -> None:
    network = bench.own_network()
    others = [_attach(bench, network, mac) for mac in _HIGH]
    leaving = _attach(bench, network, _LOWEST)
    with _flow(bench, *others) as lost:
        answer = bench.delete(leaving)
    _expect_none(lost, answer.expect_success("DEL failed"))


CHECKS: tuple[Check, ...] = (_survive_add, _survive_del)
