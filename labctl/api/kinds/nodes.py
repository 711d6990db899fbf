"""Nodes: the lab's machines. They are all one machine, so what they say of processors and memory is the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labctl import __version__
from labctl.api.durations import spell_age, spell_time
from labctl.api.kind import AGE, BY_NAME, NAME, Column, Json, Kind, born_at, describe, name_fields

if TYPE_CHECKING:
    from labctl.api.view import SeenNode, View

_ROLE = "node-role.kubernetes.io/"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
# Network, bridge and broadcast address are no pod's.
_TAKEN = 3
# The kubelet's own words.
_PLUGGED = ("KubeletReady", "a runtime finds its network in /etc/cni/net.d")
_UNPLUGGED = (
    "KubeletNotReady",
    (
        "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message: cni plugin not "
        "initialized"
    ),
)


def _find(view: View) -> list[Json]:
    return [_node(view, seen) for seen in view.nodes]


def _node(view: View, seen: SeenNode) -> Json:
    name, machine = seen.node.name, view.machine
    architecture = _ARCHITECTURES.get(machine.architecture, machine.architecture)
    labels = {
        "kubernetes.io/arch": architecture,
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        **({f"{_ROLE}control-plane": ""} if seen.first else {}),
    }
    room = {
        "cpu": str(machine.processors),
        "memory": f"{machine.memory}Ki",
        "pods": str(seen.node.pod_range.num_addresses - _TAKEN),
    }
    pod_range = str(seen.node.pod_range)
    address = seen.standing.address
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": describe(view, name, identity=str(seen.standing.namespace), born=seen.standing.born, labels=labels),
        "spec": {"podCIDR": pod_range, "podCIDRs": [pod_range]},
        "status": {
            "capacity": room,
            "allocatable": room,
            "conditions": [_ready(seen)],
            "addresses": [
                *([{"type": "InternalIP", "address": address}] if address else []),
                {"type": "Hostname", "address": name},
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 0}},
            "nodeInfo": {
                "machineID": "",
                "systemUUID": "",
                "bootID": machine.boot,
                "kernelVersion": machine.release,
                "osImage": machine.system,
                "containerRuntimeVersion": f"labctl://{__version__}",
                "kubeletVersion": f"labctl-{__version__}",
                "kubeProxyVersion": "",
                "operatingSystem": "linux",
                "architecture": architecture,
            },
        },
    }


def _ready(seen: SeenNode) -> Json:
    """As the kubelet decides it: a runtime that finds no network for its containers is not ready."""
    reason, message = _PLUGGED if seen.ready else _UNPLUGGED
    return {
        "type": "Ready",
        "status": "True" if seen.ready else "False",
        "lastHeartbeatTime": None,
        "lastTransitionTime": spell_time(seen.standing.born) if not seen.ready else None,
        "reason": reason,
        "message": message,
    }


def _cells(node: Json, now: float) -> list[Any]:
    status = node["status"]
    info, ready = status["nodeInfo"], status["conditions"][0]["status"] == "True"
    roles = sorted(key.removeprefix(_ROLE) for key in node["metadata"]["labels"] if key.startswith(_ROLE))
    addresses = {each["type"]: each["address"] for each in status["addresses"]}
    return [
        node["metadata"]["name"],
        "Ready" if ready else "NotReady",
        ",".join(roles) or "<none>",
        spell_age(born_at(node), now),
        info["kubeletVersion"],
        addresses.get("InternalIP", "<none>"),
        addresses.get("ExternalIP", "<none>"),
        info["osImage"] or "<unknown>",
        info["kernelVersion"],
        info["containerRuntimeVersion"],
    ]


def _fields(node: Json) -> dict[str, str]:
    return name_fields(node) | {"spec.unschedulable": "false"}


NODES = Kind(
    plural="nodes",
    singular="node",
    name="Node",
    namespaced=False,
    find=_find,
    columns=(
        NAME,
        Column("Status", description="The status of the node"),
        Column("Roles", description="The roles of the node"),
        AGE,
        Column("Version", description="Who plays the kubelet"),
        Column("Internal-IP", 1, description="The address of its eth0"),
        Column("External-IP", 1, description="An address outside the cloud; none here has one"),
        Column("OS-Image", 1, description="The operating system"),
        Column("Kernel-Version", 1, description="The kernel"),
        Column("Container-Runtime", 1, description="Who makes the containers"),
    ),
    cells=_cells,
    fields=_fields,
    selectable=BY_NAME | {"spec.unschedulable"},
    short_names=("no",),
)
