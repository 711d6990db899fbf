"""Carries plans out: apply with roll-back, undo in reverse with every failure reported, and looks again after acting."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from labctl.engine.course import nodes_of, where
from labctl.engine.events import AskedBefore, Did, Doing, Finished, Left, Planned, Started, TookBack
from labctl.engine.planner import Plan, make_plan
from labctl.engine.prober import Prober
from labctl.engine.report import Checked
from labctl.errors import KernelRefused, LabError, MissingStep
from labctl.model.resource import Absent, Action, Foreign, Present, state_of

if TYPE_CHECKING:
    from labctl.engine.events import Listener
    from labctl.engine.look import Survey
    from labctl.engine.report import StepReport
    from labctl.model.lab import Node
    from labctl.model.resource import Resource, Seen
    from labctl.model.step import Lesson

# Some drift shows only when what hid it is mended (an address on an interface of another name).
_ROUNDS = 3


class Hands(Protocol):
    """How a resource is acted on: through netlink, or by the printed commands."""

    def make(self, resource: Resource, action: Action) -> None:
        """Create or repair it."""

    def unmake(self, resource: Resource, seen: Seen) -> None:
        """Take it away."""


@dataclass
class Runner:
    """Does and undoes steps of one lab, and tells a listener."""

    survey: Survey
    hands: Hands
    listener: Listener
    probing: bool = True
    _made: list[tuple[Resource, Action, str]] = field(default_factory=list)

    def plan(self, lesson: Lesson, node: Node) -> Plan:
        """What would be done now."""
        return make_plan(self.survey.resources(lesson, node))

    def apply(self, lesson: Lesson, node: Node) -> StepReport:
        """Do a step on a node; what is there already is kept.

        Raises:
            MissingStep: an earlier step is missing; nothing was changed.
            ForeignObject, CannotTell: the plan cannot be carried out; nothing was changed.
            KernelRefused: it failed in the middle; what had been made was taken back, what could not be is named.
        """
        self.survey.refresh()
        self.survey.require(lesson, node)
        plan = self.plan(lesson, node)
        plan.refuse()
        self.listener(Started(lesson, where(lesson, node)))
        if plan.pending and self.probing:
            self._ask_before(lesson, node)
        self.listener(Planned(plan.items))
        changed = self._carry_out(lesson, node, plan)
        return self._finish(lesson, node, changed)

    def _ask_before(self, lesson: Lesson, node: Node) -> None:
        probes = self.survey.asked(lesson, node)
        answers = Prober(self.survey.kernel, self.survey.lab).ask(probes)
        checks = (Checked(probe, probe.before, answer) for probe, answer in zip(probes, answers, strict=True))
        self.listener(AskedBefore(tuple(checks)))

    def _carry_out(self, lesson: Lesson, node: Node, plan: Plan) -> int:
        self._made = []
        try:
            for _ in range(_ROUNDS):
                for item in plan.pending:
                    self._make(item.resource, item.action, item.reason)
                self.survey.refresh()
                if not plan.pending:
                    break
                plan = self.plan(lesson, node)
                plan.refuse()
        except (LabError, KeyboardInterrupt) as error:
            self._take_back(error)
            raise
        return len({resource.key for resource, _, _ in self._made})

    def _make(self, resource: Resource, action: Action, reason: str) -> None:
        self.listener(Doing(resource, str(action)))
        # Noted before it is done: half of it may be there when it fails.
        self._made.append((resource, action, reason))
        self.hands.make(resource, action)
        self.listener(Did(resource, str(action)))

    def _take_back(self, error: BaseException) -> None:
        """Undo what this run made, the last first; what was mended cannot be unmended, and is named."""
        left: list[str] = []
        for resource, action, reason in reversed(self._made):
            if action is Action.REPAIR:
                left.append(f"{resource.key} was mended or half mended (before: {reason})")
                self.listener(TookBack(resource, left[-1]))
                continue
            try:
                resource.revert(self.survey.kernel)
                self.listener(TookBack(resource))
            except LabError as trouble:
                left.append(f"{resource.key} could not be taken back ({trouble.what})")
                self.listener(TookBack(resource, left[-1]))
        self.survey.refresh()
        if isinstance(error, LabError):
            outcome = f"not taken back: {'; '.join(left)}" if left else "everything was taken back"
            error.what = f"{error.what}; {outcome}"

    def _finish(self, lesson: Lesson, node: Node, changed: int) -> StepReport:
        if self.probing:
            (report,) = self.survey.reports((lesson,), (node,))
        else:
            report = self.survey.bare(lesson, node)
        self.listener(Finished(report, changed))
        return report

    def undo(self, lesson: Lesson, node: Node) -> StepReport:
        """Take a step on a node away, whoever made it; what is not the lab's is left and named.

        Raises:
            MissingStep: a later step stands on it; nothing was changed.
            KernelRefused: something could not be taken away; everything else was.
        """
        self.survey.refresh()
        self.refuse_below(lesson, node)
        self.listener(Started(lesson, where(lesson, node), undo=True))
        failures: list[LabError] = []
        acted = 0
        for resource, seen in reversed(self.survey.resources(lesson, node)):
            if isinstance(seen, Absent):
                continue
            if isinstance(seen, Foreign):
                self.listener(Left(resource, f"left untouched: {seen.why}"))
                continue
            self.listener(Doing(resource, "revert"))
            try:
                self.hands.unmake(resource, seen)
            except LabError as error:
                failures.append(error)
                self.listener(Left(resource, error.what))
            else:
                acted += 1
                self.listener(Did(resource, "revert"))
        return self._finish_undo(lesson, node, acted, failures)

    def _finish_undo(self, lesson: Lesson, node: Node, acted: int, failures: list[LabError]) -> StepReport:
        self.survey.refresh()
        report = self.survey.bare(lesson, node)
        if not failures:
            for resource, seen in report.resources:
                if isinstance(seen, Present):
                    state, why = state_of(seen)
                    self.listener(Left(resource, f"left untouched: {why or state}"))
        self.listener(Finished(report, acted, undo=True))
        if failures:
            said = "; ".join(error.what for error in failures)
            raise KernelRefused(f"not everything could be taken away: {said}", failures[0].hint)
        return report

    def refuse_below(self, lesson: Lesson, node: Node) -> None:
        """Refuse to pull a step from under a later one.

        Raises:
            MissingStep: a later step stands.
        """
        later = [number for number in self.survey.course.numbers if number > lesson.number]
        for above in self.survey.course.lessons(later):
            at = self.survey.lab.nodes if lesson.step.whole_lab else (node,)
            for each in nodes_of(above, self.survey.lab, at):
                if self.survey.bare(above, each).stands:
                    raise MissingStep(
                        f"step {above.number} stands on {where(above, each)} and needs step {lesson.number}; "
                        "nothing was changed",
                        f"undo both: labctl step {lesson.number} --undo --cascade",
                    )

    def undo_from(self, number: int, nodes: tuple[Node, ...]) -> tuple[StepReport, ...]:
        """Undo every step from the last one down to this one, on these nodes."""
        reports = []
        numbers = [each for each in self.survey.course.numbers if each >= number]
        for lesson in reversed(self.survey.course.lessons(numbers)):
            for node in nodes_of(lesson, self.survey.lab, nodes):
                if lesson.number == number or self.survey.stands(lesson, node):
                    reports.append(self.undo(lesson, node))
        return tuple(reports)
