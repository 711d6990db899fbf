"""What `labctl step` does when it looks or acts: apply, undo, plan, verify, and the view without a flag."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from labctl.cli.called import lesson_as_called
from labctl.cli.progress import Recorder, record_hint, record_standing
from labctl.cli.scripts import print_pending, script_of
from labctl.cli.tally import Tally, spelling_interruptions
from labctl.engine.course import nodes_of
from labctl.engine.hands import NetlinkHands, ShellHands
from labctl.engine.planner import plan_steps
from labctl.engine.report import Outcome, applied_code, exit_code
from labctl.engine.runner import Runner
from labctl.engine.todo import add_needed
from labctl.engine.undoer import Undoer
from labctl.errors import MissingStep
from labctl.model.resource import Foreign
from labctl.world.state import world_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labctl.cli.screen.page import Screen
    from labctl.cli.session import Session
    from labctl.engine.events import Listener
    from labctl.engine.hands import Hands
    from labctl.engine.look import Survey
    from labctl.engine.planner import StepPlan
    from labctl.engine.report import StepReport
    from labctl.model.lab import Node
    from labctl.model.shell import Dialect
    from labctl.model.step import Lesson


class Run:
    """One `labctl step …` that needs the world."""

    def __init__(
        self,
        session: Session,
        lessons: tuple[Lesson, ...],
        nodes: tuple[Node, ...],
        via: str = "netlink",
        dialect: Dialect = "notes",
        *,
        as_json: bool = False,
    ) -> None:
        """Act on these steps and nodes."""
        self._session, self._lessons, self._nodes = session, lessons, nodes
        self._via, self._dialect, self._as_json = via, dialect, as_json

    def verify(self) -> int:
        """Look, write nothing; insist on what the first of the steps needs."""
        with self._survey("--verify") as survey:
            for node in nodes_of(self._lessons[0], survey.lab, self._nodes):
                survey.require(self._lessons[0], node)
            reports = survey.reports(self._lessons, self._nodes)
            for report in reports:
                number = report.lesson.number
                self._session.journal.add(self._world, "verified", number, report.node, str(report.outcome))
            self._note(reports)
        if self._as_json:
            print(json.dumps([report.as_json() for report in reports], indent=1))
        else:
            from labctl.cli.screen.looks import show_report

            screen = _screen()
            for report in reports:
                show_report(screen, report)
            self._say_next(screen, reports)
        return exit_code(report.outcome for report in reports)

    def plan(self) -> int:
        """Say what apply would do."""
        with self._survey("--plan") as survey:
            plans = self._plans(survey)
        if self._as_json:
            print(json.dumps([each.as_json() for each in plans], indent=1))
            return 0
        from labctl.cli.screen.looks import show_plan

        screen = _screen()
        for each in plans:
            show_plan(screen, each)
        if any(each.missing for each in plans):
            screen.hint(f"labctl step {self._span()} --apply --with-needed{self._at()} does them too", indent=0)
        return 0

    def dry_run(self) -> int:
        """Print the commands for what is not there yet, and nothing else; refuse what apply would."""
        with self._survey("--dry-run") as survey:
            plans = [(pair, plan) for pair, plan in zip(self._pairs(survey), self._plans(survey), strict=True)]
            for _, each in plans:
                each.plan.refuse()
        print_pending(
            self._session, [(*pair, each.plan.pending) for pair, each in plans], self._dialect, as_json=self._as_json
        )
        return 0

    def apply(self, *, with_needed: bool) -> int:
        """Do the steps, the earlier ones too if asked."""
        tally = Tally(None if self._as_json else _narrator())
        with spelling_interruptions(tally), self._survey("--apply") as survey:
            todo = {lesson: nodes_of(lesson, survey.lab, self._nodes) for lesson in self._lessons}
            if with_needed:
                todo = add_needed(survey, ((lesson, node) for lesson, nodes in todo.items() for node in nodes))
            with self._running(survey, "--apply"):
                runner = Runner(survey, *self._hands(survey, tally))
                for lesson, nodes in todo.items():
                    runner.apply(lesson, nodes)
            self._note(_reports(tally))
        self._print_finished(tally)
        return applied_code(_reports(tally))

    def undo(self, *, cascade: bool) -> int:
        """Take the steps away, the last first; later ones too if asked."""
        tally = Tally(None if self._as_json else _narrator())
        with spelling_interruptions(tally), self._survey("--undo") as survey:
            lowest = self._lessons[0].number
            with self._running(survey, "--undo"):
                undoer = Undoer(survey, *self._hands(survey, tally))
                if cascade:
                    undoer.undo_from(lowest, self._nodes)
                else:
                    self._undo_each(undoer, survey)
            self._note(_reports(tally))
        self._print_finished(tally)
        return 0

    def _undo_each(self, undoer: Undoer, survey: Survey) -> None:
        pairs = tuple(self._pairs(survey))[::-1]
        try:
            for lesson, node in pairs:  # all before the first is undone: refused, nothing has been changed
                undoer.refuse_below(lesson, node, self._lessons[-1].number)
        except MissingStep as error:
            # The step below which it is refused is only one of those that were asked for.
            error.hint = f"undo all of it: labctl step {self._lessons[0].number} --undo --cascade{self._at()}"
            raise
        for lesson, node in pairs:
            undoer.undo(lesson, node)

    def _at(self) -> str:
        name = self._nodes[0].name if len(self._nodes) == 1 else "all"
        return "" if name == self._session.here else f" --node {name}"

    def show(self) -> int:
        """The lesson, its commands, and where you stand; exit as verify."""
        from labctl.cli.screen.looks import show_report
        from labctl.engine.lesson import read_lesson

        with self._survey("") as survey:
            reports = survey.reports(self._lessons, self._nodes)
            self._note(reports)
            texts = [
                read_lesson(lesson, survey.lab, self._nodes[0], answer=False, kernel=survey.kernel)
                for lesson in self._lessons
            ]
        if self._as_json:
            print(json.dumps([report.as_json() for report in reports], indent=1))
            return exit_code(report.outcome for report in reports)
        screen = _screen()
        record_hint(self._session, self._lessons, self._nodes, "commands")
        for lesson, text in zip(self._lessons, texts, strict=True):
            screen.title(lesson)
            screen.notes(lesson)
            screen.say()
            screen.markdown(lesson_as_called(text))
            screen.say()
            for node in nodes_of(lesson, survey.lab, self._nodes):
                screen.commands(script_of(self._session, lesson, node, self._dialect))
                screen.say()
            for report in reports:
                if report.lesson is lesson:
                    show_report(screen, report)
            screen.say()
        self._say_next(screen, reports)
        return exit_code(report.outcome for report in reports)

    def _say_next(self, screen: Screen, reports: tuple[StepReport, ...]) -> None:
        undone = next((report for report in reports if report.outcome is not Outcome.DONE), None)
        if undone is None:
            return
        at = "" if undone.node in (self._session.here, "lab") else f" --node {undone.node}"
        number = undone.lesson.number
        if any(isinstance(seen, Foreign) for _, seen in undone.resources):
            # --apply would refuse.
            screen.hint("labctl shell, to put right what is not the lab's, or move it away; or labctl reset", indent=0)
            return
        screen.hint(f"labctl shell, to type the commands; or labctl step {number} --apply{at}", indent=0)

    def _plans(self, survey: Survey) -> tuple[StepPlan, ...]:
        return plan_steps(survey, list(self._pairs(survey)))

    def _pairs(self, survey: Survey) -> Iterator[tuple[Lesson, Node]]:
        for lesson in self._lessons:
            for node in nodes_of(lesson, survey.lab, self._nodes):
                yield lesson, node

    def _span(self) -> str:
        numbers = [lesson.number for lesson in self._lessons]
        return str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]}-{numbers[-1]}"

    def _purpose(self, flag: str) -> str:
        return f"step {self._span()} {flag}".strip()

    @contextmanager
    def _survey(self, flag: str) -> Iterator[Survey]:
        with self._session.survey(self._purpose(flag)) as survey:
            self._world = world_id(self._session.world())
            yield survey

    @contextmanager
    def _running(self, survey: Survey, flag: str) -> Iterator[None]:
        """Note begin and end: a run without an end was killed, and `status` says so."""
        journal = self._session.journal
        journal.add(self._world, "begin", what=self._purpose(flag))
        try:
            yield
        finally:
            survey.refresh()
            journal.add(self._world, "end", what=self._purpose(flag))

    def _note(self, reports: tuple[StepReport, ...]) -> None:
        record_standing(self._session.journal, self._world, reports)

    def _hands(self, survey: Survey, listener: Listener) -> tuple[Hands, Listener]:
        """What acts, and who hears of it."""
        recorder = Recorder(self._session.journal, self._world, listener)
        if self._via == "shell":
            return ShellHands(survey.kernel, self._dialect, recorder), recorder
        return NetlinkHands(survey.kernel), recorder

    def _print_finished(self, tally: Tally) -> None:
        if self._as_json:
            body: list[dict[str, Any]] = [
                {**finished.report.as_json(), "changed": finished.changed} for finished in tally.finished
            ]
            print(json.dumps(body, indent=1))


def _reports(tally: Tally) -> tuple[StepReport, ...]:
    return tuple(each.report for each in tally.finished)


def _screen() -> Screen:
    from labctl.cli.screen.page import Screen

    return Screen()


def _narrator() -> Listener:
    from labctl.cli.screen.narrator import Narrator

    return Narrator(_screen())
