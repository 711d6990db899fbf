"""The result of an ADD: its structure, as JSON."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from labctl.cni.conformance.check import Failed, NotApplicable, must, should

if TYPE_CHECKING:
    from labctl.cni.conformance.attachment import Attached
    from labctl.cni.conformance.bench import Bench
    from labctl.cni.conformance.check import Check


def entries(attached: Attached, key: str) -> list[dict[str, Any]]:
    """A list of objects of a result; empty if it is not there.

    Raises:
        Failed: it is something else.
    """
    found = attached.result.get(key)
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise Failed(f"{key} is {found!r}, expected a list of objects: {attached.answer}")
    return found


@must("RES-01", "5 Success", "`cniVersion` of a result is the same version supplied on input.")
def _version(bench: Bench) -> None:
    attached = bench.standing()
    if attached.result.get("cniVersion") != bench.version:
        raise Failed(
            f"cniVersion is {attached.result.get('cniVersion')!r}, expected {bench.version}: {attached.answer}"
        )


@must("RES-02", "5 Success", "`interfaces` is an array of objects, each with the interface's `name`.")
def _interfaces(bench: Bench) -> None:
    attached = bench.standing()
    listed = entries(attached, "interfaces")
    if not listed:
        raise Failed(f"the result has no interfaces: {attached.answer}")
    for entry in listed:
        if not isinstance(entry.get("name"), str) or not entry["name"]:
            raise Failed(f"an interface has the name {entry.get('name')!r}: {attached.answer}")
        for key in ("mac", "sandbox"):
            if not isinstance(entry.get(key, ""), str):
                raise Failed(f"the {key} of {entry['name']} is {entry[key]!r}, expected a text: {attached.answer}")


@must("RES-03", "5 Success", "`interfaces` lists the one made inside the container: CNI_IFNAME, with a `sandbox`.")
def _lists_own(bench: Bench) -> None:
    attached = bench.standing()
    if not _own(attached):
        raise Failed(f"no interface is called {attached.attachment.interface} and has a sandbox: {attached.answer}")


@should("RES-04", "5 Success", "The `sandbox` of an interface inside the container is the value passed via CNI_NETNS.")
def _sandbox(bench: Bench) -> None:
    attached = bench.standing()
    for entry in _own(attached):
        if entry["sandbox"] != attached.attachment.netns:
            raise Failed(f"sandbox is {entry['sandbox']!r}, expected {attached.attachment.netns}: {attached.answer}")


def _own(attached: Attached) -> list[dict[str, Any]]:
    name = attached.attachment.interface
    return [each for each in entries(attached, "interfaces") if each.get("name") == name and each.get("sandbox")]


@must(
    "RES-05",
    "5 Success",
    "Each `address` of `ips` is an address in CIDR notation, each `gateway` an address of the same family.",
)
def _addresses(bench: Bench) -> None:
    attached = bench.standing()
    for entry in entries(attached, "ips"):
        text = entry.get("address")
        try:
            address = ipaddress.ip_interface(str(text))
            gateway = ipaddress.ip_address(str(entry["gateway"])) if entry.get("gateway") else None
        except ValueError as error:
            raise Failed(f"ips: {error}: {attached.answer}") from None
        if "/" not in str(text):
            raise Failed(f"the address {text} has no prefix length: {attached.answer}")
        if gateway and gateway.version != address.version:
            raise Failed(f"the gateway {gateway} is of another family than {address}: {attached.answer}")


@must("RES-06", "5 Success", "`interface` of `ips` is an index into `interfaces`.")
def _indexes(bench: Bench) -> None:
    attached = bench.standing()
    room = len(entries(attached, "interfaces"))
    for entry in entries(attached, "ips"):
        index = entry.get("interface")
        if index is None:
            continue
        if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < room:
            raise Failed(
                f"the interface of {entry.get('address')} is {index!r}, of {room} interfaces: {attached.answer}"
            )


@must(
    "RES-07",
    "5 Success",
    "Each route of `routes` has `dst` in CIDR notation; `gw`, if set, is an address of its family.",
)
def _routes(bench: Bench) -> None:
    attached = bench.standing()
    listed = entries(attached, "routes")
    if not listed:
        raise NotApplicable("the result lists no routes")
    for entry in listed:
        try:
            destination = ipaddress.ip_network(str(entry.get("dst")))
            gateway = ipaddress.ip_address(str(entry["gw"])) if entry.get("gw") else None
        except ValueError as error:
            raise Failed(f"routes: {error}: {attached.answer}") from None
        if "/" not in str(entry.get("dst")) or (gateway and gateway.version != destination.version):
            raise Failed(f"the route {entry} is not well formed: {attached.answer}")


@must(
    "RES-08",
    "5 Success",
    "`dns`, if there, is a dictionary: `nameservers` (addresses), `search`, `options` lists of texts, `domain` a text.",
)
def _dns(bench: Bench) -> None:
    attached = bench.standing()
    dns = attached.result.get("dns")
    if dns is None:
        raise NotApplicable("the result has no dns")
    if not isinstance(dns, dict):
        raise Failed(f"dns is {dns!r}: {attached.answer}")
    for key in ("nameservers", "search", "options"):
        found = dns.get(key) or []
        if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
            raise Failed(f"{key} of dns is {found!r}: {attached.answer}")
    if not isinstance(dns.get("domain", ""), str):
        raise Failed(f"domain of dns is {dns['domain']!r}: {attached.answer}")
    for each in dns.get("nameservers") or []:
        try:
            ipaddress.ip_address(each)
        except ValueError as error:
            raise Failed(f"nameservers: {error}: {attached.answer}") from None


CHECKS: tuple[Check, ...] = (_version, _interfaces, _lists_own, _sandbox, _addresses, _indexes, _routes, _dns)
