"""The application: takes a request apart, has it looked up, and puts the answer together.

Requests and answers are starlette's; its router is not used, for it answers by itself, and not with a `Status`.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse

from labctl.api import accept, discovery, paths
from labctl.api.chunks import Chunks
from labctl.api.gate import check_caller, check_head, read_body
from labctl.api.kinds import KINDS
from labctl.api.query import Query, read_parameters, read_query
from labctl.api.status import (
    Refusal,
    internal_error,
    method_not_allowed,
    no_method_here,
    no_such_path,
    not_found,
    too_many,
)
from labctl.api.table import as_metadata, as_table
from labctl.api.watch import watch
from labctl.errors import LabError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from starlette.types import Receive, Scope, Send

    from labctl.api.kind import Json
    from labctl.api.paths import Asked
    from labctl.api.store import Collection, Store

_READS = ("GET", "HEAD")
_ALLOWED = {"Allow": "GET, HEAD, OPTIONS"}
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_OBJECTS = frozenset({accept.OBJECT, accept.TABLE, accept.METADATA})
_LISTS = frozenset({accept.OBJECT, accept.DISCOVERY})
_PLAIN = frozenset({accept.OBJECT})
_MOST_WATCHERS = 256
_ALIVE = ("healthz", "livez", "readyz")


class Api:
    """The API server, as an ASGI application."""

    def __init__(self, store: Store, tokens: tuple[str, ...], version: Json, address: str, patience: float) -> None:
        """`version` is what `/version` answers, `address` where this is; `patience` in seconds is for slow callers."""
        self._store, self._tokens, self._version = store, tokens, version
        self._address, self._patience = address, patience
        self._chunks = Chunks()
        self._watching = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; what goes wrong is a `Status` too."""
        request = Request(scope, receive)
        try:
            answer = await self._answer(request)
        except ClientDisconnect:
            return
        await answer(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        try:
            check_head(request.scope)
            check_caller(request.headers, self._tokens)
            await read_body(request, self._patience)
        except Refusal as refusal:
            # What is left of the request is not read.
            return _refuse(refusal, {"Connection": "close"})
        try:
            return await self._route(request)
        except Refusal as refusal:
            return _refuse(refusal, _ALLOWED if refusal.code == 405 else {})  # noqa: PLR2004 (RFC 9110, 15.5.6)
        except LabError as error:
            return _refuse(internal_error(error.what), {})
        except ClientDisconnect:
            raise
        except Exception as error:  # noqa: BLE001 (a defect of ours is not the caller's to read)
            print(f"kube-apiserver: {type(error).__name__}: {error}", file=sys.stderr, flush=True)  # noqa: T201 (its log)
            return _refuse(internal_error("the server has a defect"), {})

    async def _route(self, request: Request) -> Response:
        path = paths.segments(request.scope["raw_path"])
        told = read_parameters(request.scope["query_string"])
        asked = paths.find(path, KINDS)
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=_ALLOWED)
        if request.method not in _READS:
            raise self._refuse_write(request.method, asked)
        header = ",".join(request.headers.getlist("accept"))
        if asked is not None:
            return await self._objects(asked, told, header)
        return self._plain(path, told, header)

    def _refuse_write(self, method: str, asked: Asked | None) -> Refusal:
        if asked is None or asked.beyond or method not in _VERBS:
            return no_method_here()
        verb = "deletecollection" if method == "DELETE" and not asked.name else _VERBS[method]
        return method_not_allowed(verb, asked.kind.plural, asked.kind.group)

    def _plain(self, path: tuple[str, ...], told: Mapping[str, str], header: str) -> Response:
        """What is no object: discovery, the version, and whether we are alive."""
        if path and path[0] in _ALIVE:
            return Response("ok", media_type="text/plain")
        found = self._document(path)
        if found is None:
            raise no_such_path()
        whole = path in {("api",), ("apis",)}
        if accept.choose(header, _LISTS if whole else _PLAIN) == accept.DISCOVERY:
            media = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
            return _reply(discovery.aggregated(KINDS, core=path == ("api",)), told, media)
        return _reply(found, told)

    def _document(self, path: tuple[str, ...]) -> Json | None:
        match path:
            case ():
                return {"paths": ["/api", "/api/v1", "/apis", "/healthz", "/livez", "/readyz", "/version"]}
            case ("version",):
                return self._version
            case ("api",):
                return discovery.core_versions(self._address)
            case ("apis",):
                return discovery.group_list(KINDS)
            case _:
                return discovery.find(path, KINDS)

    async def _objects(self, asked: Asked, told: Mapping[str, str], header: str) -> Response:
        form = accept.choose(header, _OBJECTS)
        query = read_query(told, asked.kind, asked.namespace, asked.name)
        if asked.beyond:
            raise no_such_path()
        collection = await self._store.fresh(asked.kind, asyncio.get_running_loop().time())
        if query.watch:
            return self._watch(asked, query, collection, form)
        if asked.name:
            return self._one(asked, query, collection, told, form)
        return self._list(asked, query, collection, told, form)

    def _one(self, asked: Asked, query: Query, collection: Collection, told: Mapping[str, str], form: str) -> Response:
        kind = asked.kind
        wanted = (asked.namespace, asked.name)
        for each in collection.seen.objects:
            metadata = each["metadata"]
            if (metadata.get("namespace", ""), metadata["name"]) == wanted:
                if form == accept.TABLE:
                    of_it = {"resourceVersion": metadata["resourceVersion"]}
                    return _reply(as_table(kind, [each], of_it, time.time(), query.included), told)
                return _reply(as_metadata(each) if form == accept.METADATA else each, told)
        raise not_found(kind.plural, kind.group, asked.name)

    def _list(self, asked: Asked, query: Query, collection: Collection, told: Mapping[str, str], form: str) -> Response:
        kind, selection = asked.kind, query.selection
        if query.going_on:
            chunk = self._chunks.go_on(kind, selection, query.going_on, query.limit)
        else:
            chosen = tuple(each for each in collection.seen.objects if selection.holds(kind, each))
            chunk = self._chunks.begin(kind, selection, chosen, collection.seen.version, query.limit)
        metadata: Json = {"resourceVersion": str(chunk.version)}
        if chunk.token:
            metadata["continue"] = chunk.token
            # The real server does not count what it would have to select first.
            if not selection.labels and not selection.fields:
                metadata["remainingItemCount"] = chunk.remaining
        if form == accept.TABLE:
            return _reply(as_table(kind, chunk.objects, metadata, time.time(), query.included), told)
        items: list[Json] = list(chunk.objects)
        if form == accept.METADATA:
            items = [as_metadata(each) for each in items]
            whole = {"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1"}
        else:
            whole = {"kind": f"{kind.name}List", "apiVersion": kind.api_version}
        return _reply({**whole, "metadata": metadata, "items": items}, told)

    def _watch(self, asked: Asked, query: Query, collection: Collection, form: str) -> Response:
        shape = {accept.OBJECT: _same, accept.METADATA: as_metadata}.get(form) or _TableRows(asked, query)
        if query.version:
            collection.since(query.version)  # one that is too old is refused at once
        if self._watching >= _MOST_WATCHERS:
            raise too_many(f"{_MOST_WATCHERS} watch already")
        lines = watch(self._store, asked.kind, query, collection, shape)
        return StreamingResponse(self._counted(lines), media_type="application/json")

    async def _counted(self, lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        self._watching += 1
        try:
            async for line in lines:
                yield line
        finally:
            self._watching -= 1


def _same(an_object: Json) -> Json:
    return an_object


class _TableRows:
    """In a watch each object is a Table of one row; only the first has the columns."""

    def __init__(self, asked: Asked, query: Query) -> None:
        self._make = partial(as_table, asked.kind, included=query.included)
        self._first = True

    def __call__(self, an_object: Json) -> Json:
        first, self._first = self._first, False
        metadata = {"resourceVersion": an_object["metadata"]["resourceVersion"]}
        return self._make([an_object], metadata, time.time(), with_columns=first)


def _reply(found: Json, told: Mapping[str, str], media: str = "application/json") -> Response:
    return Response(_spell(found, pretty=told.get("pretty", "") in ("1", "true")), media_type=media)


def _refuse(refusal: Refusal, headers: Mapping[str, str]) -> Response:
    return Response(_spell(refusal.as_json()), refusal.code, headers, "application/json")


def _spell(found: Any, *, pretty: bool = False) -> bytes:  # noqa: ANN401 (whatever JSON can say)
    text = json.dumps(found, indent=2) if pretty else json.dumps(found, separators=(",", ":"))
    return text.encode() + b"\n"
