"""What goes into the journal: every operation as it happens, and which steps held when they were looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labctl.engine.course import nodes_of, where
from labctl.engine.events import Did, Doing, Finished, Started, TookBack
from labctl.engine.report import Outcome
from labctl.world.state import world_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from labctl.cli.session import Session
    from labctl.engine.events import Event, Listener
    from labctl.engine.journal import Journal
    from labctl.engine.report import StepReport
    from labctl.model.lab import Node
    from labctl.model.step import Lesson


class Recorder:
    """A listener that writes the journal first, then passes the event on: what is on the screen is written down."""

    def __init__(self, journal: Journal, world: str, on: Listener) -> None:
        """Write for this world; `on` hears the same events."""
        self._journal, self._world, self._on = journal, world, on

    def __call__(self, event: Event) -> None:
        """Hear one event."""
        match event:
            case Doing(resource, action):
                self._journal.add(self._world, "doing", what=f"{action} {resource.key}")
            case Did(resource, action):
                self._journal.add(self._world, "did", what=f"{action} {resource.key}")
            case TookBack(resource, error):
                self._journal.add(self._world, "took_back", what=error or resource.key)
            case Finished(report, changed, undo=False) if changed:
                record_applied(self._journal, self._world, ((report.lesson.number, report.node),), "apply")
        self._on(event)


class Ticks:
    """A listener that says, on one line, on which step is worked."""

    def __init__(self, say: Callable[[str], None]) -> None:
        """`say` shows the line."""
        self.say = say

    def __call__(self, event: Event) -> None:
        """Hear one event."""
        if isinstance(event, Started):
            verb = "undoing" if event.undo else "doing"
            self.say(f"{verb} step {event.lesson.number} on {event.node} …")


def record_applied(journal: Journal, world: str, steps: Iterable[tuple[int, str]], by: str) -> None:
    """Note what the tool did, and not a hand: `apply`, `reset` or `checkpoint`. Before it is noted that it holds."""
    for number, node in steps:
        journal.add(world, "applied", number, node, by)


def record_hint(session: Session, lessons: Iterable[Lesson], nodes: tuple[Node, ...], what: str) -> None:
    """Note that help was shown; where there is no world yet, nothing is being learnt, and nothing made for it."""
    saved = session.state.load()
    if saved is not None:
        for lesson in lessons:
            for node in nodes_of(lesson, session.lab, nodes):
                session.journal.add(world_id(saved), "hinted", lesson.number, where(lesson, node), what)


def record_standing(journal: Journal, world: str, reports: Iterable[StepReport]) -> None:
    """Note which steps hold now and did not before, or did and do not any more."""
    held = set(journal.held(world))
    for report in reports:
        step = (report.lesson.number, report.node)
        # What could not be told proves neither.
        if report.outcome is Outcome.DONE and step not in held:
            journal.add(world, "held", *step)
        elif report.outcome in (Outcome.NOT_DONE, Outcome.WRONG) and step in held:
            journal.add(world, "lapsed", *step)


def spell_steps(held: Iterable[tuple[int, str]]) -> str:
    """Say which steps held where: `0-3 on master, 0-1 on worker`."""
    by_node: dict[str, list[int]] = {}
    for number, node in held:
        by_node.setdefault(node, []).append(number)
    return ", ".join(f"{_spans(numbers)} on {node}" for node, numbers in by_node.items())


def _spans(numbers: list[int]) -> str:
    spans: list[list[int]] = []
    for number in sorted(numbers):
        if spans and number == spans[-1][-1] + 1:
            spans[-1].append(number)
        else:
            spans.append([number])
    return ",".join(str(span[0]) if len(span) == 1 else f"{span[0]}-{span[-1]}" for span in spans)
