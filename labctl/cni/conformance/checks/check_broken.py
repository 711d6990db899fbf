"""CHECK against an attachment from which one thing was taken away."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labctl.cni.conformance.check import CannotAsk, Check, Level, NotApplicable
from labctl.cni.conformance.checks.check import FIRST_VERSION
from labctl.cni.conformance.leftovers import find_files, find_rules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from labctl.cni.conformance.attachment import Attached
    from labctl.cni.conformance.bench import Bench
    from labctl.cni.conformance.leftovers import Snapshot


@dataclass(frozen=True)
class _Case:
    """What is taken away. `breaks` gives what a script puts back (empty: the container is not needed any more)."""

    name: str
    breaks: Callable[[Bench, Attached, Snapshot], str]


def _inside(attached: Attached, command: str) -> str:
    return f"nsenter --net={attached.attachment.netns} {command}"


def _address(bench: Bench, attached: Attached, _: Snapshot) -> str:
    if not attached.addresses:
        raise NotApplicable("the result lists no addresses")
    bench.do(_inside(attached, "ip addr flush dev eth0 scope global"))
    return ""


def _route(bench: Bench, attached: Attached, _: Snapshot) -> str:
    routes = attached.result.get("routes") or []
    if not routes:
        raise NotApplicable("the result lists no routes")
    for route in routes:
        bench.do(_inside(attached, f"ip route del {shlex.quote(str(route.get('dst')))}"))
    return ""


def _link_down(bench: Bench, attached: Attached, _: Snapshot) -> str:
    bench.do(_inside(attached, "ip link set eth0 down"))
    return ""


def _link_gone(bench: Bench, attached: Attached, _: Snapshot) -> str:
    bench.do(_inside(attached, "ip link del eth0"))
    return ""


def _other_mac(bench: Bench, attached: Attached, _: Snapshot) -> str:
    listed = attached.result.get("interfaces") or []
    if not any(each.get("sandbox") and each.get("mac") for each in listed):
        raise NotApplicable("the result tells no mac of the container's interface")
    bench.do(_inside(attached, "ip link set eth0 address 02:00:00:00:00:77"))
    return ""


def _namespace_gone(bench: Bench, attached: Attached, _: Snapshot) -> str:
    bench.do(f"ip netns del {attached.attachment.netns.rpartition('/')[2]}")
    return ""


def _host_end(bench: Bench, attached: Attached) -> tuple[str, str]:
    """The container's end on the node, and the bridge that it is a port of."""
    view = bench.view()
    for name in attached.host_interfaces:
        found = view.interface(name)
        if found and found.master:
            return name, found.master
    raise NotApplicable("no interface of the result is the port of a bridge")


def _unplugged(bench: Bench, attached: Attached, _: Snapshot) -> str:
    port, _bridge = _host_end(bench, attached)
    bench.do(f"ip link set {port} nomaster")
    return ""


def _host_end_down(bench: Bench, attached: Attached, _: Snapshot) -> str:
    port, _bridge = _host_end(bench, attached)
    bench.do(f"ip link set {port} down")
    return ""


def _bridge_down(bench: Bench, attached: Attached, _: Snapshot) -> str:
    _port, bridge = _host_end(bench, attached)
    bench.do(f"ip link set {bridge} down")
    return f"ip link set {bridge} up"


def _gateway(bench: Bench, attached: Attached, _: Snapshot) -> str:
    _port, bridge = _host_end(bench, attached)
    found = bench.view().interface(bridge)
    gateways = {each.get("gateway") for each in attached.result.get("ips") or []}
    address = next((each for each in found.addresses if each.partition("/")[0] in gateways), None) if found else None
    if address is None:
        raise NotApplicable("the bridge does not have the gateway's address")
    bench.do(f"ip addr del {address} dev {bridge}")
    return f"ip addr add {address} dev {bridge}"


def _rules_of(table: str) -> Callable[[Bench, Attached, Snapshot], str]:
    def breaks(bench: Bench, attached: Attached, before: Snapshot) -> str:
        del attached
        if not any(found == table for found, _ in find_rules(bench.node, before, bench.snapshot())):
            raise NotApplicable(f"ADD made no rules in the table {table}")
        saved = bench.do(f"iptables-save -t {table}")
        bench.do(f"iptables -w -t {table} -F")
        return f"printf %s {shlex.quote(saved)} | iptables-restore"

    return breaks


def _reservation(bench: Bench, attached: Attached, before: Snapshot) -> str:
    files = find_files(bench.node, before, bench.snapshot(), attached.attachment.container)
    # A link in /run/netns is a name of the namespace, not a reservation.
    files = [path for path in files if not path.startswith("/run/")]
    if not files:
        raise NotApplicable("no file in /var/lib/cni names the container")
    quoted = " ".join(map(shlex.quote, files))
    bench.do(f"rm -rf /run/kept && mkdir /run/kept && cp -P --parents {quoted} /run/kept && rm {quoted}")
    return "cp -rP /run/kept/. /"


_CASES = (
    _Case("the address is gone from the interface", _address),
    _Case("a route of the result is gone", _route),
    _Case("the interface is down", _link_down),
    _Case("the interface is gone", _link_gone),
    _Case("the interface has another hardware address", _other_mac),
    _Case("the namespace is gone", _namespace_gone),
    _Case("the end on the node is no port of the bridge any more", _unplugged),
    _Case("the end on the node is down", _host_end_down),
    _Case("the bridge is down", _bridge_down),
    _Case("the gateway's address is gone from the bridge", _gateway),
    _Case("the NAT rules are flushed", _rules_of("nat")),
    _Case("the filter rules are flushed", _rules_of("filter")),
    _Case("the reservation of the address is gone", _reservation),
)


def _finds(case: _Case) -> Callable[[Bench], None]:
    def ask(bench: Bench) -> None:
        bench.need_version(FIRST_VERSION, "CHECK")
        bench.standing()
        if not bench.once("CHECK of what is whole", lambda: _passes_whole(bench)):
            raise CannotAsk("CHECK fails even before something is taken away (see CHK-01)")
        network = bench.own_network()
        # From before the first ADD in this network: rules that all its containers share count too.
        before = bench.snapshot()
        attached = bench.attach(network)
        restore = case.breaks(bench, attached, before)
        try:
            answer = bench.check(attached)
        finally:
            if restore:
                bench.do(restore)
        answer.expect_error(f"CHECK succeeded though {case.name}")

    return ask


def _passes_whole(bench: Bench) -> bool:
    return bench.check(bench.attach(bench.own_network())).code == 0


def _checks() -> Iterator[Check]:
    for number, case in enumerate(_CASES, 8):
        says = f"CHECK returns an error when {case.name}."
        yield Check(f"CHK-{number:02}", Level.SHOULD, "2 CHECK", says, _finds(case))


CHECKS: tuple[Check, ...] = tuple(_checks())
