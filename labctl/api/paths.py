"""What a path of the API names: read segment by segment, each decoded on its own, so that none can lead elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from labctl.api.status import bad_request
from labctl.model.value import Value

if TYPE_CHECKING:
    from collections.abc import Iterable

    from labctl.api.kind import Kind

LONGEST = 2048
"""Characters of a path; names have at most 253."""


class Asked(Value):
    """The objects of a kind: in one namespace or (empty) in all, one by its name or (empty) all; then the rest."""

    kind: Kind
    namespace: str = ""
    name: str = ""
    beyond: tuple[str, ...] = ()


def segments(raw: bytes) -> tuple[str, ...]:
    """The decoded segments of a raw path; a slash at the end makes no difference.

    Raises:
        Refusal: 400, it is no path, or not UTF-8.
    """
    if not raw.startswith(b"/") or len(raw) > LONGEST:
        raise bad_request("the request's target is not a path")
    if raw == b"/":
        return ()
    try:
        found = [unquote_to_bytes(each).decode() for each in raw[1:].removesuffix(b"/").split(b"/")]
    except UnicodeDecodeError:
        raise bad_request("the request's path is not UTF-8") from None
    return tuple(found)


def find(path: tuple[str, ...], kinds: Iterable[Kind]) -> Asked | None:
    """Read `/api/v1/…` or `/apis/GROUP/VERSION/…`; None if it names no kind that there is."""
    match path:
        case ("api", version, *rest):
            group = ""
        case ("apis", group, version, *rest) if group:
            pass
        case _:
            return None
    known = {kind.plural: kind for kind in kinds if (kind.group, kind.version) == (group, version)}
    match rest:
        # A namespace's own kinds come first: `namespaces/default/pods` is no part of the namespace default.
        case ("namespaces", namespace, plural, *more) if namespace and plural in known and known[plural].namespaced:
            return _asked(known[plural], namespace, more)
        case (plural, *more) if plural in known and not known[plural].namespaced:
            return _asked(known[plural], "", more)
        case (plural,) if plural in known:
            return Asked(known[plural])
    return None


def _asked(kind: Kind, namespace: str, more: list[str]) -> Asked | None:
    match more:
        case ():
            return Asked(kind, namespace)
        case (name, *beyond) if name:
            return Asked(kind, namespace, name, tuple(beyond))
    return None
