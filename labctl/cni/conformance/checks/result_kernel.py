"""The result of an ADD, held against what the kernel has."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from labctl.cni.conformance.check import Failed, NotApplicable, must
from labctl.cni.conformance.checks.result import entries

if TYPE_CHECKING:
    from labctl.cni.conformance.attachment import Attached
    from labctl.cni.conformance.bench import Bench
    from labctl.cni.conformance.check import Check
    from labctl.cni.conformance.view import Interface, View


def _views(bench: Bench, attached: Attached) -> tuple[View, View]:
    return bench.view(), bench.view(attached.attachment.netns)


@must(
    "KRN-01",
    "5 Success",
    "Every interface that the result lists exists: without `sandbox` on the node, with one in the container.",
)
def _exist(bench: Bench) -> None:
    attached = bench.standing()
    node, container = _views(bench, attached)
    for entry in entries(attached, "interfaces"):
        where, view = ("the container", container) if entry.get("sandbox") else ("the node", node)
        if view.interface(str(entry.get("name"))) is None:
            raise Failed(f"there is no {entry.get('name')} on {where}: {attached.answer}")


@must("KRN-02", "5 Success", "`mac` of an interface is its hardware address.")
def _macs(bench: Bench) -> None:
    attached = bench.attach()
    node, container = _views(bench, attached)
    told = False
    for entry in entries(attached, "interfaces"):
        found = (container if entry.get("sandbox") else node).interface(str(entry.get("name")))
        told |= bool(entry.get("mac"))
        # A bridge without an address of its own borrows the lowest of its ports': it may have changed since.
        if (
            found
            and entry.get("mac")
            and not _is_bridge(found, node)
            and found.mac.lower() != str(entry["mac"]).lower()
        ):
            raise Failed(f"{found.name} has {found.mac}, the result says {entry['mac']}: {attached.answer}")
    if not told:
        raise Failed(f"no interface has a mac: {attached.answer}")


def _is_bridge(found: Interface, node: View) -> bool:
    return any(each.master == found.name for each in node.interfaces)


@must("KRN-03", "5 Success", "`interfaces` lists all interfaces created by the attachment, host-level ones included.")
def _complete(bench: Bench) -> None:
    bench.standing()
    attachment = bench.container()
    before = {each.name for each in bench.view().interfaces}
    attached = bench.add(attachment)
    node, container = _views(bench, attached)
    listed = {(str(each.get("name")), bool(each.get("sandbox"))) for each in entries(attached, "interfaces")}
    made = {(each.name, False) for each in node.interfaces if each.name not in before}
    made |= {(each.name, True) for each in container.interfaces if each.name != "lo"}
    if missing := sorted(name for name, inside in made - listed):
        raise Failed(f"not listed: {', '.join(missing)}: {attached.answer}")


@must(
    "KRN-04",
    "5 Success",
    "Every address of `ips` is on the interface that its index names, with the same prefix length.",
)
def _addresses(bench: Bench) -> None:
    attached = bench.standing()
    node, container = _views(bench, attached)
    interfaces = entries(attached, "interfaces")
    for entry in entries(attached, "ips"):
        index = entry.get("interface")
        if not isinstance(index, int) or not 0 <= index < len(interfaces):
            continue
        named = interfaces[index]
        found = (container if named.get("sandbox") else node).interface(str(named.get("name")))
        if found is None or not _has(found, str(entry.get("address"))):
            has = ", ".join(found.addresses) if found else ""
            raise Failed(
                f"{named.get('name')} has {has or 'no address'}, not {entry.get('address')}: {attached.answer}"
            )


def _has(interface: Interface, address: str) -> bool:
    try:
        return ipaddress.ip_interface(address) in [ipaddress.ip_interface(each) for each in interface.addresses]
    except ValueError:
        return False


@must("KRN-05", "5 Success", "`ips` lists the addresses assigned by the attachment: all that CNI_IFNAME has.")
def _all_addresses(bench: Bench) -> None:
    attached = bench.standing()
    _, container = _views(bench, attached)
    found = container.interface(attached.attachment.interface)
    if (
        missing := sorted({each.partition("/")[0] for each in found.addresses} - set(attached.addresses))
        if found
        else []
    ):
        raise Failed(f"not listed: {', '.join(missing)}: {attached.answer}")


@must(
    "KRN-06",
    "5 Success",
    "Every route of `routes` is in the container; without `gw`, through a `gateway` of `ips` or the link itself.",
)
def _routes(bench: Bench) -> None:
    attached = bench.standing()
    listed = entries(attached, "routes")
    if not listed:
        raise NotApplicable("the result lists no routes")
    _, container = _views(bench, attached)
    gateways = {str(each.get("gateway")) for each in entries(attached, "ips") if each.get("gateway")} | {""}
    for entry in listed:
        hops = {str(entry["gw"])} if entry.get("gw") else gateways
        if not any(destination == entry.get("dst") and via in hops for destination, via, _ in container.routes):
            raise Failed(f"there is no route to {entry.get('dst')} in the container: {attached.answer}")


CHECKS: tuple[Check, ...] = (_exist, _macs, _complete, _addresses, _all_addresses, _routes)
