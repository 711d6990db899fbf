"""In which form the caller wants the answer: the header Accept (RFC 9110, 12.5.1), with Kubernetes' parameters."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from labctl.api.status import not_acceptable
from labctl.model.value import Value

if TYPE_CHECKING:
    from collections.abc import Iterator

OBJECT, TABLE, METADATA, DISCOVERY = "object", "table", "metadata", "discovery"
_ANY = ("application/json", "application/*", "*/*")
_TABLES = ("meta.k8s.io", "v1", "Table")
_METADATA = {("meta.k8s.io", "v1", "PartialObjectMetadata"), ("meta.k8s.io", "v1", "PartialObjectMetadataList")}
_DISCOVERY = ("apidiscovery.k8s.io", "v2", "APIGroupDiscoveryList")
_QUALITY = re.compile(r"0(?:\.\d{0,3})?|1(?:\.0{0,3})?")


class _Range(Value):
    media: str
    parameters: dict[str, str]
    quality: float


def choose(header: str, offered: frozenset[str]) -> str:
    """The form that the caller likes best of those offered.

    Raises:
        Refusal: 406, none of them will do.
    """
    for each in sorted(_ranges(header), key=lambda each: -each.quality):
        form = _form(each)
        if form in offered and each.quality > 0:
            return form
    raise not_acceptable("application/json")


def _ranges(header: str) -> Iterator[_Range]:
    for part in header.split(",") if header.strip() else ("*/*",):
        media, *rest = (word.strip() for word in part.split(";"))
        pairs = (word.partition("=") for word in rest)
        parameters = {key.strip().lower(): value.strip().strip('"') for key, _, value in pairs}
        quality = parameters.pop("q", "1")
        yield _Range(media.lower(), parameters, float(quality) if _QUALITY.fullmatch(quality) else 1.0)


def _form(wanted: _Range) -> str:
    if wanted.media not in _ANY:
        return ""
    told = wanted.parameters
    if "as" not in told:
        return OBJECT
    asked = (told.get("g", ""), told.get("v", ""), told["as"])
    if asked == _TABLES:
        return TABLE
    if asked == _DISCOVERY:
        return DISCOVERY
    return METADATA if asked in _METADATA else ""
