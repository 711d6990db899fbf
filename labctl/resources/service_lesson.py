"""What a lesson about a Service speaks of: its names, and the way of a connection as it is now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labctl.errors import KernelRefused
from labctl.model.service_chains import make_portals, spell_probability
from labctl.model.store import reserved_address

if TYPE_CHECKING:
    from labctl.model.lab import Container, Lab
    from labctl.model.ports import Kernel
    from labctl.model.service import Service

_NOT_YET = "(no rule is about it yet: do the step, then read this again)"


def service_words(lab: Lab, service: Service, kernel: Kernel | None) -> dict[str, str]:
    """Values for the tokens of a lesson, told of the lab's first container, which calls; `{{walk}}` is looked up."""
    caller, endpoint = lab.containers[0], service.endpoints[0]
    addresses = {each: _supposed_address(lab, each) for each in service.endpoints}
    (portal, *_) = make_portals((service,), addresses)
    port = service.ports[0]
    names = [each.name for each in service.endpoints]
    return {
        "caller": caller.name,
        "caller_node": caller.node,
        "endpoint": endpoint.name,
        "endpoint_node": endpoint.node,
        "endpoint_address": addresses[endpoint],
        "endpoint_variable": endpoint.name.upper().replace("-", "_"),
        "endpoints": f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0],
        "endpoint_count": str(len(names)),
        "service": service.name,
        "namespace": service.namespace,
        "service_address": service.cluster_ip,
        "service_port": str(port.port),
        "node_port": str(port.node_port),
        "service_chain": portal.chain,
        "external_chain": portal.external_chain,
        "first_chance": _first_chance(len(names)),
        "service_range": str(lab.service_range),
        "walk": _walk(lab, service, kernel),
    }


def _first_chance(count: int) -> str:
    return f"-m statistic --mode random --probability {spell_probability(count)} \\\n  " if count > 1 else ""


def _supposed_address(lab: Lab, container: Container) -> str:
    """Where step 1 puts it, lowest address first."""
    node = lab.node(container.node)
    return str(node.pod_range[2 + node.containers.index(container)])


def _walk(lab: Lab, service: Service, kernel: Kernel | None) -> str:
    """The rules on the caller's node that a connection meets, each with what it has counted."""
    from labctl.resources.service_reading.retell import retell

    if kernel is None:
        return _NOT_YET
    place = lab.node(lab.containers[0].node).place
    try:
        found = {each: reserved_address(kernel, each, lab.network) for each in service.endpoints}
        known = {each: address for each, address in found.items() if address}
        done = kernel.programs(place).look(("iptables-save", "-c", "-t", "nat"))
        (portal, *_) = make_portals((service,), known)
        lines = retell(done.out, portal, {address: each.name for each, address in known.items()})
    except KernelRefused as refused:
        return f"(it could not be looked up: {refused.what})"
    return "\n".join(lines) or _NOT_YET
