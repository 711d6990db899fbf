"""Events: what labctl did in the lab, from its journal, each at the object that it is about."""

from __future__ import annotations

import re
import zlib
from datetime import datetime
from typing import TYPE_CHECKING, Any

from labctl.api.durations import spell_age, spell_time
from labctl.api.kind import BY_NAME, Column, Json, Kind, describe, name_fields
from labctl.model.lab import Place
from labctl.model.namespaces import DEFAULT_NAMESPACE

if TYPE_CHECKING:
    from labctl.api.view import View
    from labctl.engine.journal import Event as Entry

_REASONS = {"create": "Created", "repair": "Repaired", "revert": "Removed"}


def _find(view: View) -> list[Json]:
    found = _Objects(view)
    return [event for entry in view.events if (event := _event(view, found, entry))]


class _Objects:
    """The objects that the journal's keys are about, by the places and names in them."""

    def __init__(self, view: View) -> None:
        self._nodes = {
            seen.node.name: _reference(
                "Node", describe(view, seen.node.name, identity=str(seen.standing.namespace), born=None)
            )
            for seen in view.nodes
        }
        self._pods = {
            str(Place(seen.node.name, seen.name)): _reference(
                "Pod", describe(view, seen.name, seen.namespace, identity=seen.identity, born=None)
            )
            for seen in view.pods
        }

    def about(self, key: str) -> Json | None:
        """The pod, or else the node, that a key such as `veth:master/a` names; None where what it was about is gone."""
        place = re.match(r"[\w-]+:([\w-]+)(?:/([\w-]+))?", key)
        if place is None:
            return None
        node, container = place.groups()
        return self._pods.get(f"{node}/{container}") or self._nodes.get(node)


def _reference(kind: str, metadata: Json) -> Json:
    place = {"namespace": metadata["namespace"]} if "namespace" in metadata else {}
    return {"kind": kind, **place, "name": metadata["name"], "uid": metadata["uid"], "apiVersion": "v1"}


def _event(view: View, found: _Objects, entry: Entry) -> Json | None:
    action, _, key = entry.what.partition(" ") if entry.kind == "did" else ("took_back", "", entry.what)
    about = found.about(key)
    if about is None:
        return None
    moment = datetime.fromisoformat(entry.at).timestamp()
    at = spell_time(moment)
    # As client-go names them: the object, and a number that no other event of it has.
    name = f"{about['name']}.{int(moment * 1000):x}{zlib.crc32(entry.what.encode()):08x}"
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": describe(
            view, name, about.get("namespace", DEFAULT_NAMESPACE), identity=f"{entry.at} {entry.what}", born=moment
        ),
        "involvedObject": about,
        "reason": _REASONS.get(action, "TookBack"),
        "message": f"{action.replace('_', ' ')} {key}",
        "source": {"component": "labctl", **({"host": about["name"]} if about["kind"] == "Node" else {})},
        "firstTimestamp": at,
        "lastTimestamp": at,
        "count": 1,
        "type": "Normal" if action in _REASONS else "Warning",
        "eventTime": None,
        "reportingComponent": "labctl",
        "reportingInstance": "",
    }


def _cells(event: Json, now: float) -> list[Any]:
    about = event["involvedObject"]
    seen = spell_age(datetime.fromisoformat(event["lastTimestamp"]).timestamp(), now)
    return [
        seen,
        event["type"],
        event["reason"],
        f"{about['kind'].lower()}/{about['name']}",
        "",
        event["source"]["component"],
        event["message"],
        seen,
        event["count"],
        event["metadata"]["name"],
    ]


_ABOUT = ("kind", "namespace", "name", "uid", "apiVersion")


def _fields(event: Json) -> dict[str, str]:
    about = event["involvedObject"]
    return name_fields(event) | {
        **{f"involvedObject.{each}": about.get(each, "") for each in _ABOUT},
        "reason": event["reason"],
        "reportingComponent": event["reportingComponent"],
        "source": event["source"]["component"],
        "type": event["type"],
    }


_UNSET = {"involvedObject.resourceVersion", "involvedObject.fieldPath"}

EVENTS = Kind(
    plural="events",
    singular="event",
    name="Event",
    namespaced=True,
    find=_find,
    columns=(
        Column("Last Seen", description="When it happened last"),
        Column("Type", description="Normal, or Warning"),
        Column("Reason", description="What happened, in a word"),
        Column("Object", description="What it is about"),
        Column("Subobject", 1, description="Which part of it"),
        Column("Source", 1, description="Who says so"),
        Column("Message", description="What happened"),
        Column("First Seen", 1, description="When it happened first"),
        Column("Count", 1, "integer", description="How often"),
        Column("Name", 1, format="name", description="The event's own name"),
    ),
    cells=_cells,
    fields=_fields,
    selectable=BY_NAME
    | _UNSET
    | {f"involvedObject.{each}" for each in _ABOUT}
    | {"reason", "reportingComponent", "source", "type"},
    short_names=("ev",),
)
