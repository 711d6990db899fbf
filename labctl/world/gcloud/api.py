"""The compute service as the small client sees it: resources by reference, over whatever carries a request there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import quote

from labctl.world.gcloud.reference import PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable

    from labctl.world.gcloud.reference import Record, Reference

Ask: TypeAlias = "Callable[[str, str, Record | None], tuple[int, Any]]"
"""Sends method, target and JSON body (None: none); gives status and JSON."""
_OK = 200


class ServiceRefused(Exception):
    """The service said no; the message is its own."""


@dataclass(frozen=True)
class Api:
    """The service. All methods raise `ServiceRefused`."""

    ask: Ask

    def get(self, path: str) -> Record:
        """One resource, by the path that its link ends with (`projects/lab/regions/us-central1`)."""
        return self._ask("GET", path)

    def records(self, project: str, collection: str) -> list[Record]:
        """All resources of a collection."""
        found: list[Record] = []
        path = f"projects/{project}/global/{collection}"
        page = self.get(path)
        found += page.get("items", [])
        while token := page.get("nextPageToken"):
            page = self._ask("GET", path, query=f"?pageToken={quote(token)}")
            found += page.get("items", [])
        return found

    def insert(self, resource: Reference, body: Record) -> Record:
        """Create a resource; give it as it is then."""
        self._ask("POST", f"projects/{resource.project}/global/{resource.collection}", body)
        return self.get(resource.path)

    def delete(self, resource: Reference) -> None:
        """Delete a resource."""
        self._ask("DELETE", resource.path)

    def _ask(self, method: str, path: str, body: Record | None = None, query: str = "") -> Record:
        # A name is a name, whatever is typed: `a?b` must not become a, nor `%61`.
        status, answer = self.ask(method, f"{PREFIX}{quote(path)}{query}", body)
        if status == _OK and isinstance(answer, dict):
            return answer
        error = answer.get("error", {}) if isinstance(answer, dict) else {}
        raise ServiceRefused(str(error.get("message") or f"HTTP status {status}"))
