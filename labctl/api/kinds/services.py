"""Services: what the nodes' rules (kube-proxy) and the files of the DNS say there is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labctl.api.durations import spell_age
from labctl.api.kind import AGE, BY_NAME, NAME, Column, Json, Kind, born_at, describe, name_fields

if TYPE_CHECKING:
    from labctl.api.view import SeenService, View
    from labctl.model.service import ServicePort

HEADLESS = "None"


def _find(view: View) -> list[Json]:
    return [_service(view, seen) for seen in view.services]


def _service(view: View, seen: SeenService) -> Json:
    address = seen.cluster_ip or HEADLESS
    spec: Json = {
        "type": "NodePort" if any(each.node_port for each in seen.ports) else "ClusterIP",
        "clusterIP": address,
        "clusterIPs": [address],
        "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "SingleStack",
        "internalTrafficPolicy": "Cluster",
    }
    if seen.external_name:
        spec = {"type": "ExternalName", "externalName": seen.external_name}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": describe(view, seen.name, seen.namespace, identity=f"service/{address}", born=None),
        "spec": {**spec, "sessionAffinity": "None", "ports": [_port(each) for each in seen.ports]},
        "status": {"loadBalancer": {}},
    }


def _port(seen: ServicePort) -> Json:
    return {
        **({"name": seen.name} if seen.name else {}),
        "protocol": seen.protocol.upper(),
        "port": seen.port,
        "targetPort": seen.target_port,
        **({"nodePort": seen.node_port} if seen.node_port else {}),
    }


def _cells(service: Json, now: float) -> list[Any]:
    spec = service["spec"]
    ports = (
        f"{each['port']}:{each['nodePort']}/{each['protocol']}"
        if "nodePort" in each
        else f"{each['port']}/{each['protocol']}"
        for each in spec["ports"]
    )
    return [
        service["metadata"]["name"],
        spec["type"],
        spec.get("clusterIP", "<none>"),
        spec.get("externalName", "<none>"),
        ",".join(ports) or "<none>",
        spell_age(born_at(service), now),
        "<none>",
    ]


def _fields(service: Json) -> dict[str, str]:
    spec = service["spec"]
    return name_fields(service) | {"spec.clusterIP": spec.get("clusterIP", ""), "spec.type": spec["type"]}


SERVICES = Kind(
    plural="services",
    singular="service",
    name="Service",
    namespaced=True,
    find=_find,
    columns=(
        NAME,
        Column("Type", description="ClusterIP, or NodePort where the nodes have a port for it"),
        Column("Cluster-IP", description="Its address, which no interface has"),
        Column("External-IP", description="An address outside; none here has one"),
        Column("Port(s)", description="Its ports, and those of the nodes"),
        AGE,
        Column("Selector", 1, description="How its endpoints are chosen: here by the rules themselves"),
    ),
    cells=_cells,
    fields=_fields,
    selectable=BY_NAME | {"spec.clusterIP", "spec.type"},
    short_names=("svc",),
    categories=("all",),
)
