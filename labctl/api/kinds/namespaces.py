"""Namespaces: they hold the names of other objects apart, and are nothing in the kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labctl.api.durations import spell_age
from labctl.api.kind import AGE, BY_NAME, NAME, Column, Json, Kind, born_at, describe, name_fields

if TYPE_CHECKING:
    from labctl.api.view import View


def _find(view: View) -> list[Json]:
    return [
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": describe(
                view, name, identity="namespace", born=view.born, labels={"kubernetes.io/metadata.name": name}
            ),
            "spec": {},
            "status": {"phase": "Active"},
        }
        for name in view.namespaces
    ]


def _cells(namespace: Json, now: float) -> list[Any]:
    return [namespace["metadata"]["name"], namespace["status"]["phase"], spell_age(born_at(namespace), now)]


def _fields(namespace: Json) -> dict[str, str]:
    return name_fields(namespace) | {"status.phase": namespace["status"]["phase"]}


NAMESPACES = Kind(
    plural="namespaces",
    singular="namespace",
    name="Namespace",
    namespaced=False,
    find=_find,
    columns=(NAME, Column("Status", description="The status of the namespace"), AGE),
    cells=_cells,
    fields=_fields,
    selectable=BY_NAME | {"status.phase"},
    short_names=("ns",),
)
