"""What Google's compute service would say of a route or a network: it checks what it is sent, and words its refusals.

The client checks next to nothing itself (`--priority 70000` leaves it as it came). Where the words come from is said at
each; what is marked "own words" was found nowhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network
from typing import TYPE_CHECKING

from labctl.compute.refusal import exists, in_use, invalid, not_found, refusal_of
from labctl.errors import LabError
from labctl.model.values import CloudNetwork, CloudRoute
from labctl.world.gcloud.reference import PROJECT, REGION, Reference, read_reference

if TYPE_CHECKING:
    from labctl.model.lab import Lab
    from labctl.model.ports import Cloud, Networks
    from labctl.world.gcloud.reference import Record

_NAME = r"(?:[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?)"
_NAME_OR_ID = r"[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?|[1-9][0-9]{0,19}"
_MOST_PRIORITY = 65535
_PRIORITY = 1000
_LONGEST_DESCRIPTION = 2048
DEFAULT = CloudNetwork("default", auto=True, description="Default network for the project")
"""The network that every project has from the beginning."""


def record_of_route(route: CloudRoute) -> Record:
    """Show a route as the REST resource `compute#route`, without what the lab does not hold (id, creationTimestamp)."""
    record: Record = {
        "description": route.description,
        "destRange": route.destination,
        "kind": "compute#route",
        "name": route.name,
        "network": Reference(PROJECT, "networks", route.network).link,
        "nextHopIp": route.next_hop,
        "priority": route.priority,
        "selfLink": Reference(PROJECT, "routes", route.name).link,
    }
    return {key: value for key, value in record.items() if value != ""}


def record_of_network(network: CloudNetwork) -> Record:
    """Show a network as the REST resource `compute#network`."""
    record: Record = {
        "autoCreateSubnetworks": network.auto,
        "description": network.description,
        "kind": "compute#network",
        "name": network.name,
        "routingConfig": {"routingMode": "REGIONAL"},
        "selfLink": Reference(PROJECT, "networks", network.name).link,
    }
    return {key: value for key, value in record.items() if value != ""}


@dataclass(frozen=True)
class Service:
    """The routes and networks of the lab's project, as the service shows and changes them.

    All methods raise `ServiceRefused`; what the lab's cloud refuses is worded as it says it.
    """

    cloud: Cloud
    networks: Networks
    lab: Lab

    def records(self, collection: str) -> list[Record]:
        """All resources of a collection, in the order of their names."""
        try:
            if collection == "routes":
                return [record_of_route(route) for route in self.cloud.routes()]
            return [record_of_network(network) for network in self._all_networks()]
        except LabError as error:
            raise refusal_of(error) from None

    def get(self, collection: str, name: str) -> Record:
        """One resource."""
        if not re.fullmatch(_NAME_OR_ID, name):
            invalid(collection.removesuffix("s"), name, f"Must be a match of regex '{_NAME_OR_ID}'")
        found = [each for each in self.records(collection) if each["name"] == name]
        if not found:
            raise not_found(Reference(PROJECT, collection, name).path)
        return found[0]

    def insert(self, collection: str, body: Record) -> str:
        """Create what is described; give its name."""
        name = _text(body, "name")
        if not re.fullmatch(_NAME, name):
            invalid("resource.name", name, f"Must be a match of regex '{_NAME}'")
        wanted = self._route(name, body) if collection == "routes" else _network(name, body)
        if name in (each["name"] for each in self.records(collection)):
            raise exists(Reference(PROJECT, collection, name).path)
        try:
            if isinstance(wanted, CloudRoute):
                self.cloud.create(wanted)
            else:
                self.networks.create(wanted)
        except LabError as error:
            raise refusal_of(error) from None
        return name

    def delete(self, collection: str, name: str) -> None:
        """Delete a resource; a network only when nothing is in it."""
        self.get(collection, name)
        try:
            if collection == "routes":
                self.cloud.delete(name)
            else:
                self._check_unused(name)
                self.networks.delete(name)
        except LabError as error:
            raise refusal_of(error) from None

    def _all_networks(self) -> list[CloudNetwork]:
        """A project has `default` beside the lab's own."""
        own = CloudNetwork(self.lab.network, auto=False)
        known = {each.name: each for each in (*self.networks.networks(), DEFAULT, own)}
        return [known[name] for name in sorted(known)]

    def _check_unused(self, name: str) -> None:
        """In the lab's own network are its machines; `default` stays: a route without `--network` is put there."""
        path = Reference(PROJECT, "networks", name).path
        users = [Reference(PROJECT, "routes", each.name).path for each in self.cloud.routes() if each.network == name]
        if name in (self.lab.network, DEFAULT.name):
            machine = self.lab.nodes[0].name if self.lab.nodes else "default"
            users.insert(0, f"projects/{PROJECT}/zones/{REGION}-a/instances/{machine}")
        if users:
            raise in_use(path, users[0])

    def _route(self, name: str, body: Record) -> CloudRoute:
        for field in body:
            if field not in _ROUTE_FIELDS:
                invalid(f"resource.{field}", str(body[field]), f"the lab's vpc has only {', '.join(_ROUTE_FIELDS)}.")
        return CloudRoute(
            name=name,
            destination=self._check_destination(_text(body, "destRange")),
            priority=_check_priority(body.get("priority", _PRIORITY)),
            network=self._check_network(_text(body, "network")),
            next_hop=self._check_next_hop(_text(body, "nextHopIp")),
            description=_check_description(body),
        )

    def _check_network(self, text: str) -> str:
        network = read_reference(text, "networks")
        if network.project != PROJECT or network.name not in (each["name"] for each in self.records("networks")):
            raise not_found(network.path)
        return network.name

    def _check_destination(self, text: str) -> str:
        """Check a range: CIDR without host bits, and no part of the nodes' own range.

        The first words are the service's for `resource.ipCidrRange` 10.0.1.0/23, the second those of
        cloud.google.com/load-balancing (internal, "Invalid value for destination range").
        """
        try:
            wanted = IPv4Network(text)
        except ValueError:
            wanted = None
        if wanted is None or not re.fullmatch(r"[^/]+/\d{1,2}", text):
            invalid("resource.destRange", text, "Must be a CIDR address range.")
        if wanted.subnet_of(self.lab.node_range):
            hidden = f"{text} hides the address space of the network ({self.lab.node_range})."
            why = f"{hidden} Cannot change the routing of packets destined for the network."
            invalid("resource.destRange", text, why)
        return str(wanted)

    def _check_next_hop(self, text: str) -> str:
        """Check a next hop: an address in the nodes' range, whether or not a node has it (own words)."""
        try:
            address = IPv4Address(text)
        except AddressValueError:
            invalid("resource.nextHopIp", text, "Must be an IPv4 address.")
        if address not in self.lab.node_range:
            why = f"Must be an address in the range of the network ({self.lab.node_range})."
            invalid("resource.nextHopIp", text, why)
        return str(address)


_ROUTE_FIELDS = ("description", "destRange", "name", "network", "nextHopIp", "priority")
_NETWORK_FIELDS = ("autoCreateSubnetworks", "description", "name", "routingConfig")


def _network(name: str, body: Record) -> CloudNetwork:
    for field in body:
        if field not in _NETWORK_FIELDS:
            invalid(f"resource.{field}", str(body[field]), f"the lab's vpc has only {', '.join(_NETWORK_FIELDS)}.")
    auto = body.get("autoCreateSubnetworks", True)
    if not isinstance(auto, bool):
        invalid("resource.autoCreateSubnetworks", str(auto), "Must be true or false.")
    routing = body.get("routingConfig", {})
    mode = routing.get("routingMode", "REGIONAL") if isinstance(routing, dict) else routing
    if mode != "REGIONAL":
        invalid("resource.routingConfig.routingMode", str(mode), "the lab's vpc is in one region: REGIONAL.")
    return CloudNetwork(name, auto, _check_description(body))


def _text(body: Record, field: str) -> str:
    value = body.get(field, "")
    if not isinstance(value, str):
        invalid(f"resource.{field}", str(value), "Must be a string.")
    return value


def _check_description(body: Record) -> str:
    text = _text(body, "description")
    if len(text) > _LONGEST_DESCRIPTION:
        invalid("resource.description", text[:80], f"Must be no more than {_LONGEST_DESCRIPTION} characters long.")
    return text


def _check_priority(number: object) -> int:
    """Check a priority, 0 (first) to 65535 (routes reference of compute v1; own words)."""
    if not isinstance(number, int) or isinstance(number, bool):
        invalid("resource.priority", str(number), "Must be a number.")
    if number < 0:
        invalid("resource.priority", str(number), "Must be greater than or equal to 0.")
    if number > _MOST_PRIORITY:
        invalid("resource.priority", str(number), f"Must be less than or equal to {_MOST_PRIORITY}.")
    return number
