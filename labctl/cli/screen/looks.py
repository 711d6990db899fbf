"""What was looked up: reports, plans, and the whole lab at once."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from rich.text import Text

from labctl.cli.called import as_called
from labctl.engine.report import Outcome
from labctl.model.resource import state_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from labctl.cli.screen.page import Screen
    from labctl.engine.planner import StepPlan
    from labctl.engine.report import Checked, StepReport

STYLES = {
    Outcome.DONE: "green",
    Outcome.NOT_DONE: "yellow",
    Outcome.WRONG: "bold red",
    Outcome.UNKNOWN: "magenta",
}
SAID = {Outcome.DONE: "done", Outcome.NOT_DONE: "not done", Outcome.WRONG: "wrong", Outcome.UNKNOWN: "unknown"}
_ANSWERS = {True: "yes", False: "no", None: "cannot tell"}
NOBODY_TO_ASK = "no packets were sent: this lab is too small, nobody is there to ask"
_COLUMN = 10
_MOST_COLUMNS = 3
_MOST_DETAILS = 5
_ACTIONS = {"create": "make", "repair": "mend", "keep": "keep", "refuse": "refuse"}


def said_of(check: Checked, *, blaming: bool = True) -> str:
    """What was seen, in a few words; and where to look, if nothing else is known to be missing."""
    answer = _ANSWERS[check.answer.yes]
    if check.answer.yes is False and check.holds:
        return f"{answer}, as it should be"
    why = check.why if blaming else check.answer.why
    return f"{answer} ({why})" if why else answer


def style_of(check: Checked) -> str:
    """Green as it should be, red if not, and magenta if that cannot be told."""
    if check.holds:
        return "green"
    return "red" if check.failed else "magenta"


def show_report(screen: Screen, report: StepReport) -> None:
    """A step on a node: the outcome, the first cause of it, and then everything that was looked at."""
    heading = Text(f"step {report.lesson.number} on {report.node}: ", style="bold")
    heading.append(SAID[report.outcome], STYLES[report.outcome])
    room = screen.console.width - heading.cell_len - 4
    heading.append(f"  ({shorten(report.lesson.title, room)})", "not bold dim")
    screen.line(heading)
    cause = next(iter(report.causes()), "") if report.outcome is not Outcome.DONE else ""
    if cause:
        screen.item("because", cause, STYLES[report.outcome])
    for resource, seen in report.resources:
        state, why = state_of(seen)
        holds = {"present": True, "unknown": None}.get(state, False)
        said = f"{resource.key}: {state}" + (f" ({why})" if why and why != cause else "")
        screen.item(screen.marks[holds], said, "" if holds else STYLES[report.outcome])
    for check in report.probes:
        mark = screen.marks[None if check.answer.yes is None else check.holds]
        screen.item(mark, f"{check.probe.claim}: {said_of(check, blaming=report.made)}", style_of(check))
    if not report.probes:
        screen.item("-", NOBODY_TO_ASK, "dim")
    for hint in report.hints():
        screen.hint(hint)


def show_plan(screen: Screen, planned: StepPlan) -> None:
    """What would be done, and what is missing that has to be there first."""
    lesson = planned.lesson
    screen.say(f"step {lesson.number} on {planned.node}: {lesson.title}", "bold", hang=2)
    for report in planned.missing[:1]:
        more = len(planned.missing) - 1
        others = f", and {more} more" if more else ""
        needed = f"step {report.lesson.number} on {report.node}{others}, before this one: {report.causes()[0]}"
        screen.item("missing:", needed, STYLES[Outcome.NOT_DONE])
    for item in planned.plan.items:
        action = _ACTIONS[str(item.action)]
        screen.item(f"{action:6}", f"{item.resource.key}: {item.reason}", "dim" if action == "keep" else "")
    if not planned.plan.pending:
        screen.say("nothing to change", indent=2)


def show_status(screen: Screen, reports: Iterable[StepReport], nodes: tuple[str, ...]) -> None:
    """A line a step, with its outcome on every node; then what is wrong, the first cause first."""
    by_step: dict[int, list[StepReport]] = {}
    for report in reports:
        by_step.setdefault(report.lesson.number, []).append(report)
    few = len(nodes) <= _MOST_COLUMNS
    counts = max((len(_count(row)) for row in by_step.values()), default=0)
    columns = [max(_COLUMN, len(name) + 2) for name in nodes] if few else [counts]
    room = screen.console.width - sum(columns) - 2
    names = "".join(name.ljust(width) for name, width in zip(nodes, columns, strict=False))
    header = names if few else f"{len(nodes)} nodes"
    screen.line(f"{'step':<{room}}  {header}".rstrip(), "bold")
    for number, row in by_step.items():
        line = Text(shorten(f"{number:>2}  {row[0].lesson.title}", room).ljust(room) + "  ")
        if few:
            for report, width in zip(row, columns, strict=False):
                line.append(SAID[report.outcome].ljust(width), STYLES[report.outcome])
        else:
            worst = max((each.outcome for each in row), key=list(STYLES).index)
            line.append(_count(row), STYLES[worst])
        screen.line(line)
        if not few:
            _name_odd_ones(screen, row)
    _explain_trouble(screen, [report for row in by_step.values() for report in row])


def _explain_trouble(screen: Screen, reports: list[StepReport]) -> None:
    trouble = [each for each in reports if each.outcome in (Outcome.WRONG, Outcome.UNKNOWN)]
    for report in trouble[:_MOST_DETAILS]:
        screen.say()
        screen.say(f"step {report.lesson.number} on {report.node} is {SAID[report.outcome]}:", STYLES[report.outcome])
        for cause in report.causes()[:_MOST_DETAILS]:
            screen.item("-", cause)
        for hint in report.hints():
            screen.hint(hint)
    if len(trouble) > _MOST_DETAILS:
        screen.say()
        more = len(trouble) - _MOST_DETAILS
        screen.say(as_called(f"… and {more} more: labctl step all --verify --node all"))


def _count(row: list[StepReport]) -> str:
    counts = {outcome: sum(each.outcome is outcome for each in row) for outcome in SAID}
    found = {outcome: count for outcome, count in counts.items() if count}
    if len(found) == 1:
        return SAID[next(iter(found))]
    return ", ".join(f"{count} {SAID[outcome]}" for outcome, count in found.items())


def _name_odd_ones(screen: Screen, row: list[StepReport]) -> None:
    """Where most nodes agree, name those that do not."""
    names = {outcome: [each.node for each in row if each.outcome is outcome] for outcome in SAID}
    most = max(names, key=lambda outcome: len(names[outcome]))
    for outcome, nodes in names.items():
        if nodes and outcome is not most:
            listed = ", ".join(nodes[:_MOST_DETAILS])
            more = f" and {len(nodes) - _MOST_DETAILS} more" if len(nodes) > _MOST_DETAILS else ""
            screen.say(f"{SAID[outcome]}: {listed}{more}", STYLES[outcome], indent=3, hang=2)


def shorten(text: str, width: int) -> str:
    """Cut a title at a word, if it must be cut."""
    if len(text) <= width:
        return text
    first = textwrap.wrap(text, width - 2, max_lines=1, placeholder="", drop_whitespace=False) or [""]
    return f"{first[0].rstrip()} …"
