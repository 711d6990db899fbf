"""An HTTP request and its answer, as values."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labctl.world.gcloud.reference import Record

JSON = "application/json; charset=UTF-8"


@dataclass(frozen=True)
class Request:
    """What a client sent: the target is a path with its query, the content type that of the body (empty: none said)."""

    method: str
    target: str
    body: bytes = b""
    content_type: str = ""

    @property
    def media_type(self) -> str:
        """The content type without its parameters."""
        return self.content_type.partition(";")[0].strip().lower()


@dataclass(frozen=True)
class Response:
    """What the service answers."""

    status: int
    content: bytes
    content_type: str = JSON


def as_response(status: int, body: Record) -> Response:
    """JSON as it goes over the wire; Google's own is indented too."""
    return Response(status, json.dumps(body, indent=2).encode() + b"\n")
