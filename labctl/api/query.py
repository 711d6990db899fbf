"""What a list or a watch is to hold: selectors, chunks, since when; read from the query and checked whole."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from labctl.api.selectors import FieldTerm, Requirement, parse_fields, parse_labels
from labctl.api.status import Refusal, bad_request
from labctl.api.table import read_included
from labctl.model.value import Value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labctl.api.kind import Json, Kind

_LONGEST, _MOST_PARAMETERS = 16384, 64
_NUMBER = re.compile(r"[0-9]{1,18}")
_TRUE, _FALSE = ("1", "t", "T", "true", "TRUE", "True", ""), ("0", "f", "F", "false", "FALSE", "False")
_LONGEST_WATCH = 3600


class Selection(Value):
    """Which objects: those that meet all of it."""

    namespace: str = ""
    name: str = ""
    labels: tuple[Requirement, ...] = ()
    fields: tuple[FieldTerm, ...] = ()

    def holds(self, kind: Kind, an_object: Json) -> bool:
        """Tell whether an object is one of them."""
        metadata = an_object["metadata"]
        if self.namespace and metadata.get("namespace") != self.namespace:
            return False
        if self.name and metadata["name"] != self.name:
            return False
        labels = metadata.get("labels", {})
        if not all(each.holds(labels) for each in self.labels):
            return False
        fields = kind.fields(an_object) if self.fields else {}
        return all(each.holds(fields) for each in self.fields)


class Query(Value):
    """The parameters that are understood; others are passed over, as the real server does."""

    selection: Selection
    watch: bool = False
    version: int = 0
    limit: int = 0
    going_on: str = ""
    seconds: int = _LONGEST_WATCH
    included: str = "Metadata"


def read_parameters(raw: bytes) -> dict[str, str]:
    """The parameters of a query string; of one that is there twice, the first.

    Raises:
        Refusal: 400, it is too long or not UTF-8.
    """
    if len(raw) > _LONGEST:
        raise bad_request(f"the query has more than {_LONGEST} characters")
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_PARAMETERS)
    except ValueError:
        raise bad_request("the query cannot be read: it has too many parameters, or is not UTF-8") from None
    return dict(reversed(pairs))


def read_query(told: Mapping[str, str], kind: Kind, namespace: str, name: str) -> Query:
    """Read the parameters of a list.

    Raises:
        Refusal: 400, one is not well formed; 422, it asks for what is not there.
    """
    watch = _switch(told, "watch")
    if _switch(told, "sendInitialEvents"):
        message = (
            'ListOptions.meta.k8s.io "" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden for '
            "watch unless the WatchList feature gate is enabled"
        )
        raise Refusal(422, "Invalid", message, {"group": "meta.k8s.io", "kind": "ListOptions"})
    selection = Selection(
        namespace,
        name,
        parse_labels(told.get("labelSelector", "")),
        parse_fields(told.get("fieldSelector", ""), kind.selectable),
    )
    return Query(
        selection,
        watch,
        _whole(told, "resourceVersion"),
        _whole(told, "limit"),
        told.get("continue", ""),
        min(_whole(told, "timeoutSeconds") or _LONGEST_WATCH, _LONGEST_WATCH),
        read_included(told.get("includeObject", "")),
    )


def _switch(told: Mapping[str, str], name: str) -> bool:
    if name not in told:
        return False
    if told[name] not in _TRUE + _FALSE:
        raise bad_request(f'strconv.ParseBool: parsing "{told[name]}": invalid syntax')
    return told[name] in _TRUE


def _whole(told: Mapping[str, str], name: str) -> int:
    text = told.get(name, "")
    if text and not _NUMBER.fullmatch(text):
        raise bad_request(f'{name}: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax')
    return int(text or 0)
