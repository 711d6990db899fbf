"""The whole lab at once: where every step stands, and putting it back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from labctl.cli.called import as_called
from labctl.cli.progress import record_standing, spell_steps
from labctl.cli.session import Session, tell
from labctl.cli.ticker import ticking
from labctl.engine.events import Finished, Started
from labctl.engine.hands import NetlinkHands
from labctl.engine.look import Survey
from labctl.engine.report import Outcome, exit_code
from labctl.engine.runner import Runner
from labctl.engine.undoer import Undoer
from labctl.world.state import world_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from labctl.engine.events import Event
    from labctl.engine.report import StepReport
    from labctl.model.world import WorldRecord
    from labctl.world.host.world import HostWorld

_NOT_DONE = 1
_MOST_NAMED = 40


def show_status(session: Session, *, as_json: bool) -> int:
    """Look everything up and say it; makes no world."""
    world = session.sandbox.find()
    if world is None:
        return _no_world(session, as_json=as_json)
    with session.survey("status") as survey:
        with ticking(f"looking at {len(survey.lab.nodes)} nodes …"):
            reports = survey.reports(survey.course.lessons(), survey.lab.nodes)
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


def put_back(session: Session, to: int | None, node: str, *, as_json: bool) -> int:
    """Make the lab as after `up`, or as after step `to`; give the exit code."""
    if to is not None:
        session.course.lesson(to)
    nodes = session.nodes(node)
    with session.locked("reset"):
        anew = nodes == session.lab.nodes
        if anew:
            _make_anew(session)
        world = session.world()
        agent = session.sandbox.enter(world)
        try:
            survey = Survey(session.course, world.lab, agent.kernel)
            with ticking("putting the lab back …") as show:
                hands, reports = NetlinkHands(survey.kernel), _Reports(show)
                here = tuple(world.lab.node(each.name) for each in nodes)
                if not anew:
                    Undoer(survey, hands, reports).undo_from(0, here)
                runner = Runner(survey, hands, reports)
                for lesson in survey.course.lessons(range(to + 1) if to is not None else ()):
                    runner.apply(lesson, here)
            record_standing(session.journal, world_id(world), reports.found)
        finally:
            agent.close()
    if as_json:
        print(json.dumps({"schema": 1, "steps": [report.as_json() for report in reports.found]}, indent=1))
    else:
        who = "the lab" if nodes == world.lab.nodes else ", ".join(each.name for each in nodes)
        print(f"{who} is as after " + ("`up`" if to is None else f"step {to}"))
    return exit_code(report.outcome for report in reports.found)


def _make_anew(session: Session) -> None:
    """A world of the same plan, new: nothing that was in the old one can be left over."""
    saved = session.state.load()
    if saved is None:
        session.sandbox.down()
        return
    with ticking("making the world anew …"):
        world = session.sandbox.renew(saved)
    session.journal.add(world_id(world), "up")
    if session.on_host:
        tell_swept(session.host)


def tell_swept(world: HostWorld) -> None:
    """Say what was taken away of a machine, and what else has come since and stays."""
    swept = world.swept
    for title, found in (("taken away", swept.taken), ("left untouched", swept.left)) if swept else ():
        for each in found[:_MOST_NAMED]:
            tell(f"{title}: {each}")
        if len(found) > _MOST_NAMED:
            tell(f"{title}: … and {len(found) - _MOST_NAMED} more")


class _Reports:
    """A listener that keeps what was found after each step, and says on which one is worked."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self.found: list[StepReport] = []
        self._show = show

    def __call__(self, event: Event) -> None:
        """Hear one event."""
        if isinstance(event, Started):
            verb = "undoing" if event.undo else "doing"
            self._show(f"{verb} step {event.lesson.number} on {event.node} …")
        if isinstance(event, Finished) and not event.undo:
            self.found.append(event.report)


def _describe(record: WorldRecord) -> dict[str, object]:
    return {"kind": record.kind, "pid": record.root.outside}
