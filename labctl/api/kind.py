"""What a kind of object is to the API: its names, where its objects are found, and how a table shows them."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, TypeAlias

from labctl.api.durations import spell_time
from labctl.model.value import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from labctl.api.view import View

Json: TypeAlias = "dict[str, Any]"

# A name space of labctl's own (RFC 9562, version 5): what is the same thing has the same uid, and nothing else has it.
_UIDS = uuid.uuid5(uuid.NAMESPACE_DNS, "kubernetes-network-lab")


class Column(Value):
    """A column of a Table; those of `priority` 0 are always shown, the others with `-o wide`."""

    name: str
    priority: int = 0
    kind: str = "string"
    format: str = ""
    description: str = ""


class Kind(Value):
    """One kind. `find` gives its objects, `cells` a table's row of one, `fields` what field selectors may ask."""

    plural: str
    singular: str
    name: str
    namespaced: bool
    find: Callable[[View], list[Json]]
    columns: tuple[Column, ...]
    cells: Callable[[Json, float], list[Any]]
    fields: Callable[[Json], Mapping[str, str]]
    selectable: frozenset[str]
    group: str = ""
    version: str = "v1"
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()

    @property
    def api_version(self) -> str:
        """`v1`, or `discovery.k8s.io/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """`pods`, or `endpointslices.discovery.k8s.io`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


NAME = Column("Name", format="name", description="Name must be unique within a namespace.")
AGE = Column("Age", description="How long it has been there.")
BY_NAME = frozenset({"metadata.name", "metadata.namespace"})


def name_fields(an_object: Json) -> dict[str, str]:
    """The two fields by which objects of every kind can be selected."""
    metadata = an_object["metadata"]
    return {"metadata.name": metadata["name"], "metadata.namespace": metadata.get("namespace", "")}


def describe(  # noqa: PLR0913 (all that metadata is made of)
    view: View,
    name: str,
    namespace: str = "",
    *,
    identity: str,
    born: float | None,
    labels: Mapping[str, str] | None = None,
) -> Json:
    """The metadata of an object; `identity` tells it from a later one of the same name in the same world."""
    metadata: Json = {"name": name}
    if namespace:
        metadata["namespace"] = namespace
    metadata["uid"] = str(uuid.uuid5(_UIDS, f"{view.world}/{namespace}/{name}/{identity}"))
    metadata["creationTimestamp"] = spell_time(born)
    if labels:
        metadata["labels"] = dict(labels)
    return metadata


def born_at(an_object: Json) -> float | None:
    """When an object came about, in seconds since 1970; None where nobody knows."""
    from datetime import datetime

    text = an_object["metadata"]["creationTimestamp"]
    return None if text is None else datetime.fromisoformat(text).timestamp()
