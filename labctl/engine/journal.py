"""What labctl did and when: an append-only table of events in SQLite (WAL); what was done, and what was cut short.

It is never the truth about the lab: that is looked up in the kernel.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, TypeAlias

from labctl.errors import KernelRefused

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Kind: TypeAlias = Literal[
    "up", "down", "begin", "end", "doing", "did", "took_back", "held", "lapsed", "verified", "applied", "hinted"
]

_TABLE = """
CREATE TABLE IF NOT EXISTS events (
    id INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    world TEXT NOT NULL,
    kind TEXT NOT NULL,
    step INTEGER,
    node TEXT NOT NULL DEFAULT '',
    what TEXT NOT NULL DEFAULT ''
)
"""


@dataclass(frozen=True)
class Event:
    """One line of the journal; `at` is UTC, ISO 8601; `what` is a resource's key, a command, an outcome or a plan."""

    at: str
    world: str
    kind: Kind
    step: int | None
    node: str
    what: str


def read_events(path: Path, world: str) -> tuple[Event, ...]:
    """The events of one world, oldest first, for who looks often and writes nothing; none where there is no journal.

    Raises:
        KernelRefused: it cannot be read, or is no journal.
    """
    if not path.is_file() or not path.stat().st_size:  # nobody has written anything yet
        return ()
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=5)) as database:
            rows = database.execute(
                "SELECT at, world, kind, step, node, what FROM events WHERE world = ? ORDER BY id", (world,)
            ).fetchall()
    except sqlite3.Error as error:
        raise KernelRefused(f"the journal {path} cannot be read: {error}", "labctl status") from None
    return tuple(Event(*row) for row in rows)


class Journal:
    """The journal of one home."""

    def __init__(self, path: Path) -> None:
        """Open it, and make it where it is missing.

        Raises:
            KernelRefused: it cannot be written, or is no journal.
        """
        self._path = path
        with self._refusals():
            self._database = sqlite3.connect(path, timeout=30, isolation_level=None)
            self._database.execute("PRAGMA journal_mode = WAL")
            # Safe against a killed process; a power cut may take the last lines, never the file.
            self._database.execute("PRAGMA synchronous = NORMAL")
            self._database.execute(_TABLE)

    def add(self, world: str, kind: Kind, step: int | None = None, node: str = "", what: str = "") -> None:
        """Write one event."""
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        with self._refusals():
            self._database.execute(
                "INSERT INTO events (at, world, kind, step, node, what) VALUES (?, ?, ?, ?, ?, ?)",
                (at, world, kind, step, node, what),
            )

    def events(self, world: str | None = None) -> tuple[Event, ...]:
        """All events, or those of one world, oldest first."""
        with self._refusals():
            rows = self._database.execute(
                "SELECT at, world, kind, step, node, what FROM events WHERE world = coalesce(?, world) ORDER BY id",
                (world,),
            ).fetchall()
        return tuple(Event(*row) for row in rows)

    def last_plan(self) -> str:
        """The plan of the world that was made last; empty if none was."""
        return next((event.what for event in reversed(self.events()) if event.kind == "up"), "")

    def of_plan(self, plan: str) -> tuple[Event, ...]:
        """The events of all worlds that were made of one plan (`what` of their `up`), oldest first."""
        events = self.events()
        worlds = {event.world for event in events if event.kind == "up" and event.what == plan}
        return tuple(event for event in events if event.world in worlds)

    def held(self, world: str) -> tuple[tuple[int, str], ...]:
        """The steps (number, node) that held when a world was last looked at."""
        standing: dict[tuple[int, str], None] = {}
        for event in self.events(world):
            if event.step is not None and event.kind == "held":
                standing[event.step, event.node] = None
            elif event.step is not None and event.kind == "lapsed":
                standing.pop((event.step, event.node), None)
        return tuple(sorted(standing))

    def interrupted(self, world: str) -> tuple[str, tuple[Event, ...]] | None:
        """The last command, if it never came to its end, with what it had begun to do."""
        command = ""
        done: list[Event] = []
        for event in self.events(world):
            if event.kind == "begin":
                command, done = event.what, []
            elif event.kind == "end":
                command = ""
            elif event.kind in ("doing", "did", "took_back"):
                done.append(event)
        return (command, tuple(done)) if command else None

    def close(self) -> None:
        """Close it; the write-ahead log goes into the file."""
        self._database.close()

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise KernelRefused(
                f"the journal {self._path} cannot be used: {error}", "name another folder: LABCTL_HOME=DIR labctl …"
            ) from None
