"""A run, told as it happens; each probe on one line, before and after."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labctl.cli.screen.looks import NOBODY_TO_ASK, SAID, STYLES, said_of, style_of
from labctl.engine.events import AskedBefore, Did, Finished, Left, Planned, Started, TookBack, Typing
from labctl.engine.report import Outcome

if TYPE_CHECKING:
    from labctl.cli.screen.page import Screen
    from labctl.engine.events import Event
    from labctl.engine.report import Checked, StepReport
    from labctl.model.probe import Probe

_VERBS = {"create": "made", "repair": "mended", "revert": "removed"}


class Narrator:
    """A listener that tells a run."""

    def __init__(self, screen: Screen, *, titled: bool = False) -> None:
        """Tell it on this screen; `titled`: the step's title stands there already."""
        self._screen, self._titled = screen, titled
        self._before: dict[Probe, Checked] = {}
        self._at = ""
        self._kept: set[str] = set()

    def __call__(self, event: Event) -> None:
        """Tell one event."""
        screen = self._screen
        match event:
            case Started(lesson, node, undo):
                self._at = node
                title = f"{'undo step' if undo else 'step'} {lesson.number} on {node}: {lesson.title}"
                screen.say(f"on {node}:" if self._titled else title, "bold", hang=2)
            case AskedBefore(checks):
                self._before |= {check.probe: check for check in checks}
            case Planned(items):
                self._kept = {item.resource.key for item in items if str(item.action) == "keep"}
                for item in items:
                    if str(item.action) == "keep":
                        screen.item("=", f"{item.resource.key}: kept, {item.reason}", "dim")
            case Finished(report, changed, undo):
                self._finish(report, changed, undo=undo)
            case _:
                self._tell_deed(event)

    def _tell_deed(self, event: Event) -> None:
        screen = self._screen
        match event:
            case Typing(command):
                is_comment = command.startswith("#")
                screen.line(f"  {command}" if is_comment else f"  $ {command}", "dim" if is_comment else "bold")
            case Did(resource, action):
                is_again = action == "create" and resource.key in self._kept
                again = ", for what was mended above had taken it away" if is_again else ""
                screen.item("+" if action != "revert" else "-", f"{resource.key}: {_VERBS[action]}{again}")
            case TookBack(resource, error):
                screen.item("-", f"{resource.key}: {error or 'taken back'}", "yellow")
            case Left(resource, why):
                screen.item("!", f"{resource.key}: {why}", "yellow")

    def _finish(self, report: StepReport, changed: int, *, undo: bool) -> None:
        screen = self._screen
        if undo:
            screen.say("undone" if changed else "nothing to undo", "green", indent=2)
            return
        if self._at != report.node:
            # Several nodes: all have been done, and now they are looked at.
            self._at = report.node
            title = f"on {report.node}" if self._titled else f"step {report.lesson.number} on {report.node}"
            screen.say(f"{title}, looked at again:", "bold", hang=2)
        for check in report.probes:
            mark = screen.marks[None if check.answer.yes is None else check.holds]
            screen.item(mark, self._turn(check), style_of(check))
        if not report.probes:
            screen.item("-", NOBODY_TO_ASK, "dim")
        outcome = report.outcome
        said = SAID[outcome] if changed else f"{SAID[outcome]}, nothing to change"
        screen.say(said, STYLES[outcome], indent=2)
        if outcome is not Outcome.DONE:
            for cause in report.causes():
                screen.item("-", cause, indent=4)
            for hint in report.hints():
                screen.hint(hint, indent=4)

    def _turn(self, check: Checked) -> str:
        """What a probe said before, and what it says now."""
        claim, now = check.probe.claim, said_of(check)
        if check.probe not in self._before:
            return f"{claim}: {now}"
        before = self._before.pop(check.probe).answer
        was = {True: "yes", False: "no", None: "could not tell"}[before.yes]
        was += f" ({before.why})" if before.why else ""
        return f"{claim}: {was} … {'still' if before.yes is check.answer.yes else 'now'} {now}"
