"""Pods: the network namespaces of the lab's containers, and the components of kube-system."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labctl.api.durations import spell_age, spell_time
from labctl.api.kind import AGE, BY_NAME, NAME, Column, Json, Kind, born_at, describe, name_fields

if TYPE_CHECKING:
    from labctl.api.view import SeenPod, View


def _find(view: View) -> list[Json]:
    hosts = {seen.node.name: seen.standing.address for seen in view.nodes}
    return [_pod(view, seen, hosts.get(seen.node.name, "")) for seen in view.pods]


def _pod(view: View, seen: SeenPod, host: str) -> Json:
    began, ready = spell_time(seen.born), bool(seen.address)
    addresses = {"podIP": seen.address, "podIPs": [{"ip": seen.address}]} if ready else {}
    container: Json = {"name": seen.name, "image": "", **({"command": list(seen.command)} if seen.command else {})}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": describe(
            view, seen.name, seen.namespace, identity=seen.identity, born=seen.born, labels=dict(seen.labels)
        ),
        "spec": {
            "nodeName": seen.node.name,
            "containers": [{**container, "resources": {}}],
            "restartPolicy": "Never",
            "enableServiceLinks": False,
            **({"hostNetwork": True} if seen.host_network else {}),
        },
        "status": {
            "phase": "Running",
            "conditions": _conditions(began, ready=ready),
            **({"hostIP": host, "hostIPs": [{"ip": host}]} if host else {}),
            **addresses,
            "startTime": began,
            "containerStatuses": [
                {
                    "name": seen.name,
                    "state": {"running": {"startedAt": began}},
                    "lastState": {},
                    "ready": ready,
                    "restartCount": 0,
                    "image": "",
                    "imageID": "",
                    "containerID": f"labctl://{seen.identity}",
                    "started": True,
                }
            ],
        },
    }


def _conditions(began: str | None, *, ready: bool) -> list[Json]:
    why = {} if ready else {"reason": "ContainersNotReady", "message": "eth0 has no address"}
    state = "True" if ready else "False"
    return [
        {"type": "PodScheduled", "status": "True", "lastProbeTime": None, "lastTransitionTime": began},
        {"type": "Initialized", "status": "True", "lastProbeTime": None, "lastTransitionTime": began},
        {"type": "ContainersReady", "status": state, "lastProbeTime": None, "lastTransitionTime": None, **why},
        {"type": "Ready", "status": state, "lastProbeTime": None, "lastTransitionTime": None, **why},
    ]


def _cells(pod: Json, now: float) -> list[Any]:
    status = pod["status"]
    containers = status["containerStatuses"]
    return [
        pod["metadata"]["name"],
        f"{sum(each['ready'] for each in containers)}/{len(containers)}",
        status["phase"],
        sum(each["restartCount"] for each in containers),
        spell_age(born_at(pod), now),
        status.get("podIP", "<none>"),
        pod["spec"]["nodeName"],
        "<none>",
        "<none>",
    ]


def _fields(pod: Json) -> dict[str, str]:
    spec, status = pod["spec"], pod["status"]
    return name_fields(pod) | {
        "spec.nodeName": spec["nodeName"],
        "spec.restartPolicy": spec["restartPolicy"],
        "spec.hostNetwork": str(spec.get("hostNetwork", False)).lower(),
        "status.phase": status["phase"],
        "status.podIP": status.get("podIP", ""),
        "status.podIPs": status.get("podIP", ""),
    }


_UNSET = frozenset({"spec.schedulerName", "spec.serviceAccountName", "status.nominatedNodeName"})

PODS = Kind(
    plural="pods",
    singular="pod",
    name="Pod",
    namespaced=True,
    find=_find,
    columns=(
        NAME,
        Column("Ready", description="How many of its containers are ready: have an address"),
        Column("Status", description="Running while its namespace lives"),
        Column("Restarts", kind="integer", description="How often it was started anew"),
        AGE,
        Column("IP", 1, description="The address of its eth0"),
        Column("Node", 1, description="Where it is"),
        Column("Nominated Node", 1, description="Where it is to go"),
        Column("Readiness Gates", 1, description="What else it waits for"),
    ),
    cells=_cells,
    fields=_fields,
    selectable=BY_NAME
    | _UNSET
    | {
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.podIPs",
    },
    short_names=("po",),
    categories=("all",),
)
