"""What was done, on which machine, with what result: printed while it goes on, and as a table at the end."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Wrong(Exception):
    """Something is not as it should be."""


class Skipped(Exception):
    """Something could not be tried here."""


@dataclass(frozen=True)
class Row:
    """One claim, and what came of it."""

    claim: str
    where: str
    result: str
    seconds: float
    outcome: str  # holds | wrong | skipped


@dataclass
class Table:
    """The rows so far; several threads add to it."""

    rows: list[Row] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def check(self, claim: str, where: str, look: Callable[[], str]) -> bool:
        """Note whether something holds: `look` says what it saw, or raises; tell if it was not wrong."""
        began = time.monotonic()
        try:
            result, outcome = look(), "holds"
        except Wrong as wrong:
            result, outcome = str(wrong), "wrong"
        except Skipped as skipped:
            result, outcome = f"not tried: {skipped}", "skipped"
        row = Row(claim, where, result, time.monotonic() - began, outcome)
        with self._lock:
            self.rows.append(row)
            print(f"{row.outcome:8} {row.seconds:6.1f} s  {where}: {claim}: {result}", flush=True)
        return outcome != "wrong"

    def stop(self, why: str) -> None:
        """Note that the rest was not even tried."""
        self.rows.append(Row("what comes then", "all", why, 0, "wrong"))

    def count(self, outcome: str) -> int:
        """How many rows came out so."""
        return sum(row.outcome == outcome for row in self.rows)

    def markdown(self) -> str:
        """All rows, as the document has them. A result of several lines is its first one."""
        lines = ["| what | where | seen | s |", "|---|---|---|---:|"]
        for row in self.rows:
            result = row.result.partition("\n")[0].replace("|", "\\|")
            mark = "" if row.outcome == "holds" else f"**{row.outcome}**: "
            lines.append(f"| {row.claim} | {row.where} | {mark}{result} | {row.seconds:.1f} |")
        return "\n".join(lines)
