"""The only place that knows Rich: how lessons, plans, runs and reports look on a terminal, and in a pipe."""

from __future__ import annotations

import sys
import textwrap
from functools import cached_property
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from labctl.engine.events import AskedBefore, Did, Doing, Finished, Left, Planned, Started, TookBack, Typing
from labctl.engine.report import Outcome
from labctl.model.resource import state_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from labctl.engine.events import Event
    from labctl.engine.planner import Plan
    from labctl.engine.report import Checked, StepReport
    from labctl.model.step import Lesson

_WIDTH = 80
_STYLES = {
    Outcome.DONE: "green",
    Outcome.NOT_DONE: "yellow",
    Outcome.WRONG: "bold red",
    Outcome.UNKNOWN: "magenta",
}
_SAID = {Outcome.DONE: "done", Outcome.NOT_DONE: "not done", Outcome.WRONG: "wrong", Outcome.UNKNOWN: "unknown"}
_VERBS = {"create": "made", "repair": "mended", "revert": "removed"}


class Screen:
    """Prints to stdout; colours only on a terminal, and never with NO_COLOR."""

    def __init__(self, console: Console | None = None) -> None:
        """Use this console, or stdout's; in a pipe lines are 80 wide."""
        width = None if sys.stdout.isatty() else _WIDTH
        self.console = console or Console(highlight=False, width=width, soft_wrap=False)

    @cached_property
    def marks(self) -> dict[bool | None, str]:
        """A mark for yes, no and unknown; plain letters where the locale has no others."""
        fancy = self.console.encoding.lower().startswith("utf")
        return {True: "✓", False: "✗", None: "?"} if fancy else {True: "ok", False: "NO", None: "??"}

    def say(self, text: str = "", style: str = "", indent: int = 0) -> None:
        """Print a paragraph, wrapped, with every line indented and the later ones a little more."""
        spaces = " " * indent
        hanging = spaces + ("    " if indent else "")
        lines = textwrap.wrap(
            text,
            self.console.width,
            initial_indent=spaces,
            subsequent_indent=hanging,
            break_long_words=False,
            break_on_hyphens=False,
            drop_whitespace=True,
            replace_whitespace=False,
        )
        for line in lines or [""]:
            self.console.print(Text(line, style=style), soft_wrap=True)

    def title(self, lesson: Lesson, node: str = "") -> None:
        """The heading of a step."""
        self.console.print()
        self.say(f"Step {lesson.number}: {lesson.title}" + (f"  [{node}]" if node else ""), "bold cyan")

    def notes(self, lesson: Lesson) -> None:
        """The lines of the notes that the step rebuilds."""
        for line in lesson.step.notes.splitlines():
            self.say(f"| {line}", "dim")

    def commands(self, script: str) -> None:
        """A script, as it is; never wrapped, so that it can be copied."""
        for line in script.splitlines():
            style = "dim" if line.startswith("#") else "bold"
            self.console.print(Text(line, style=style), soft_wrap=True)

    def markdown(self, text: str) -> None:
        """A lesson's text."""
        from rich.markdown import Markdown

        self.console.print(Markdown(text, hyperlinks=False))

    def check(self, check: Checked, *, before: bool = False) -> None:
        """One probe: what was claimed and what was seen."""
        seen = {True: "yes", False: "no", None: "cannot tell"}[check.answer.yes]
        when = "before" if before else "now"
        mark = "·" if before and check.holds and self.marks[True] == "✓" else self.marks[check.holds]
        style = "dim" if before and check.holds else ("green" if check.holds else "red")
        # Before a step, its probes say no: that is as it should be, and no fault.
        self.say(f"{mark} {check.probe.claim}: {when} {seen}{_tail(check, before=before)}", style, indent=2)

    def report(self, report: StepReport) -> None:
        """A step on a node, looked up: the outcome, then what is wrong or missing, first cause first."""
        heading = Text(f"step {report.lesson.number} on {report.node}: ")
        heading.append(_SAID[report.outcome], _STYLES[report.outcome])
        heading.append(f"  ({report.lesson.title})", "dim")
        self.console.print(heading)
        for resource, seen in report.resources:
            state, why = state_of(seen)
            holds = {"present": True, "unknown": None}.get(state, False)
            text = f"{self.marks[holds]} {resource.key}: {state}" + (f" ({why})" if why else "")
            self.say(text, "" if holds else _STYLES[report.outcome], indent=2)
        for check in report.probes:
            self.check(check)
        for hint in report.hints():
            self.say(f"hint: {hint}", indent=2)

    def plan(self, lesson: Lesson, node: str, plan: Plan) -> None:
        """What would be done."""
        self.say(f"step {lesson.number} on {node}:")
        for item in plan.items:
            self.say(f"{item.action:7} {item.resource.key}: {item.reason}", indent=2)

    def status(self, reports: Iterable[StepReport], nodes: tuple[str, ...]) -> None:
        """A line a step, with its outcome on every node; then what is wrong, and what to do next."""
        by_step: dict[int, list[StepReport]] = {}
        for report in reports:
            by_step.setdefault(report.lesson.number, []).append(report)
        names = [name if len(name) > 8 else f"{name:8}" for name in nodes]  # noqa: PLR2004 (the width of `not done`)
        few = len(nodes) <= 3  # noqa: PLR2004 (what fits beside a title in 80 columns)
        header = "  ".join(names).rstrip() if few else "nodes"
        self.console.print(Text(f"{'step':<44}{header}", style="bold"))
        for number, row in by_step.items():
            line = Text(f"{number}  {row[0].lesson.title}"[:42].ljust(44))
            if few:
                for report, name in zip(row, names, strict=False):
                    line.append(f"{_SAID[report.outcome]:<{len(name) + 2}}", _STYLES[report.outcome])
            else:
                line.append(_count(row), _STYLES[max((each.outcome for each in row), key=list(_STYLES).index)])
            line.rstrip()
            self.console.print(line)
        for row in by_step.values():
            for report in row:
                if report.outcome in (Outcome.WRONG, Outcome.UNKNOWN):
                    self.say()
                    self.say(f"step {report.lesson.number} on {report.node}:", _STYLES[report.outcome])
                    for cause in report.causes():
                        self.say(cause, indent=2)
                    for hint in report.hints():
                        self.say(f"hint: {hint}", indent=2)


def _tail(check: Checked, *, before: bool) -> str:
    if before and check.holds:
        return f" ({check.answer.why})" if check.answer.why else ""
    return f" ({check.why})" if check.why else (" (as it should be)" if check.answer.yes is False else "")


def _count(row: list[StepReport]) -> str:
    counts = {outcome: sum(each.outcome is outcome for each in row) for outcome in _SAID}
    return ", ".join(f"{count} {_SAID[outcome]}" for outcome, count in counts.items() if count)


class Narrator:
    """A listener that tells a run as it happens."""

    def __init__(self, screen: Screen) -> None:
        """Tell it on this screen."""
        self._screen = screen
        self._before: dict[str, Checked] = {}

    def __call__(self, event: Event) -> None:
        """Tell one event."""
        screen = self._screen
        match event:
            case Started(lesson, node, undo):
                self._before = {}
                screen.say(f"step {lesson.number} on {node}: {'undo' if undo else lesson.title}", "bold")
            case AskedBefore(checks):
                self._before = {check.probe.claim: check for check in checks}
                for check in checks:
                    screen.check(check, before=True)
            case Planned(items):
                for item in items:
                    if str(item.action) == "keep":
                        screen.say(f"= {item.resource.key}: kept, {item.reason}", "dim", indent=2)
            case Doing():
                pass
            case Typing(command):
                screen.console.print(Text(f"  $ {command}", style="bold"), soft_wrap=True)
            case Did(resource, action):
                screen.say(f"+ {resource.key}: {_VERBS[action]}", indent=2)
            case TookBack(resource, error):
                screen.say(f"- {resource.key}: {error or 'taken back'}", "yellow", indent=2)
            case Left(resource, why):
                screen.say(f"! {resource.key}: {why}", "yellow", indent=2)
            case Finished(report, changed, undo):
                self._finished(report, changed, undo=undo)

    def _finished(self, report: StepReport, changed: int, *, undo: bool) -> None:
        screen = self._screen
        if undo:
            screen.say("undone" if changed else "nothing to undo", "green", indent=2)
            return
        for check in report.probes:
            screen.check(check)
        outcome = report.outcome
        said = _SAID[outcome] if changed else f"{_SAID[outcome]}, nothing to change"
        screen.say(said, _STYLES[outcome], indent=2)
        if outcome is not Outcome.DONE:
            for cause in report.causes():
                screen.say(cause, indent=4)
            for hint in report.hints():
                screen.say(f"hint: {hint}", indent=4)
