"""Carries plans out: apply with roll-back, undo in reverse with every failure reported; then looks again."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from labctl.engine.course import nodes_of, where
from labctl.engine.events import AskedBefore, Did, Doing, Finished, Left, Planned, Started, TookBack
from labctl.engine.look import look_at
from labctl.engine.planner import Item, Plan, make_plan
from labctl.engine.prober import Prober
from labctl.engine.report import Checked
from labctl.errors import KernelRefused, LabError, MissingStep
from labctl.model.resource import Absent, Action, Foreign, HasBystanders, Present, state_of

if TYPE_CHECKING:
    from labctl.engine.events import Event, Listener
    from labctl.engine.look import Survey
    from labctl.engine.report import StepReport
    from labctl.model.lab import Node
    from labctl.model.ports import Kernel
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
    _made: dict[str, Item] = field(default_factory=dict)

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
        self._made = {}
        try:
            for _ in range(_ROUNDS):
                for item in plan.pending:
                    self._make(item)
                self.survey.forget(lesson, node)
                if not plan.pending:
                    break
                plan = self.plan(lesson, node)
                plan.refuse()
        except BaseException as error:
            try:
                self._take_back(error)
            except KeyboardInterrupt:
                # Ctrl-C in the middle of that. It comes once; now it is gone through with.
                self._take_back(error)
                raise
            raise
        return len(self._made)

    def _make(self, item: Item) -> None:
        self.listener(Doing(item.resource, str(item.action)))
        # Noted before it is done, for half of it may be there when it fails; and once: what was there at first counts.
        self._made.setdefault(item.resource.key, item)
        self.hands.make(item.resource, item.action)
        self.listener(Did(item.resource, str(item.action)))

    def _take_back(self, error: BaseException) -> None:
        """Undo what this run made, the last first; what was mended cannot be unmended, and is named."""
        made = tuple(reversed(self._made.values()))
        troubles = {item.resource.key: self._revert(item) for item in made if item.action is Action.CREATE}
        self.survey.refresh()
        left = []
        for item in made:
            why = self._say_left(item, troubles.get(item.resource.key, ""))
            self._tell_quietly(TookBack(item.resource, why))
            left += [why] if why else []
        if isinstance(error, LabError):
            outcome = f"not taken back: {'; '.join(left)}" if left else "everything was taken back"
            error.what = f"{error.what}; {outcome}"

    def _revert(self, item: Item) -> str:
        """Take one back; say what went wrong."""
        try:
            item.resource.revert(self.survey.kernel)
        except LabError as trouble:
            return trouble.what
        return ""

    def _say_left(self, item: Item, trouble: str) -> str:
        """Look whether a resource is again as it was before the run; empty if it is."""
        now = look_at(item.resource, self.survey.kernel)
        state, why = state_of(now)
        if trouble:
            return f"{item.resource.key} ({trouble}; it is {state} now)"
        if isinstance(now, Absent) if item.action is Action.CREATE else now == item.seen:
            return ""
        return f"{item.resource.key} (before: {item.reason}; now: {why or state})"

    def _tell_quietly(self, event: Event) -> None:
        # What cannot be told (a full disk, a closed pipe) must not keep the rest from being taken back.
        with suppress(Exception):
            self.listener(event)

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
                self._sweep(resource, failures)
                continue
            if isinstance(seen, Foreign):
                self.listener(Left(resource, f"left untouched: {seen.why}"))
                continue
            for bystander in bystanders_of(resource, self.survey.kernel):
                self.listener(Left(resource, f"left untouched: {bystander}"))
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

    def _sweep(self, resource: Resource, failures: list[LabError]) -> None:
        """Take away what no look sees: a killed run may have left, say, an empty folder above one that is gone."""
        try:
            resource.revert(self.survey.kernel)
        except LabError as error:
            failures.append(error)

    def _sweep_all(self, lesson: Lesson, node: Node) -> None:
        failures: list[LabError] = []
        for resource, seen in reversed(self.survey.resources(lesson, node)):
            if isinstance(seen, Absent):
                self._sweep(resource, failures)
        if failures:
            raise failures[0]

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
            said = "; ".join(dict.fromkeys(error.what for error in failures))
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
                        f"undo all of it: labctl step {lesson.number} --undo --cascade",
                    )

    def undo_from(self, number: int, nodes: tuple[Node, ...]) -> tuple[StepReport, ...]:
        """Undo every step from the last one down to this one, on these nodes."""
        reports = []
        numbers = [each for each in self.survey.course.numbers if each >= number]
        for lesson in reversed(self.survey.course.lessons(numbers)):
            for node in nodes_of(lesson, self.survey.lab, nodes):
                if lesson.number == number or self.survey.bare(lesson, node).touched:
                    reports.append(self.undo(lesson, node))
                else:
                    self._sweep_all(lesson, node)
        return tuple(reports)


def bystanders_of(resource: Resource, kernel: Kernel) -> tuple[str, ...]:
    """What is not the lab's and stays when a resource is taken away, a sentence each."""
    try:
        return resource.bystanders(kernel) if isinstance(resource, HasBystanders) else ()
    except KernelRefused:
        return ()  # what cannot be looked at is not touched either
