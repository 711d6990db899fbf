"""Objects as rows of a Table (metav1.Table), which is what `kubectl get` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labctl.api.status import bad_request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labctl.api.kind import Json, Kind

INCLUDED = ("Metadata", "Object", "None")
"""How much of the object goes with a row (the parameter `includeObject`)."""


def read_included(text: str) -> str:
    """Read `includeObject`; not given, it is Metadata.

    Raises:
        Refusal: 400, it is none of the three.
    """
    if text and text not in INCLUDED:
        raise bad_request(f'unrecognized includeObject value: "{text}"; expected one of {", ".join(INCLUDED)}')
    return text or INCLUDED[0]


def as_table(  # noqa: PLR0913 (a table's parts)
    kind: Kind, objects: Sequence[Json], metadata: Json, now: float, included: str, *, with_columns: bool = True
) -> Json:
    """A Table of objects. In a watch only the first one names the columns, as the real server has it."""
    columns: list[Json] | None = None
    if with_columns:
        columns = [
            {
                "name": each.name,
                "type": each.kind,
                "format": each.format,
                "description": each.description,
                "priority": each.priority,
            }
            for each in kind.columns
        ]
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": columns,
        "rows": [_row(kind, each, now, included) for each in objects],
    }


def _row(kind: Kind, an_object: Json, now: float, included: str) -> dict[str, Any]:
    row: dict[str, Any] = {"cells": kind.cells(an_object, now)}
    if included != "None":
        row["object"] = an_object if included == "Object" else as_metadata(an_object)
    return row


def as_metadata(an_object: Json) -> Json:
    """An object without all but its metadata."""
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": an_object["metadata"],
    }
