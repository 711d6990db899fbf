"""Undoes steps: in reverse, every failure reported; what is not the lab's is left and named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from labctl.engine.course import nodes_of, where
from labctl.engine.events import Did, Doing, Finished, Left, Started
from labctl.errors import KernelRefused, LabError, MissingStep
from labctl.model.resource import Absent, Foreign, HasBystanders, Present, own_view, state_of

if TYPE_CHECKING:
    from labctl.engine.events import Listener
    from labctl.engine.hands import Hands
    from labctl.engine.look import Survey
    from labctl.engine.report import StepReport
    from labctl.model.lab import Node
    from labctl.model.ports import Kernel
    from labctl.model.resource import Resource
    from labctl.model.step import Lesson


@dataclass
class Undoer:
    """Undoes steps of one lab, and tells a listener."""

    survey: Survey
    hands: Hands
    listener: Listener

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
                self.hands.unmake(resource, seen, node)
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
            resource.revert(own_view(self.survey.kernel))
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

    def refuse_below(self, lesson: Lesson, node: Node, last: int | None = None) -> None:
        """Refuse to pull a step from under a later one; those up to `last` will be undone before it.

        Raises:
            MissingStep: a later step stands.
        """
        last = lesson.number if last is None else last
        later = [number for number in self.survey.course.numbers if number > last]
        for above in self.survey.course.lessons(later):
            at = self.survey.lab.nodes if lesson.step.whole_lab else (node,)
            for each in nodes_of(above, self.survey.lab, at):
                if self.survey.bare(above, each).stands:
                    is_first = lesson.step.whole_lab or node == self.survey.lab.nodes[0]
                    suffix = "" if is_first else f" --node {node.name}"
                    raise MissingStep(
                        f"step {above.number} stands on {where(above, each)} and needs step {lesson.number}; "
                        "nothing was changed",
                        f"undo all of it: labctl step {lesson.number} --undo --cascade{suffix}",
                    )

    def undo_from(self, number: int, nodes: tuple[Node, ...]) -> tuple[StepReport, ...]:
        """Undo every step from the last one down to this one, on these nodes.

        What stands on a step of the whole lab goes on every node, for that step goes too.
        """
        reports = []
        lessons = self.survey.course.lessons(each for each in self.survey.course.numbers if each >= number)
        for lesson in reversed(lessons):
            over_all = any(each.step.whole_lab for each in lessons if each.number < lesson.number)
            for node in nodes_of(lesson, self.survey.lab, self.survey.lab.nodes if over_all else nodes):
                if lesson.number == number or self.survey.bare(lesson, node).touched:
                    reports.append(self.undo(lesson, node))
                else:
                    self._sweep_all(lesson, node)
        return tuple(reports)


def bystanders_of(resource: Resource, kernel: Kernel) -> tuple[str, ...]:
    """What is not the lab's and stays when a resource is taken away, a sentence each."""
    try:
        return resource.bystanders(own_view(kernel)) if isinstance(resource, HasBystanders) else ()
    except KernelRefused:
        return ()  # what cannot be looked at is not touched either
