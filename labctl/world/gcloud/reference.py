"""Resources of the compute service by name: what a person types, what a request says, what an answer links to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, TypeAlias

PROJECT = "lab"
"""The one project of the lab's cloud."""
REGION = "us-central1"
"""Its one region."""
PREFIX = "/compute/v1/"
SERVICE = f"https://www.googleapis.com{PREFIX}"
"""Where Google's own resources are, as they themselves say (`selfLink`)."""

Record: TypeAlias = "dict[str, Any]"

ROUTE_FIELDS = ("description", "destRange", "kind", "name", "network", "nextHopIp", "priority", "selfLink")
"""What a route has."""
NETWORK_FIELDS = ("autoCreateSubnetworks", "description", "kind", "name", "routingConfig", "selfLink")
"""What a network has."""
FIELDS = (*ROUTE_FIELDS, *NETWORK_FIELDS, "x_gcloud_bgp_routing_mode", "x_gcloud_subnet_mode")
"""What the client shows of both; the last two are its own."""
_LINK = rf"(?:https?://[^/]+{PREFIX})?projects/([^/]+)/global/([a-z]+)/([^/]+)"


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
        return f"{SERVICE}{self.path}"


def read_reference(text: str, collection: str, project: str = PROJECT) -> Reference:
    """Read a resource as it may be typed: its name, its path or its link."""
    found = re.fullmatch(_LINK, text)
    if found and found[2] == collection:
        return Reference(found[1], collection, found[3])
    return Reference(project, collection, text)
