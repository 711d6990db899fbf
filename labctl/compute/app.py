"""The compute service as a pure function: an HTTP request in, an HTTP answer out (REST reference of compute v1).

What the course needs of it: routes and networks (insert, get, list, delete), the operations that these give, the
project and its one region. Everything is done when it is answered: an operation is DONE, and is known by what it did.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote

from labctl.compute.batch import respond_to_all
from labctl.compute.listing import choose
from labctl.compute.message import Request, Response, as_response
from labctl.compute.refusal import ServiceRefused, malformed, not_found
from labctl.world.gcloud.reference import NETWORK_FIELDS, PREFIX, PROJECT, REGION, ROUTE_FIELDS, SERVICE, Reference

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labctl.compute.service import Service
    from labctl.world.gcloud.reference import Record

BATCH = "/batch/compute/v1"
_COLLECTIONS = ("routes", "networks")
_FIELDS = {"routes": ROUTE_FIELDS, "networks": NETWORK_FIELDS, "regions": ("kind", "name", "selfLink", "status")}
_OPERATION = r"operation-(insert|delete)-(routes|networks)-([a-z][-a-z0-9]*)"


def respond(service: Service, request: Request) -> Response:
    """Do what a request asks for."""
    try:
        if (request.method, request.target.partition("?")[0]) == ("POST", BATCH):
            return respond_to_all(request, lambda each: _respond_to_one(service, each))
    except ServiceRefused as refused:
        return as_response(refused.code, refused.as_json())
    return _respond_to_one(service, request)


def _respond_to_one(service: Service, request: Request) -> Response:
    try:
        path, _, query = request.target.partition("?")
        if not path.startswith(PREFIX):
            raise _no_such_url(request)
        parts = [unquote(part) for part in path.removeprefix(PREFIX).split("/")]
        if len(parts) < 2 or parts[0] != "projects":  # noqa: PLR2004 (projects/PROJECT)
            raise _no_such_url(request)
        if parts[1] != PROJECT:
            raise not_found(f"projects/{parts[1]}")
        return as_response(200, _Project(service, request, dict(parse_qsl(query))).answer(parts[2:]))
    except ServiceRefused as refused:
        return as_response(refused.code, refused.as_json())


def _no_such_url(request: Request) -> ServiceRefused:
    url = request.target.partition("?")[0][:200]
    return ServiceRefused(f"The requested URL {url} was not found for {request.method}.", 404, "notFound", "NOT_FOUND")


@dataclass(frozen=True)
class _Project:
    service: Service
    request: Request
    query: Mapping[str, str]

    def answer(self, parts: list[str]) -> Record:
        """Answer what is asked of the parts of a path that follow the project."""
        match (self.request.method, *parts):
            case ("GET",):
                return _project()
            case ("GET", "regions"):
                return self._list([_region()], "region", f"projects/{PROJECT}/regions")
            case ("GET", "regions", name):
                if name != REGION:
                    raise not_found(f"projects/{PROJECT}/regions/{name}")
                return _region()
            case ("GET", "global", "operations"):
                return self._list([], "operation", f"projects/{PROJECT}/global/operations")
            case ("GET", "global", "operations", name) | ("POST", "global", "operations", name, "wait"):
                return self._operation(name)
            case (method, "global", str(collection), *rest) if collection in _COLLECTIONS:
                return self._resource(method, collection, rest)
        raise _no_such_url(self.request)

    def _resource(self, method: str, collection: str, rest: list[str]) -> Record:
        match (method, *rest):
            case ("GET",):
                kind = collection.removesuffix("s")
                return self._list(self.service.records(collection), kind, f"projects/{PROJECT}/global/{collection}")
            case ("POST",):
                return _done("insert", collection, self.service.insert(collection, self._read_body()))
            case ("GET", name):
                return self.service.get(collection, name)
            case ("DELETE", name):
                self.service.delete(collection, name)
                return _done("delete", collection, name)
        raise _no_such_url(self.request)

    def _read_body(self) -> Record:
        if self.request.media_type not in ("", "application/json"):
            raise malformed(f"Unsupported content with type: {self.request.media_type}", "badContent")
        try:
            body = json.loads(self.request.body)
        except (ValueError, RecursionError):
            raise malformed("Parse Error", "parseError") from None
        if not isinstance(body, dict):
            raise malformed("Parse Error", "parseError")
        return body

    def _list(self, records: list[Record], kind: str, path: str) -> Record:
        page, token = choose(records, _FIELDS.get(path.rpartition("/")[2], ("name",)), self.query)
        answer: Record = {"kind": f"compute#{kind}List", "id": path, "items": page, "selfLink": SERVICE + path}
        if not page:
            # An empty list has no items at all, as Google sends it.
            del answer["items"]
        return answer | ({"nextPageToken": token} if token else {})

    def _operation(self, name: str) -> Record:
        """An operation by its name, if what it is said to have done is so."""
        found = re.fullmatch(_OPERATION, name)
        if found:
            kind, collection, target = found.groups()
            there = target in (each["name"] for each in self.service.records(collection))
            if there is (kind == "insert"):
                return _done(kind, collection, target)
        raise not_found(f"projects/{PROJECT}/global/operations/{name}")


def _done(kind: str, collection: str, name: str) -> Record:
    own = f"operation-{kind}-{collection}-{name}"
    return {
        "kind": "compute#operation",
        "name": own,
        "operationType": kind,
        "progress": 100,
        "selfLink": Reference(PROJECT, "operations", own).link,
        "status": "DONE",
        "targetLink": Reference(PROJECT, collection, name).link,
    }


def _project() -> Record:
    return {"kind": "compute#project", "name": PROJECT, "selfLink": f"{SERVICE}projects/{PROJECT}"}


def _region() -> Record:
    link = f"{SERVICE}projects/{PROJECT}/regions/{REGION}"
    return {"kind": "compute#region", "name": REGION, "selfLink": link, "status": "UP"}
