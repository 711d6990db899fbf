"""What earlier plug-ins of the list, or our own ADD, answered: `prevResult` (specification 1.1.0, section 5)."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface
from typing import TYPE_CHECKING, Any

from labctl.cni.fields import bad, read_list, read_object, read_value

if TYPE_CHECKING:
    from collections.abc import Iterable

    from labctl.cni.attachment import Attachment
    from labctl.kernel.plugin_kernel import PluginKernel


def read_previous(raw: dict[str, Any]) -> dict[str, Any]:
    """Read it; lists that it lacks are empty ones.

    Raises:
        CniFailure: 7, naming what is wrong; a version other than the configuration's is, for so are its fields.
    """
    previous = read_object(raw, "prevResult")
    version = raw.get("cniVersion")
    if (told := read_value(previous, "cniVersion", version)) != version:
        raise bad("prevResult.cniVersion", told, f"that of the configuration, {version}")
    lists = {key: read_list(previous, key, f"prevResult.{key}") for key in ("interfaces", "ips", "routes")}
    for key, entries in lists.items():
        for each in entries:
            if not isinstance(each, dict):
                raise bad(f"prevResult.{key}", each, "objects")
    return {**previous, **lists, "dns": read_object(previous, "dns", "prevResult.dns")}


def own_part(previous: dict[str, Any], interface: str) -> dict[str, Any]:
    """It, with the addresses and routes of one interface of the container only: others' are not its business.

    An address says by an index whose it is; if none says that it is this one's, those count that say nothing. A route
    is known by its next hop, which that link leads to.
    """
    ips = [each for each in previous["ips"] if each.get("interface") in _own_indexes(previous, interface)]
    ips = ips or [each for each in previous["ips"] if each.get("interface") is None]
    return {**previous, "ips": ips, "routes": [each for each in previous["routes"] if _leads_through(each, ips)]}


def _own_indexes(previous: dict[str, Any], interface: str) -> list[int]:
    """Where the interface of the container is listed, the last time; nothing if it is not."""
    listed = enumerate(previous["interfaces"])
    return [index for index, each in listed if each.get("name") == interface and each.get("sandbox")][-1:]


def faults_of_previous(previous: dict[str, Any], attachment: Attachment, kernel: PluginKernel) -> tuple[str, ...]:
    """Where what an ADD answered differs from what the kernel and the store hold, a sentence each."""
    interface, said = attachment.interface, []
    own = [previous["interfaces"][index] for index in _own_indexes(previous, interface)]
    if not own:
        said.append(f"prevResult names no interface {interface} with a sandbox")
    end = kernel.net(attachment.container.place).link(interface)
    said += [
        f"{interface} has the mac {end.mac}; prevResult says {each['mac']}"
        for each in own
        if end and each.get("mac") and str(each["mac"]).lower() != end.mac
    ]
    told = {str(each.get("address")) for each in own_part(previous, interface)["ips"]}
    said += [
        f"prevResult does not have the address {each.cidr} of {interface}"
        for each in attachment.given
        if each.cidr not in told
    ]
    return tuple(said)


def _leads_through(route: dict[str, Any], ips: Iterable[dict[str, Any]]) -> bool:
    hop = str(route.get("gw"))
    return any(hop == str(each.get("gateway")) or _is_near(hop, str(each.get("address"))) for each in ips)


def _is_near(hop: str, address: str) -> bool:
    try:
        return ip_address(hop) in ip_interface(address).network
    except ValueError:
        return False
