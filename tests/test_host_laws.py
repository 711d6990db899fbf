"""The laws of the design in the host world: on a machine that others use too, over every step."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

import pytest

from labctl.engine.course import Course, builtin_folder, probes_of
from labctl.engine.events import Doing, Event, Finished, Left
from labctl.engine.hands import NetlinkHands
from labctl.engine.look import Survey
from labctl.engine.planner import plan_steps
from labctl.engine.prober import Prober
from labctl.engine.report import Outcome
from labctl.engine.runner import Runner
from labctl.kernel.machine import LinuxMachine
from labctl.model.lab import INTERNET
from labctl.model.resource import Absent, Present
from labctl.model.shell import DIALECTS, Dialect
from labctl.world.host.guard import GuardedKernel
from tests.faulty_kernel import Fault, FaultyKernel, failure_of

if TYPE_CHECKING:
    from labctl.model.probe import Probe
    from tests.host_under_test import HostUnderTest
    from tests.lab_under_test import LabUnderTest

pytestmark = [pytest.mark.machine, pytest.mark.anybody]

STEPS = Course(builtin_folder()).numbers
# What comes later has programs that take their time to start; laws 2 to 4 and 9 are held for all.
FIRST_STEPS = STEPS[:9]


def test_law_1_looking_writes_nothing(kept: HostUnderTest) -> None:
    def look(lab: LabUnderTest) -> None:
        for number in FIRST_STEPS:
            lab.apply((number,))
            before = lab.snapshot()
            plan_steps(lab.survey, [(lab.lesson(each), lab.lab.nodes[0]) for each in FIRST_STEPS])
            lab.survey.reports(lab.session.course.lessons(FIRST_STEPS), lab.lab.nodes)
            assert lab.snapshot() == before

    kept.with_lab(look)


def test_laws_2_3_and_4_before_after_again_and_back(kept: HostUnderTest) -> None:
    def walk(lab: LabUnderTest) -> None:
        node = lab.lab.nodes[0]
        for number in STEPS:
            lesson, before, events = lab.lesson(number), lab.snapshot(), list[Event]()
            probes = probes_of(lesson, lab.lab, node)
            for probe, answer in zip(probes, Prober(lab.kernel, lab.lab).ask(probes), strict=True):
                assert answer.yes is (None if _is_beyond(probe) else probe.before), (probe.claim, answer)
            lab.apply((number,))
            outcome = Outcome.UNKNOWN if any(map(_is_beyond, probes)) else Outcome.DONE
            assert lab.report(number).outcome is outcome, lab.report(number).causes()
            after = lab.snapshot()
            lab.runner(events).apply(lesson, (node,))
            assert not [event for event in events if isinstance(event, Doing)]
            assert [event.changed for event in events if isinstance(event, Finished)] == [0]
            assert lab.snapshot() == after != before
            for _ in range(2):
                lab.undoer(events).undo(lesson, node)
                assert lab.snapshot() == before
            left = [event.resource.key for event in events if isinstance(event, Left)]
            # A folder that was there before, with what others keep in it.
            assert set(left) <= {"folder:master/etc/cni/net.d", "folder:master/opt/cni/bin"}
            seen = lab.survey.resources(lesson, node)
            assert all(isinstance(each, Absent) or (isinstance(each, Present) and each.shared) for _, each in seen)
            lab.apply((number,))

    kept.with_lab(walk)


def _is_beyond(probe: Probe) -> bool:
    """Nobody answers here for the other machine, and nobody can be sent to the internet to ask from there."""
    return "the bridge of worker" in probe.claim or probe.question.source == INTERNET


@pytest.mark.parametrize("dialect", DIALECTS)
def test_law_5_the_printed_commands_do_and_undo_the_same(kept: HostUnderTest, dialect: Dialect) -> None:
    def walk(lab: LabUnderTest) -> None:
        node = lab.lab.nodes[0]
        for number in FIRST_STEPS:
            before = lab.snapshot()
            lab.apply((number,))
            after = lab.snapshot()
            lab.undoer().undo(lab.lesson(number), node)
            done = lab.type("master", _SUDO + lab.script(number, node, dialect))
            assert done.code == 0, done.err
            assert lab.snapshot() == after
            done = lab.type("master", _SUDO + lab.script(number, node, dialect, undo=True))
            assert done.code == 0, done.err
            assert lab.snapshot() == before
            lab.apply((number,))

    kept.with_lab(walk)


def test_law_5_undo_by_the_printed_commands_leaves_folders_that_were_there(kept: HostUnderTest) -> None:
    """Empty ones too: nothing of the commands can tell whose they are."""
    kept.type("mkdir /var/lib/cni/results")
    kept.labctl("up")
    kept.labctl("step", "0-4", "--apply", code=None)
    said = kept.labctl("step", "0-4", "--undo", "--via", "shell")
    assert "$ sudo brctl delbr cni0\n" in said.out
    kept.labctl("down")
    kept.type("rmdir /var/lib/cni/results")


# The machine of this test has no sudo that would work in it: its root is nobody's outside.
_SUDO = 'sudo() { "$@"; }\nexport -f sudo\n'


def test_law_6_a_failure_at_any_operation_leaves_the_machine_as_before(kept: HostUnderTest) -> None:
    def walk(lab: LabUnderTest) -> None:
        node = lab.lab.nodes[0]
        baseline = lab.session.host.baseline()
        with closing(LinuxMachine().enter(lab.world.record, lab.lab)) as agent:
            for number in FIRST_STEPS:
                before = lab.snapshot()
                for at in count(1):
                    faulty = GuardedKernel(FaultyKernel(agent.kernel, Fault(at)), node.name, baseline)
                    survey = Survey(lab.session.course, lab.lab, faulty)
                    faulty.refresh()
                    runner = Runner(survey, NetlinkHands(faulty), lambda _event: None, probing=False)
                    error = failure_of(partial(runner.apply, lab.lesson(number), (node,)))
                    lab.survey.refresh()
                    if error is None:
                        assert at > 1
                        break
                    assert error.what.startswith("injected: "), error.what
                    assert error.what.endswith("everything was taken back"), error.what
                    assert lab.snapshot() == before, (number, at)

    kept.with_lab(walk)
