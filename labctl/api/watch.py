"""A watch: a stream of what comes, changes and goes, a JSON object a line (Kubernetes API concepts, "Watch")."""

from __future__ import annotations

import asyncio
import json
import math
from typing import TYPE_CHECKING

from labctl.api.status import Refusal, internal_error
from labctl.api.store import ADDED, DELETED, MODIFIED
from labctl.errors import LabError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from labctl.api.kind import Json, Kind
    from labctl.api.query import Query
    from labctl.api.store import Change, Collection, Store

BEAT = 1.0
"""Seconds between two looks. All watchers look at the same moments, and so share one look."""


async def watch(
    store: Store, kind: Kind, query: Query, began: Collection, shape: Callable[[Json], Json]
) -> AsyncIterator[bytes]:
    """Tell of each change since the version that is asked for (0: of what there is, first) until the time is up."""
    loop = asyncio.get_running_loop()
    end = loop.time() + query.seconds
    version, collection = query.version or began.seen.version, began
    try:
        if not query.version:
            for each in began.seen.objects:
                if query.selection.holds(kind, each):
                    yield _line(ADDED, shape(each))
        while True:
            for change in collection.since(version):
                version = change.version
                if event := _event(kind, query, change):
                    what, an_object = event
                    yield _line(what, shape(an_object))
            beat = (math.floor(loop.time() / BEAT) + 1) * BEAT
            if beat > end:
                return
            await asyncio.sleep(beat - loop.time())
            collection = await store.fresh(kind, beat)
    except Refusal as refusal:
        yield _line("ERROR", refusal.as_json())
    except LabError as error:
        # The answer has begun: that the lab cannot be looked at any more must come as an event.
        yield _line("ERROR", internal_error(error.what).as_json())


def _event(kind: Kind, query: Query, change: Change) -> tuple[str, Json] | None:
    """What a change is to who watches these objects only: one that no longer meets the selection is gone."""
    old = change.old if change.old and query.selection.holds(kind, change.old) else None
    new = change.new if change.new and query.selection.holds(kind, change.new) else None
    if new is not None:
        return (MODIFIED if old is not None else ADDED), new
    if old is not None:
        last = change.new or old
        return DELETED, {**last, "metadata": {**last["metadata"], "resourceVersion": str(change.version)}}
    return None


def _line(what: str, an_object: Json) -> bytes:
    return json.dumps({"type": what, "object": an_object}, separators=(",", ":")).encode() + b"\n"
