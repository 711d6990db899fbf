"""What Google's compute service would say of a route: it checks what the client sends, and words its refusals.

The client checks next to nothing itself (`--priority 70000` leaves it as it came). Where the words come from is said at
each; what is marked "own words" was found nowhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network
from typing import TYPE_CHECKING, Never, TypeAlias

from labctl.errors import LabError
from labctl.model.values import CloudRoute

if TYPE_CHECKING:
    from labctl.model.lab import Lab
    from labctl.model.ports import Cloud

PROJECT = "lab"
Record: TypeAlias = "dict[str, str | int]"

FIELDS = ("description", "destRange", "kind", "name", "network", "nextHopIp", "priority", "selfLink")
_LINK = r"(?:https://(?:www|compute)\.googleapis\.com/compute/v1/)?projects/([^/]+)/global/([a-z]+)/([^/]+)"
_NAME = r"(?:[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?)"
_NAME_OR_ID = r"[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?|[1-9][0-9]{0,19}"
_MOST_PRIORITY = 65535


class ServiceRefused(Exception):
    """The service said no; the message is its own."""


@dataclass(frozen=True)
class Reference:
    """A resource of a project: `collection` is `routes` or `networks`."""

    project: str
    collection: str
    name: str

    @property
    def path(self) -> str:
        """As the service's errors name it: `projects/lab/global/routes/k8s-master`."""
        return f"projects/{self.project}/global/{self.collection}/{self.name}"

    @property
    def link(self) -> str:
        """As the service spells it in full: `https://www.googleapis.com/compute/v1/projects/lab/global/…`."""
        return f"https://www.googleapis.com/compute/v1/{self.path}"


@dataclass(frozen=True)
class Request:
    """What `routes.insert` is sent, as it was typed."""

    network: Reference
    destination: str
    next_hop: str
    priority: int
    description: str


def read_reference(text: str, collection: str, project: str = PROJECT) -> Reference:
    """Read a resource as it may be typed: its name, its path or its link."""
    found = re.fullmatch(_LINK, text)
    if found and found[2] == collection:
        return Reference(found[1], collection, found[3])
    return Reference(project, collection, text)


def record_of(route: CloudRoute) -> Record:
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


@dataclass(frozen=True)
class Service:
    """The routes of the lab's project, as the service shows and changes them.

    All methods raise `ServiceRefused`; what the lab's cloud refuses is worded as it says it.
    """

    cloud: Cloud
    lab: Lab

    def records(self, project: str) -> list[Record]:
        """All routes, in the order of their names."""
        if project != PROJECT:
            raise ServiceRefused(f"The resource 'projects/{project}' was not found")
        try:
            return [record_of(route) for route in self.cloud.routes()]
        except LabError as error:
            raise _refusal_of(error) from None

    def get(self, route: Reference) -> Record:
        """One route."""
        records = self.records(route.project)
        if not re.fullmatch(_NAME_OR_ID, route.name):
            regex = f"Must be a match of regex '{_NAME_OR_ID}'"
            raise ServiceRefused(f"Invalid value for field 'route': '{route.name}'. {regex}")
        found = [each for each in records if each["name"] == route.name]
        if not found:
            raise ServiceRefused(f"The resource '{route.path}' was not found")
        return found[0]

    def insert(self, route: Reference, request: Request) -> Record:
        """Create a route. Two of them may have the same range: the lower priority wins."""
        names = [each["name"] for each in self.records(route.project)]
        if not re.fullmatch(_NAME, route.name):
            _refuse("name", route.name, f"Must be a match of regex '{_NAME}'")
        wanted = CloudRoute(
            name=route.name,
            destination=self._check_destination(request.destination),
            priority=_check_priority(request.priority),
            network=self._check_network(request.network),
            next_hop=self._check_next_hop(request.next_hop),
            description=request.description,
        )
        if route.name in names:
            raise ServiceRefused(f"The resource '{route.path}' already exists")
        try:
            self.cloud.create(wanted)
        except LabError as error:
            raise _refusal_of(error) from None
        return record_of(wanted)

    def delete(self, route: Reference) -> None:
        """Delete a route."""
        self.get(route)
        try:
            self.cloud.delete(route.name)
        except LabError as error:
            raise _refusal_of(error) from None

    def _check_network(self, network: Reference) -> str:
        """Find a network; a project has `default` beside the lab's own."""
        if network.project != PROJECT or network.name not in (self.lab.network, "default"):
            raise ServiceRefused(f"The resource '{network.path}' was not found")
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
            _refuse("destRange", text, "Must be a CIDR address range.")
        if wanted.subnet_of(self.lab.node_range):
            hidden = f"{text} hides the address space of the network ({self.lab.node_range})."
            _refuse("destRange", text, f"{hidden} Cannot change the routing of packets destined for the network.")
        return str(wanted)

    def _check_next_hop(self, text: str) -> str:
        """Check a next hop: an address in the nodes' range, whether or not a node has it (own words)."""
        try:
            address = IPv4Address(text)
        except AddressValueError:
            _refuse("nextHopIp", text, "Must be an IPv4 address.")
        if address not in self.lab.node_range:
            _refuse("nextHopIp", text, f"Must be an address in the range of the network ({self.lab.node_range}).")
        return str(address)


def _check_priority(number: int) -> int:
    """Check a priority, 0 (first) to 65535 (routes reference of compute v1; own words)."""
    if number < 0:
        _refuse("priority", str(number), "Must be greater than or equal to 0.")
    if number > _MOST_PRIORITY:
        _refuse("priority", str(number), f"Must be less than or equal to {_MOST_PRIORITY}.")
    return number


def _refuse(field: str, value: str, why: str) -> Never:
    raise ServiceRefused(f"Invalid value for field 'resource.{field}': '{value}'. {why}")


def _refusal_of(error: LabError) -> ServiceRefused:
    return ServiceRefused(f"{error.what} ({error.hint})" if error.hint else error.what)
