"""A strict cloud network in memory, and `gcloud` run on it, for the tests of the lab's gcloud."""

from __future__ import annotations

import json
import shlex
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, Any

from labctl.compute.app import respond
from labctl.compute.message import Request
from labctl.compute.service import Service
from labctl.model import Lab
from labctl.model.values import CloudNetwork, CloudRoute
from labctl.world.gcloud.client import Answer, answer

if TYPE_CHECKING:
    from labctl.world.gcloud.api import Ask
    from labctl.world.gcloud.reference import Record

LAB = Lab(
    bridge="cni0",
    cluster_range=IPv4Network("10.244.0.0/16"),
    node_range=IPv4Network("10.128.0.0/20"),
    gateway=IPv4Address("10.128.0.1"),
    internet=IPv4Address("203.0.113.10"),
    network="k8s",
    nodes=(),
    service_range=IPv4Network("10.96.0.0/16"),
)
LINK = "https://www.googleapis.com/compute/v1/projects/lab/global"
NOTES = "compute routes create k8s-master --destination-range 10.244.0.0/24 --network k8s --next-hop-address 10.128.0.2"
MASTER = CloudRoute("k8s-master", "k8s", "10.244.0.0/24", "10.128.0.2")
WORKER = CloudRoute("k8s-worker", "k8s", "10.244.1.0/24", "10.128.0.3", 100, "the worker's: pods")


class StrictCloud:
    """Routes in memory; what the lab's cloud must never be asked is an error of the test."""

    def __init__(self, *routes: CloudRoute) -> None:
        self.held = {route.name: route for route in routes}

    def routes(self) -> tuple[CloudRoute, ...]:
        return tuple(self.held[name] for name in sorted(self.held))

    def forwards(self, route: CloudRoute) -> bool:
        raise AssertionError(f"gcloud has no business with the vpc's kernel: {route}")

    def create(self, route: CloudRoute) -> None:
        assert route.name not in self.held
        assert route.network in ("k8s", "default", "mine")
        assert not IPv4Network(route.destination).subnet_of(LAB.node_range)
        assert IPv4Address(route.next_hop) in LAB.node_range
        assert 0 <= route.priority <= 65535
        self.held[route.name] = route

    def delete(self, name: str) -> None:
        del self.held[name]


class Networks:
    """Networks that somebody made, in memory."""

    def __init__(self) -> None:
        self.held: dict[str, CloudNetwork] = {}

    def networks(self) -> tuple[CloudNetwork, ...]:
        return tuple(self.held[name] for name in sorted(self.held))

    def create(self, network: CloudNetwork) -> None:
        assert network.name not in self.held
        self.held[network.name] = network

    def delete(self, name: str) -> None:
        del self.held[name]


def serve(cloud: StrictCloud) -> Ask:
    """The compute service of a cloud, without a wire."""
    service = Service(cloud, Networks(), LAB)

    def ask(method: str, target: str, body: Record | None) -> tuple[int, Any]:
        content = b"" if body is None else json.dumps(body).encode()
        answer = respond(service, Request(method, target, content, "application/json" if content else ""))
        return answer.status, json.loads(answer.content)

    return ask


def gcloud(text: str, *routes: CloudRoute) -> tuple[Answer, tuple[CloudRoute, ...]]:
    """Answer a line as a shell would split it, with nothing to read; and give the routes that there are then."""
    cloud = StrictCloud(*routes)
    return answer(shlex.split(text), serve(cloud)), cloud.routes()
