"""Lists in chunks (`limit` and `continue`): what is left of one waits under a token, as it was when it began."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from typing import TYPE_CHECKING

from labctl.api.status import expired
from labctl.model.value import Value

if TYPE_CHECKING:
    from labctl.api.kind import Json, Kind
    from labctl.api.query import Selection

_MOST = 64
"""Lists that wait; the one that has waited longest goes first."""

_GONE = (
    "The provided continue parameter is too old to display a consistent list result. You must start a new list "
    "without the continue parameter."
)


class Chunk(Value):
    """A part of a list, the version of the whole, and, if there is more, under which token, and how much."""

    objects: tuple[Json, ...]
    version: int
    token: str = ""
    remaining: int = 0


class _Waiting(Value):
    kind: str
    selection: Selection
    objects: tuple[Json, ...]
    version: int


class Chunks:
    """The lists that have begun and not ended."""

    def __init__(self) -> None:
        """None yet."""
        self._waiting: OrderedDict[str, _Waiting] = OrderedDict()

    def begin(self, kind: Kind, selection: Selection, objects: tuple[Json, ...], version: int, limit: int) -> Chunk:
        """The first `limit` of these objects; 0 is all."""
        if not limit or len(objects) <= limit:
            return Chunk(objects, version)
        token = secrets.token_urlsafe(24)
        self._waiting[token] = _Waiting(kind.qualified, selection, objects[limit:], version)
        if len(self._waiting) > _MOST:
            self._waiting.popitem(last=False)
        return Chunk(objects[:limit], version, token, len(objects) - limit)

    def go_on(self, kind: Kind, selection: Selection, token: str, limit: int) -> Chunk:
        """The next ones of a list; asked again with the same token, the same again.

        Raises:
            Refusal: 410, nothing waits under this token, or another list does.
        """
        waiting = self._waiting.get(token)
        if waiting is None or (waiting.kind, waiting.selection) != (kind.qualified, selection):
            raise expired(_GONE)
        self._waiting.move_to_end(token)
        return self.begin(kind, selection, waiting.objects, waiting.version, limit)
