"""`labctl hint`: one hint more, from a nudge to nearly the answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from labctl.cli import complete
from labctl.cli.called import as_called, lesson_as_called
from labctl.cli.progress import record_hint
from labctl.cli.session import Session
from labctl.engine.course import where
from labctl.world.topology import plan_id

if TYPE_CHECKING:
    from labctl.model.lab import Node
    from labctl.model.step import Lesson


def hint(
    step: Annotated[int, typer.Argument(metavar="N", help="Which step.", autocompletion=complete.steps)],
    node: Annotated[
        str,
        typer.Option("--node", metavar="NAME", help="Where (where you sit: master).", autocompletion=complete.nodes),
    ] = "",
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Answer as JSON.")] = False,
) -> None:
    """Give one hint more for a step, from a nudge to nearly the answer; those before stand above it.

    Reports tell which hints were shown before the step held.

    Examples:
        labctl hint 3
        labctl hint 3 --node worker
    """
    session = Session()
    lesson = session.course.lesson(step)
    (at,) = session.nodes(node or session.here)[:1]
    hints = lesson.step.hints
    number = min(_shown(session, lesson, at) + 1, len(hints))
    record_hint(session, (lesson,), (at,), f"hint {number}")
    texts = [lesson_as_called(each) for each in hints[:number]]
    if as_json:
        at_node = where(lesson, at)
        body = {"schema": 1, "step": step, "node": at_node, "number": number, "of": len(hints), "hint": texts[-1]}
        print(json.dumps(body, indent=1))
        return
    from labctl.cli.screen.page import Screen

    screen = Screen()
    for count, text in enumerate(texts, 1):
        screen.say(f"{count} of {len(hints)}: {text}", "" if count == number else "dim", hang=8)
    if number == len(hints):
        screen.say(as_called(f"that is the last one; the commands: labctl step {step} --commands"))


def _shown(session: Session, lesson: Lesson, node: Node) -> int:
    """How many hints were shown in worlds of this plan."""
    saved = session.state.load()
    events = session.journal.of_plan(plan_id(saved.topology)) if saved else ()
    here = (lesson.number, where(lesson, node))
    return len({each.what for each in events if each.kind == "hinted" and (each.step, each.node) == here} - _OTHER)


# Help that is shown by other commands.
_OTHER = frozenset({"commands", "answer"})
