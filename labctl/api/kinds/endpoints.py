"""Endpoints and EndpointSlices: the addresses behind a Service, in the older form and in the newer one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labctl.api.durations import spell_age
from labctl.api.kind import AGE, BY_NAME, NAME, Column, Json, Kind, born_at, describe, name_fields

if TYPE_CHECKING:
    from labctl.api.view import SeenService, View
    from labctl.model.naming import Endpoint
    from labctl.model.service import ServicePort

_SHOWN = 3
_GROUP = "discovery.k8s.io"


def _target(view: View, seen: SeenService, endpoint: Endpoint) -> Json:
    """Who an endpoint is: its host name, and, where a pod of the Service's namespace has the address, that."""
    named = {"hostname": endpoint.hostname} if endpoint.hostname else {}
    pod = next(
        (
            each
            for each in view.pods
            if each.address == endpoint.address and each.namespace == seen.namespace and not each.host_network
        ),
        None,
    )
    if pod is None:
        return named
    metadata = describe(view, pod.name, pod.namespace, identity=pod.identity, born=pod.born)
    reference = {"kind": "Pod", "namespace": pod.namespace, "name": pod.name, "uid": metadata["uid"]}
    return {**named, "nodeName": pod.node.name, "targetRef": reference}


def _port(seen: ServicePort) -> Json:
    return {**({"name": seen.name} if seen.name else {}), "port": seen.target_port, "protocol": seen.protocol.upper()}


def _find_endpoints(view: View) -> list[Json]:
    return [_endpoints(view, seen) for seen in view.services if not seen.external_name]


def _endpoints(view: View, seen: SeenService) -> Json:
    addresses = [{"ip": each.address, **_target(view, seen, each)} for each in seen.endpoints]
    subsets = [{"addresses": addresses, "ports": [_port(each) for each in seen.ports]}] if addresses else []
    return {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": describe(view, seen.name, seen.namespace, identity="endpoints", born=None),
        **({"subsets": subsets} if subsets else {}),
    }


def _endpoints_cells(endpoints: Json, now: float) -> list[Any]:
    pairs = [
        f"{address['ip']}:{port['port']}"
        for subset in endpoints.get("subsets", ())
        for port in subset["ports"]
        for address in subset["addresses"]
    ]
    more = f" + {len(pairs) - _SHOWN} more..." if len(pairs) > _SHOWN else ""
    shown = ",".join(pairs[:_SHOWN]) + more
    return [endpoints["metadata"]["name"], shown or "<none>", spell_age(born_at(endpoints), now)]


def _find_slices(view: View) -> list[Json]:
    return [_slice(view, seen) for seen in view.services if not seen.external_name]


def _slice(view: View, seen: SeenService) -> Json:
    # Named after its Service alone: the real one's suffix is drawn, and here there is never more than one.
    labels = {"kubernetes.io/service-name": seen.name, "endpointslice.kubernetes.io/managed-by": "labctl"}
    return {
        "apiVersion": f"{_GROUP}/v1",
        "kind": "EndpointSlice",
        "metadata": describe(view, seen.name, seen.namespace, identity="slice", born=None, labels=labels),
        "addressType": "IPv4",
        "endpoints": [
            {"addresses": [each.address], "conditions": {"ready": True}, **_target(view, seen, each)}
            for each in seen.endpoints
        ],
        "ports": [_port(each) for each in seen.ports],
    }


def _slice_cells(a_slice: Json, now: float) -> list[Any]:
    ports = [str(each["port"]) for each in a_slice["ports"]]
    addresses = [each["addresses"][0] for each in a_slice["endpoints"]]
    return [
        a_slice["metadata"]["name"],
        a_slice["addressType"],
        _first(ports) if addresses else "<unset>",
        _first(addresses) if addresses else "<unset>",
        spell_age(born_at(a_slice), now),
    ]


def _first(words: list[str]) -> str:
    more = f" + {len(words) - _SHOWN} more..." if len(words) > _SHOWN else ""
    return ",".join(words[:_SHOWN]) + more


ENDPOINTS = Kind(
    plural="endpoints",
    singular="endpoints",
    name="Endpoints",
    namespaced=True,
    find=_find_endpoints,
    columns=(NAME, Column("Endpoints", description="Where the Service's traffic goes"), AGE),
    cells=_endpoints_cells,
    fields=name_fields,
    selectable=BY_NAME,
    short_names=("ep",),
)

SLICES = Kind(
    plural="endpointslices",
    singular="endpointslice",
    name="EndpointSlice",
    namespaced=True,
    find=_find_slices,
    columns=(
        NAME,
        Column("AddressType", description="IPv4"),
        Column("Ports", description="The ports of the endpoints"),
        Column("Endpoints", description="Where the Service's traffic goes"),
        AGE,
    ),
    cells=_slice_cells,
    fields=name_fields,
    selectable=BY_NAME,
    group=_GROUP,
)
