"""Step 9: an address for several pods, by the rules that kube-proxy writes. One step for the whole lab."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labctl.model import INTERNET, Container, Lab, Node, Place, Probe, Spread, Step
from labctl.model.service import Service, my_service
from labctl.resources import Hairpin, Server, ServiceRules, service_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labctl.model.ports import Kernel

_MANY = 300
_RULES = "what do the rules do with it? sudo iptables -t nat -vnL KUBE-SERVICES, and on from there"


def resources(lab: Lab, node: Node) -> tuple[Server | Hairpin | ServiceRules, ...]:
    """A server in each endpoint, the way back to itself for each, and the rules on every node."""
    del node
    service = my_service(lab)
    return (
        *(_server(service, each) for each in service.endpoints),
        *(Hairpin(each, lab.bridge) for each in service.endpoints),
        *(ServiceRules(lab, each, (service,), shared=True) for each in lab.nodes),
    )


def _server(service: Service, endpoint: Container) -> Server:
    port = service.ports[0].target_port
    argv = ("serve-hostname", endpoint.name, str(port))
    why = f"a server in {endpoint.name} that answers with its name"
    return Server(endpoint.place, argv[0], argv, port, purpose=why)


def probes(lab: Lab, node: Node) -> tuple[Probe, ...]:
    """Call the Service from a pod, a node, an endpoint; and the node port of each node, from outside."""
    service = my_service(lab)
    first, itself = lab.containers[0], service.endpoints[0]
    callers = dict.fromkeys((first.place, node.place, itself.place))
    return (
        *(_shares(service, each, itself.place) for each in callers),
        *(_reaches(service, each.containers[0].place) for each in lab.nodes[1:] if each.containers[0] != itself),
        *(_reaches(service, INTERNET, each) for each in lab.nodes),
    )


def _shares(service: Service, caller: Place, itself: Place) -> Probe:
    names = tuple(each.name for each in service.endpoints)
    who = caller.container or caller.node
    shared = f"shared out among {', '.join(names)}" if len(names) > 1 else f"all to {names[0]}"
    return Probe(
        f"{who} reaches {service.key} at {service.cluster_ip}: {_MANY} connections, {shared}",
        Spread(caller, service.cluster_ip, service.ports[0].port, names, _MANY),
        before=False,
        after=True,
        through_firewall=bool(caller.container),
        blame="does its port of the bridge send back to itself? bridge -d link show" if caller == itself else _RULES,
    )


def _reaches(service: Service, caller: Place, node: Node | None = None) -> Probe:
    port = service.ports[0]
    names = tuple(each.name for each in service.endpoints)
    target, number = (str(node.address), port.node_port) if node else (service.cluster_ip, port.port)
    who = caller.container or f"the {caller.node}"
    return Probe(
        f"{who} reaches {service.key} at {target}, port {number}",
        Spread(caller, target, number, names),
        before=False,
        after=True,
        through_firewall=bool(caller.container),
        blame=_RULES,
    )


def words(lab: Lab, node: Node, kernel: Kernel | None) -> Mapping[str, str]:
    """The lesson speaks of the Service, and of what its rules have counted so far."""
    del node
    return service_words(lab, my_service(lab), kernel)


STEP = Step(
    title="Services: the rules that kube-proxy writes",
    notes="""\
* kube-proxy = The Kubernetes proxy is responsible for routing network traffic
to load-balanced services in the Kubernetes cluster""",
    resources=resources,
    probes=probes,
    hints=(
        "Pods come and go, with their addresses. A Service has an address that stays, and that no interface has.",
        "Every node rewrites the target of a connection's first packet: table nat, chains PREROUTING and OUTPUT.",
        "Of three endpoints the first takes one connection in three, the next one in two of the rest: -m statistic.",
        "Who reaches itself by the Service needs another source (mark, MASQUERADE), and a bridge port that sends back.",
    ),
    whole_lab=True,
    words=words,
)
