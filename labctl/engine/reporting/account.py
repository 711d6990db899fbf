"""A report as a value: what was looked up, which is proof, apart from what the journal tells, which is none."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from labctl.engine.report import Outcome
from labctl.engine.reporting.history import History

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labctl.engine.report import StepReport
    from labctl.model.lab import Lab

LOOKED_UP = "Looked up in the kernel when this report was made: proof, for whoever made it."
TOLD = "Told by the journal in the learner's own files, which the learner can change: no proof."
NO_WORLD = "No world stands: nothing could be looked up."
# XML 1.0, section 2.2: what may not be in a document, not even escaped; half a surrogate pair is in no UTF-8 either.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Row:
    """One step on one node, both ways."""

    step: int
    title: str
    node: str
    now: StepReport | None
    past: History


@dataclass(frozen=True)
class Account:
    """Who got how far. `seed` is that of the plan, empty if it was drawn from none."""

    who: str
    made: str
    version: str
    seed: str
    lab: Lab
    up: bool
    reports: tuple[StepReport, ...]
    titles: dict[int, str]
    histories: dict[tuple[int, str], History] = field(default_factory=dict)

    def rows(self) -> Iterator[Row]:
        """By step, then by node; without a world, what the journal knows of."""
        seen = {(report.lesson.number, report.node): report for report in self.reports}
        for step, node in seen or sorted(self.histories):
            if step in self.titles:
                past = self.histories.get((step, node), History())
                yield Row(step, self.titles[step], node, seen.get((step, node)), past)

    @property
    def done(self) -> int:
        """How many hold now."""
        return sum(report.outcome is Outcome.DONE for report in self.reports)

    def as_json(self) -> dict[str, Any]:
        """As docs/schemas/report.json says."""
        return {
            "schema": 1,
            "who": self.who,
            "made": self.made,
            "labctl": self.version,
            "seed": self.seed or None,
            "looked_up": {
                "proof": True,
                "note": LOOKED_UP if self.up else NO_WORLD,
                "steps": [report.as_json() for report in self.reports],
            },
            "journal": {
                "proof": False,
                "note": TOLD,
                "steps": [row.past.as_json(row.step, row.node) for row in self.rows()],
            },
        }


def spell_outcome(row: Row) -> str:
    """How a step stands, in words."""
    return str(row.now.outcome).replace("_", " ") if row.now else "not looked up"


def spell_time(at: str | None) -> str:
    """A moment of the journal, to the minute (UTC)."""
    return at[:16].replace("T", " ") if at else "–"


def clean(text: str) -> str:
    """A text without what no document may hold."""
    return _FORBIDDEN.sub("?", text)
