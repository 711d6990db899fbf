"""The answer to ADD, built from what the kernel holds (specification 1.1.0, section 5, "ADD Success")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labctl.cni.attachment import spell_destination

if TYPE_CHECKING:
    from collections.abc import Iterable

    from labctl.cni.attachment import Attachment
    from labctl.kernel.plugin_kernel import PluginKernel
    from labctl.model.values import Link


def build_result(attachment: Attachment, kernel: PluginKernel, outside: Iterable[Link | None]) -> dict[str, Any]:
    """Tell of the bridge, of both ends of the cable, of addresses and routes; behind what an earlier plug-in told.

    `outside` are the bridge and the node's end, as they were seen when the cable was plugged in.
    """
    configuration, place = attachment.configuration, attachment.container.place
    before = configuration.previous or {}
    end = kernel.net(place).link(attachment.interface)
    interfaces = [
        *before.get("interfaces", ()),
        *({"name": link.name, "mac": link.mac} for link in outside if link),
        {"name": attachment.interface, "mac": end.mac if end else "", "sandbox": kernel.netns},
    ]
    ips = [
        {"address": each.cidr, **({"gateway": each.gateway} if each.gateway else {}), "interface": len(interfaces) - 1}
        for each in attachment.given
    ]
    routes = [
        {"dst": spell_destination(each.destination, each.gateway), "gw": each.gateway} for each in attachment.routes()
    ]
    return {
        "interfaces": interfaces,
        "ips": [*before.get("ips", ()), *ips],
        "routes": [*before.get("routes", ()), *routes],
        "dns": configuration.dns or before.get("dns", {}),
    }
