"""What was seen, kind by kind, and what has changed since: the versions by which lists and watches go on.

The kernel numbers nothing, so the versions are this server's own: one more for every change that a look finds. An
object keeps its version as long as it stays as it is.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from labctl.api.status import expired
from labctl.model.value import Value

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from labctl.api.kind import Json, Kind

_REMEMBERED = 1000
"""Changes of a kind; who was away for longer begins anew."""

ADDED, MODIFIED, DELETED = "ADDED", "MODIFIED", "DELETED"


class Change(Value):
    """An object that came, changed or went: as it was and as it is, None where it was or is not there."""

    version: int
    old: Json | None
    new: Json | None


class Seen(Value):
    """All objects of a kind as one look found them, in the order of their names."""

    objects: tuple[Json, ...]
    version: int


class Collection:
    """The objects of one kind, and their latest changes."""

    def __init__(self, version: int) -> None:
        """Nothing has been seen yet; `version` is the first that can be asked for."""
        self._objects: dict[tuple[str, str], Json] = {}
        self._bare: dict[tuple[str, str], Json] = {}
        self._changes: deque[Change] = deque(maxlen=_REMEMBERED)
        self.oldest = version
        self.seen = Seen((), version)

    def take(self, found: list[Json], next_version: Callable[[], int]) -> None:
        """Compare a new look with the last one."""
        now = {_key(each): each for each in found}
        for key in [key for key in self._bare if key not in now]:
            self._note(Change(next_version(), self._objects.pop(key), None))
            del self._bare[key]
        for key, bare in now.items():
            if self._bare.get(key) != bare:
                version = next_version()
                stamped = {**bare, "metadata": {**bare["metadata"], "resourceVersion": str(version)}}
                self._note(Change(version, self._objects.get(key), stamped))
                self._bare[key], self._objects[key] = bare, stamped
        version = self._changes[-1].version if self._changes else self.seen.version
        self.seen = Seen(tuple(self._objects[key] for key in sorted(self._objects)), version)

    def _note(self, change: Change) -> None:
        if len(self._changes) == _REMEMBERED:
            self.oldest = self._changes[0].version
        self._changes.append(change)

    def since(self, version: int) -> tuple[Change, ...]:
        """What has changed after a version.

        Raises:
            Refusal: 410, that is too long ago, or of an earlier server.
        """
        if version < self.oldest:
            raise expired(f"too old resource version: {version} ({self.oldest})")
        return tuple(each for each in self._changes if each.version > version)


def _key(an_object: Json) -> tuple[str, str]:
    metadata = an_object["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


class Store:
    """The collections, and the looks that feed them: one look serves all who asked before it began."""

    def __init__(self, look: Callable[[Kind], Awaitable[list[Json]]], first: int) -> None:
        """`look` finds the objects of a kind; versions begin with `first`."""
        self._look, self._version = look, first
        self._collections: dict[str, Collection] = {}
        self._began: dict[str, float] = {}
        self._one = asyncio.Lock()

    def _next(self) -> int:
        self._version += 1
        return self._version

    @property
    def version(self) -> int:
        """The latest version."""
        return self._version

    async def fresh(self, kind: Kind, asked: float) -> Collection:
        """A kind as it is found by a look that began at `asked` (the loop's time) or later."""
        async with self._one:
            collection = self._collections.setdefault(kind.qualified, Collection(self._version))
            if self._began.get(kind.qualified, -1.0) < asked:
                began = asyncio.get_running_loop().time()
                found = await self._look(kind)
                collection.take(found, self._next)
                self._began[kind.qualified] = began
        return collection
