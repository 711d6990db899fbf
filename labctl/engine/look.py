"""Looks at steps: resources first, then the probes of all of them side by side. Writes nothing."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from labctl.engine.course import Course, nodes_of, probes_of, resources_of, where
from labctl.engine.prober import Prober
from labctl.engine.report import Checked, Outcome, StepReport
from labctl.errors import CannotTell, KernelRefused, MissingStep, WorldGone
from labctl.model.probe import Answer
from labctl.model.resource import HasBaseline, LooksByProgram, Seen, Unknown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from labctl.model.lab import Lab, Node
    from labctl.model.ports import Kernel, ProgramLook
    from labctl.model.probe import Probe
    from labctl.model.resource import Resource
    from labctl.model.step import Lesson


def look_at(resource: Resource, kernel: Kernel) -> Seen:
    """Observe one resource; what cannot be looked at is unknown, never absent."""
    try:
        seen = resource.observe(kernel)
        return kernel.judge(resource, seen) if isinstance(kernel, HasBaseline) else seen
    except KernelRefused as error:
        return Unknown(error.what, error.hint)


class Survey:
    """A lab, looked at with one course in mind. What was seen is kept until `refresh`."""

    def __init__(self, course: Course, lab: Lab, kernel: Kernel) -> None:
        """Look through this kernel."""
        self.course, self.lab, self.kernel = course, lab, kernel
        self._seen: dict[tuple[int, str], tuple[tuple[Resource, Seen], ...]] = {}

    def refresh(self) -> None:
        """Look anew from now on."""
        self._seen.clear()
        self.kernel.refresh()

    def forget(self, lesson: Lesson, node: Node) -> None:
        """Look at one step anew; the kernel port itself forgets what was changed through it."""
        self._seen.pop((lesson.number, where(lesson, node)), None)

    def resources(self, lesson: Lesson, node: Node) -> tuple[tuple[Resource, Seen], ...]:
        """The resources of a step on a node, each with what was seen."""
        key = (lesson.number, where(lesson, node))
        if key not in self._seen:
            resources = resources_of(lesson, self.lab, node)
            self._seen[key] = tuple((each, look_at(each, self.kernel)) for each in resources)
        return self._seen[key]

    def _look_ahead(self, steps: Iterable[tuple[Lesson, Node]]) -> None:
        """Have the programs that have to look at these run side by side: each is mostly a process that starts."""
        new = [(lesson, node) for lesson, node in steps if (lesson.number, where(lesson, node)) not in self._seen]
        resources = [each for lesson, node in new for each in resources_of(lesson, self.lab, node)]
        asks: list[ProgramLook] = []
        for each in resources:
            # What cannot be asked says so itself when its turn comes.
            with suppress(KernelRefused):
                asks += each.program_looks(self.kernel) if isinstance(each, LooksByProgram) else ()
        with suppress(KernelRefused):
            self.kernel.look_ahead(asks)

    def bare(self, lesson: Lesson, node: Node) -> StepReport:
        """A report without probes."""
        return StepReport(lesson, where(lesson, node), self.resources(lesson, node), ())

    def reports(
        self, lessons: Iterable[Lesson], nodes: tuple[Node, ...], *, ask_untouched: bool = True
    ) -> tuple[StepReport, ...]:
        """Look at several steps on several nodes; all their probes are asked together.

        A step of which nothing is there is not done whatever its probes say: who looks at all steps need not ask those,
        of which most wait for silence.
        """
        bare = [(lesson, node) for lesson in lessons for node in nodes_of(lesson, self.lab, nodes)]
        self._look_ahead(bare)
        reports = []
        for (lesson, node), answers in zip(bare, self._answers(bare, ask_untouched=ask_untouched), strict=True):
            checks = tuple(Checked(probe, probe.after, answer) for probe, answer in answers)
            missing = self._first_missing(lesson, node) if any(check.failed for check in checks) else ""
            seen = self.resources(lesson, node)
            reports.append(StepReport(lesson, where(lesson, node), seen, checks, missing))
        return tuple(reports)

    def ask_before(self, lesson: Lesson, nodes: tuple[Node, ...]) -> tuple[tuple[Checked, ...], ...]:
        """Ask the probes of a step that is yet to be done, those of all nodes side by side; the answers by node."""
        asked = self._answers([(lesson, node) for node in nodes])
        return tuple(tuple(Checked(probe, probe.before, answer) for probe, answer in answers) for answers in asked)

    def _answers(
        self, steps: list[tuple[Lesson, Node]], *, ask_untouched: bool = True
    ) -> list[tuple[tuple[Probe, Answer], ...]]:
        """Ask what is asked now of each of these, all side by side."""
        asked = [
            self.asked(lesson, node) if ask_untouched or self.bare(lesson, node).touched else ()
            for lesson, node in steps
        ]
        answers = iter(self._ask([probe for probes in asked for probe in probes]))
        return [tuple((probe, next(answers)) for probe in probes) for probes in asked]

    def _ask(self, probes: list[Probe]) -> tuple[Answer, ...]:
        """Ask side by side; in a world half dead one by one, so that only what is about the dead is unknown."""
        prober = Prober(self.kernel, self.lab)
        try:
            return prober.ask(probes)
        except WorldGone:
            return tuple(self._ask_alone(prober, probe) for probe in probes)

    def _ask_alone(self, prober: Prober, probe: Probe) -> Answer:
        try:
            return prober.ask((probe,))[0]
        except WorldGone as error:
            return Answer(None, error.what, error.hint)

    def _first_missing(self, lesson: Lesson, node: Node) -> str:
        missing = self.missing(lesson, node)
        if not missing:
            return ""
        return f"step {missing[0].lesson.number} on {missing[0].node} comes first: {missing[0].causes()[0]}"

    def asked(self, lesson: Lesson, node: Node) -> tuple[Probe, ...]:
        """The probes of a step that are asked now: not those whose answer a later step, which stands, has changed."""
        return tuple(
            probe
            for probe in probes_of(lesson, self.lab, node)
            if probe.until is None or not self.stands(self.course.lesson(probe.until), node)
        )

    def stands(self, lesson: Lesson, node: Node) -> bool:
        """Something of a step is there on a node."""
        return any(self.bare(lesson, each).stands for each in nodes_of(lesson, self.lab, (node,)))

    def needs(self, lesson: Lesson, node: Node) -> tuple[tuple[Lesson, Node], ...]:
        """What has to be done before a step: all earlier steps on that node; for the whole lab's, on every node."""
        nodes = self.lab.nodes if lesson.step.whole_lab else (node,)
        earlier = (each for each in self.course.numbers if each < lesson.number)
        return tuple((each, at) for each in self.course.lessons(earlier) for at in nodes_of(each, self.lab, nodes))

    def missing(self, lesson: Lesson, node: Node) -> tuple[StepReport, ...]:
        """The needs that are not made, the first first."""
        needs = self.needs(lesson, node)
        self._look_ahead(needs)
        reports = (self.bare(each, at) for each, at in needs)
        return tuple(report for report in reports if not report.made)

    def require(self, lesson: Lesson, node: Node) -> None:
        """Insist on the needs of a step.

        Raises:
            MissingStep: one is not made; the hint is the command that does it.
            CannotTell: the first of them could not be looked at.
        """
        missing = self.missing(lesson, node)
        if not missing:
            return
        first = missing[0]
        cause = first.causes()[0]
        if first.outcome is Outcome.UNKNOWN:
            raise CannotTell(
                (
                    f"step {lesson.number} needs step {first.lesson.number} on {first.node}, which cannot "
                    f"be looked at: {cause}"
                ),
                next(iter(first.hints()), "labctl doctor"),
            )
        nodes = dict.fromkeys(report.node for report in missing if report.node != "lab")
        numbers = sorted({report.lesson.number for report in missing})
        span = str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]}-{numbers[-1]}"
        who = next(iter(nodes)) if len(nodes) == 1 else "all"
        suffix = "" if who == self.lab.nodes[0].name else f" --node {who}"
        raise MissingStep(
            f"step {lesson.number} needs step {first.lesson.number} on {first.node} first: {cause}",
            f"labctl step {span} --apply{suffix}",
        )
