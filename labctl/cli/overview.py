"""The whole lab at once: where every step stands."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from labctl.cli.called import as_called
from labctl.cli.progress import record_standing, spell_steps
from labctl.cli.session import Session, tell
from labctl.cli.ticker import ticking
from labctl.engine.report import Outcome, exit_code
from labctl.world.state import world_id

if TYPE_CHECKING:
    from labctl.engine.report import StepReport
    from labctl.model.world import WorldRecord

_NOT_DONE = 1


def show_status(session: Session, *, as_json: bool) -> int:
    """Look everything up and say it; makes no world."""
    world = session.sandbox.find()
    if world is None:
        return _no_world(session, as_json=as_json)
    with session.survey("status") as survey:
        with ticking(f"looking at {len(survey.lab.nodes)} nodes …"):
            reports = survey.reports(survey.course.lessons(), survey.lab.nodes, ask_untouched=False)
        record_standing(session.journal, world_id(world), reports)
        gone = session.sandbox.missing_keepers(world)
    cut = session.journal.interrupted(world_id(world))
    if as_json:
        body: dict[str, Any] = {
            "schema": 1,
            "world": {**_describe(world.record), "up": True, "gone": list(gone)},
            "steps": [report.as_json() for report in reports],
        }
        print(json.dumps(body, indent=1))
    else:
        _print_status(reports, tuple(node.name for node in survey.lab.nodes))
        if gone:
            tell(f"gone: {', '.join(gone)}; put the lab back: labctl reset")
        if cut:
            command, done = cut
            tell(f"interrupted in the middle: labctl {command} ({len(done)} operations); run it again, or undo it")
    return exit_code(report.outcome for report in reports)


def _print_status(reports: tuple[StepReport, ...], nodes: tuple[str, ...]) -> None:
    from labctl.cli.screen.looks import show_status as show
    from labctl.cli.screen.page import Screen

    screen = Screen()
    show(screen, reports, nodes)
    screen.say()
    undone = next((report for report in _as_a_learner_goes(reports, nodes) if report.outcome is not Outcome.DONE), None)
    if undone is None:
        screen.say("every step is done")
    else:
        at = "" if undone.node in (nodes[0], "lab") else f" --node {undone.node}"
        screen.say(as_called(f"next: labctl step {undone.lesson.number}{at}"), "bold")


def _as_a_learner_goes(reports: tuple[StepReport, ...], nodes: tuple[str, ...]) -> list[StepReport]:
    """Node by node; but a step that is one for the whole lab comes after all before it, and before all behind it."""
    whole = [report.lesson.number for report in reports if report.node not in nodes]

    def order(report: StepReport) -> tuple[int, int]:
        at = nodes.index(report.node) if report.node in nodes else len(nodes)
        return sum(number < report.lesson.number for number in whole), at

    return sorted(reports, key=order)


def _no_world(session: Session, *, as_json: bool) -> int:
    lost = session.sandbox.lost()
    held = session.journal.held(world_id(lost)) if lost else ()
    if as_json:
        world = {**_describe(lost.record), "up": False} if lost else {"kind": "sandbox", "up": False}
        known = [{"step": number, "node": node} for number, node in held]
        print(json.dumps({"schema": 1, "world": world, "steps": [], "held_before": known}, indent=1))
    elif lost:
        print("the world is gone (a reboot, or its first process was killed)")
        for line in session.host.describe_loss(lost) if session.on_host else ():
            print(line)
        if held:
            print(f"steps done before: {spell_steps(held)}")
            print(as_called(f"next: labctl reset --to {max(number for number, _ in held)}, or, empty: labctl up"))
        else:
            print(as_called("next: labctl up"))
    else:
        print(as_called("there is no world; next: labctl up"))
    return _NOT_DONE


def _describe(record: WorldRecord) -> dict[str, object]:
    return {"kind": record.kind, "pid": record.root.outside}
