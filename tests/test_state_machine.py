"""Laws 3, 4, 5 and 7 in any order: applying, undoing, typing, tampering and killing, over one lab."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from labctl.engine.course import nodes_of
from labctl.engine.events import Doing, Event
from labctl.engine.report import Outcome
from labctl.errors import LabError, MissingStep, WorldGone
from labctl.model.resource import Absent, Present
from tests.faulty_kernel import FaultyAgent, failure_of
from tests.lab_under_test import STEPS as NUMBERS
from tests.lab_under_test import LabUnderTest
from tests.mischief import TAMPERING

if TYPE_CHECKING:
    from labctl.engine.runner import Runner
    from labctl.engine.undoer import Undoer
    from labctl.model.lab import Node

pytestmark = [pytest.mark.machine, pytest.mark.long]

STEPS = st.runner().flatmap(lambda learning: st.sampled_from(learning.numbers))
WHO = st.integers(0, 1)


# The steps of the network, without servers: what is typed there in a wrong order fails at once, and is not waited for.
_NETWORK = 9


class Learning(RuleBasedStateMachine):
    """One lab an example, bare at first; it ends by undoing everything."""

    numbers = NUMBERS[:_NETWORK]

    @initialize()
    def start(self) -> None:
        self.stack = ExitStack()
        home = self.stack.enter_context(tempfile.TemporaryDirectory())
        self.lab = self.stack.enter_context(LabUnderTest(Path(home)))
        self.bare = self.lab.snapshot()

    def _places(self, number: int, who: int) -> tuple[Node, ...]:
        return nodes_of(self.lab.lesson(number), self.lab.lab, self.lab.lab.nodes[who : who + 1])

    def _runner(self, events: list[Event] | None = None) -> Runner:
        self.lab.survey.refresh()
        return self.lab.runner(events)

    def _undoer(self) -> Undoer:
        self.lab.survey.refresh()
        return self.lab.undoer()

    @rule(upto=STEPS, who=WHO)
    def apply_up_to(self, upto: int, who: int) -> None:
        for number in range(upto + 1):
            for node in self._places(number, who):
                try:
                    self._runner().apply(self.lab.lesson(number), (node,))
                except MissingStep:
                    assert number >= 7, "all earlier steps are done, and step 7, of the whole lab, needs the other node"
                    return
                events: list[Event] = []
                before = self.lab.snapshot()
                (report,) = self._runner(events).apply(self.lab.lesson(number), (node,))
                assert report.made, report.causes()
                assert not [event for event in events if isinstance(event, Doing)], "a second apply changes nothing"
                assert self.lab.snapshot() == before

    @rule(number=STEPS, who=WHO)
    def apply_one(self, number: int, who: int) -> None:
        (node,) = self._places(number, who)
        before = self.lab.snapshot()
        try:
            self._runner().apply(self.lab.lesson(number), (node,))
        except LabError:
            assert self.lab.snapshot() == before

    @rule(number=STEPS, who=WHO)
    def undo_one(self, number: int, who: int) -> None:
        (node,) = self._places(number, who)
        before = self.lab.snapshot()
        try:
            report = self._undoer().undo(self.lab.lesson(number), node)
        except MissingStep:
            assert self.lab.snapshot() == before
        else:
            assert not [
                resource.key for resource, seen in report.resources if isinstance(seen, Present) and not seen.shared
            ]

    @rule(number=STEPS, who=WHO)
    def undo_down_to(self, number: int, who: int) -> None:
        try:
            self._undoer().undo_from(number, self.lab.lab.nodes[who : who + 1])
        except MissingStep:
            assert number < 7, "only step 7, the whole lab's, may stand on it"

    @rule(number=STEPS, who=WHO)
    def do_it_undo_it_type_it(self, number: int, who: int) -> None:
        """From a world without a step: undo is exact, and the printed commands do what apply does."""
        (node,) = self._places(number, who)
        before = self.lab.snapshot()
        self.lab.survey.refresh()
        if not all(isinstance(seen, Absent) for _, seen in self.lab.survey.resources(self.lab.lesson(number), node)):
            return
        try:
            self._runner().apply(self.lab.lesson(number), (node,))
        except LabError:
            return
        applied = self.lab.snapshot()
        try:
            self._undoer().undo(self.lab.lesson(number), node)
        except MissingStep:
            # A later step has been typed without this one.
            assert self.lab.snapshot() == applied
            return
        assert self.lab.snapshot() == before
        if self.lab.type(node.name, self.lab.script(number, node, "notes")).code == 0:
            assert self.lab.snapshot() == applied

    @rule(number=STEPS, who=WHO)
    def type_it(self, number: int, who: int) -> None:
        """The printed commands, wherever they lead: they may fail in the middle."""
        (node,) = self._places(number, who)
        self.lab.type(node.name, self.lab.script(number, node, "notes"))

    @rule(tampering=st.sampled_from(TAMPERING))
    def tamper(self, tampering: str) -> None:
        self.lab.type("master", tampering)

    @rule(number=STEPS, who=WHO, at=st.integers(1, 6))
    def apply_killed(self, number: int, who: int, at: int) -> None:
        (node,) = self._places(number, who)
        with closing(FaultyAgent(self.lab.world.record, self.lab.lab)) as agent:
            agent.arm(at, after=True, kill=True)
            error = failure_of(lambda: self.lab.runner(kernel=agent.kernel).apply(self.lab.lesson(number), (node,)))
        assert not isinstance(error, WorldGone) or "not taken back" in error.what
        self.lab.survey.refresh()

    @invariant()
    def done_means_that_all_resources_and_probes_hold(self) -> None:
        self.lab.survey.refresh()
        for report in self.lab.survey.reports(self.lab.survey.course.lessons(self.numbers), self.lab.lab.nodes):
            holds = report.made and all(each.holds for each in report.probes)
            assert (report.outcome is Outcome.DONE) == holds
            assert bool(report.causes()) == (not holds), report

    def teardown(self) -> None:
        with self.stack:
            self._undoer().undo_from(0, self.lab.lab.nodes)
            assert self.lab.snapshot() == self.bare


class LearningAll(Learning):
    """All steps; fewer examples, for each takes long."""

    numbers = NUMBERS


@pytest.mark.parametrize(
    ("number", "learning", "examples"),
    [
        pytest.param(0, Learning, 6, marks=pytest.mark.anybody),
        pytest.param(1, Learning, 6, marks=pytest.mark.anybody),
        pytest.param(2, Learning, 6, marks=pytest.mark.anybody),
        (3, LearningAll, 2),
    ],
)
def test_any_order_of_doing_undoing_tampering_and_killing(number: int, learning: type[Learning], examples: int) -> None:
    """The same examples at each run, in parts that run beside each other."""
    run_state_machine_as_test(
        seed(number)(learning),
        settings=settings(
            max_examples=examples,
            stateful_step_count=10,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            # A failure is replayed, not shrunk: that would take minutes, and the steps are few.
            phases=(Phase.generate,),
        ),
    )
