"""What a journal tells of each step: when it first held, who did it, after how many tries, with which help."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from labctl.engine.journal import Event

HAND = "hand"


@dataclass
class History:
    """One step on one node. `by` is `hand`, or what of the tool did it: `apply`, `reset`, `checkpoint`."""

    first_held: str | None = None
    by: str | None = None
    attempts: int = 0
    hints: tuple[str, ...] = ()

    def as_json(self, step: int, node: str) -> dict[str, Any]:
        """As a report has it."""
        return {
            "step": step,
            "node": node,
            "first_held": self.first_held,
            "by": self.by,
            "attempts": self.attempts,
            "hints": list(self.hints),
        }


def read_histories(events: Iterable[Event]) -> dict[tuple[int, str], History]:
    """Read a journal, all worlds of it, oldest first: by step and node.

    Attempts and hints count until the step first holds. By hand is what held without an act of the tool since it last
    did not.
    """
    found: dict[tuple[int, str], History] = {}
    applied: dict[tuple[str, int, str], str] = {}
    for event in events:
        if event.step is None:
            continue
        step = (event.step, event.node)
        here = (event.world, *step)
        history = found.setdefault(step, History())
        match event.kind:
            case "applied":
                applied[here] = event.what
            case "lapsed":
                applied.pop(here, None)
            case "held" if history.first_held is None:
                history.first_held, history.by = event.at, applied.get(here, HAND)
            case "verified" if history.first_held is None:
                history.attempts += 1
            case "hinted" if history.first_held is None and event.what not in history.hints:
                history.hints += (event.what,)
    return found
