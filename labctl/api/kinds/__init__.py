"""The kinds of objects that there are, one a file."""

from __future__ import annotations

from labctl.api.kinds.endpoints import ENDPOINTS, SLICES
from labctl.api.kinds.events import EVENTS
from labctl.api.kinds.namespaces import NAMESPACES
from labctl.api.kinds.nodes import NODES
from labctl.api.kinds.pods import PODS
from labctl.api.kinds.services import SERVICES

KINDS = (ENDPOINTS, EVENTS, NAMESPACES, NODES, PODS, SERVICES, SLICES)
