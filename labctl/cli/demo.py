"""`labctl demo`: the whole course on a world of its own, each claim shown before and after."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from labctl.cli.called import as_called
from labctl.cli.screen.looks import shorten
from labctl.cli.screen.narrator import Narrator
from labctl.cli.screen.page import Screen
from labctl.cli.session import Session
from labctl.engine.course import resources_of
from labctl.engine.events import AskedBefore, Event, Finished
from labctl.engine.hands import NetlinkHands
from labctl.engine.look import Survey
from labctl.engine.report import Outcome
from labctl.engine.runner import Runner
from labctl.engine.script import do_statements
from labctl.model.shell import render_script

if TYPE_CHECKING:
    from labctl.engine.report import Checked, StepReport
    from labctl.model.lab import Node
    from labctl.model.step import Lesson

_PAUSE_SECONDS = 6.0
# Nobody reads the rules of a Service as they fly past.
_MOST_LINES, _FIRST_LINES = 50, 30


@dataclass
class _Row:
    """One step, on all its nodes, as it went."""

    lesson: Lesson
    seconds: float = 0.0
    before: tuple[Checked, ...] = ()
    reports: tuple[StepReport, ...] = ()

    @property
    def as_claimed(self) -> bool:
        """Every before and every after was as the step says."""
        done = bool(self.reports) and all(report.outcome is Outcome.DONE for report in self.reports)
        return done and all(check.holds for check in self.before)

    @property
    def claims(self) -> int:
        """How many answers that is about."""
        return len(self.before) + sum(len(report.probes) for report in self.reports)


@dataclass
class _Ear:
    """Notes what is asked before and found after, and passes everything on to the screen."""

    narrator: Narrator
    rows: list[_Row] = field(default_factory=list)

    def __call__(self, event: Event) -> None:
        match event:
            case AskedBefore(checks):
                self.rows[-1].before += checks
            case Finished(report):
                self.rows[-1].reports += (report,)
        self.narrator(event)


def play(*, slow: bool) -> int:
    """Play it; 0 only if every before and every after was as the step claims."""
    screen = Screen()
    ear = _Ear(Narrator(screen, titled=True))
    began = time.perf_counter()
    try:
        with tempfile.TemporaryDirectory(prefix="labctl-demo-") as home:
            session = Session(Path(home), "sandbox")
            try:
                screen.say("A world of its own: two nodes, a cloud network, an internet. No root, no VM.", "bold")
                world = session.world(own=True)
                agent = session.sandbox.enter(world)
                try:
                    _walk(screen, Survey(session.course, world.lab, agent.kernel), ear, slow=slow)
                finally:
                    agent.close()
            finally:
                try:
                    session.take_down()
                finally:
                    session.journal.close()
    except KeyboardInterrupt:
        raise KeyboardInterrupt("the demo's world is gone again; once more: labctl demo") from None
    _summary(screen, ear.rows, time.perf_counter() - began)
    return 0 if ear.rows and all(row.as_claimed for row in ear.rows) else 1


def _walk(screen: Screen, survey: Survey, ear: _Ear, *, slow: bool) -> None:
    runner = Runner(survey, NetlinkHands(survey.kernel), ear)
    for lesson in survey.course.lessons():
        screen.say()
        screen.title(lesson)
        screen.notes(lesson)
        screen.say()
        _show_commands(screen, survey, lesson, survey.lab.nodes[0])
        ear.rows.append(_Row(lesson))
        began = time.perf_counter()
        runner.apply(lesson, survey.lab.nodes)
        ear.rows[-1].seconds = time.perf_counter() - began
        screen.say(f"That took {ear.rows[-1].seconds * 1000:.0f} ms.", "dim", indent=2)
        if slow:
            time.sleep(_PAUSE_SECONDS)


def _show_commands(screen: Screen, survey: Survey, lesson: Lesson, node: Node) -> None:
    """The commands for the first container; the others' are the same but for the name, and so are other nodes'."""
    resources = resources_of(lesson, survey.lab, node)
    first = [each for each in resources if getattr(each, "container", node.containers[0]) == node.containers[0]]
    lines = render_script(do_statements(first, "notes", node.name)).splitlines()
    shown = len(lines) if len(lines) <= _MOST_LINES else _FIRST_LINES
    screen.commands("\n".join(lines[:shown]))
    if left := lines[shown:]:
        more = as_called(f"labctl step {lesson.number} --commands")
        screen.say(f"… and {len(left)} lines more: {more}", "dim", indent=2)
    own = [f"container {each.name}" for each in node.containers[1:]] if len(first) < len(resources) else []
    nodes = [] if lesson.step.whole_lab else [f"node {each.name}" for each in survey.lab.nodes if each != node]
    if own or nodes:
        screen.say(f"(on {node.name}; the like for {', '.join((*own, *nodes))})", "dim", indent=2)
    screen.say()


def _summary(screen: Screen, rows: list[_Row], seconds: float) -> None:
    screen.say()
    screen.line(f"{'step':<38}{'nodes':<16}{'time':>7}  as claimed", "bold")
    for row in rows:
        title = shorten(f"{row.lesson.number:>2}  {row.lesson.title}", 36)
        nodes = ", ".join(report.node for report in row.reports)
        said = f"{'yes' if row.as_claimed else 'NO'} ({row.claims} answers)"
        line = f"{title:<38}{nodes:<16}{row.seconds * 1000:>4.0f} ms  {said}"
        screen.line(line, "" if row.as_claimed else "bold red")
    fine = sum(row.as_claimed for row in rows)
    style = "bold green" if fine == len(rows) else "bold red"
    screen.say()
    screen.say(f"{fine} of {len(rows)} as claimed, in {seconds:.1f} s; the world is gone again.", style)
    screen.say(as_called("Now you: labctl step 0, and labctl shell to type along."))
