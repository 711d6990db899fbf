"""The laws of the design, each over every step, in real sandboxes. A new step gets them for nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from labctl.engine.course import Course, builtin_folder, nodes_of, probes_of, resources_of
from labctl.engine.events import Doing, Event, Finished, Left
from labctl.engine.prober import Prober
from labctl.engine.report import Outcome
from labctl.errors import MissingStep
from labctl.model.resource import Absent, Present
from labctl.model.shell import DIALECTS, Dialect
from labctl.world.topology import read_lab, spread
from tests.every_step import every_dialect, every_step, every_step_but_the_last_once, every_step_once
from tests.lab_under_test import STEPS, LabUnderTest

if TYPE_CHECKING:
    from labctl.model.lab import Node

pytestmark = pytest.mark.machine

SHELLCHECK = str(Path(sys.executable).with_name("shellcheck"))


def _nodes(lab: LabUnderTest, number: int) -> tuple[Node, ...]:
    return nodes_of(lab.lesson(number), lab.lab, lab.lab.nodes)


@every_step_once
def test_law_1_looking_writes_nothing(lab: LabUnderTest, number: int) -> None:
    for upto in (number, number + 1):
        lab.apply(range(upto))
        before = lab.snapshot()
        for flags in (("--explain",), ("--commands",), ("--plan",), ("--verify",), ()):
            said = lab.labctl("step", str(number), *flags, "--node", "all")
            assert said.code in (0, 1), said
        assert lab.labctl("status").code in (0, 1)
        assert lab.snapshot() == before


@every_step
def test_law_2_probes_hold_before_and_after(lab: LabUnderTest, number: int) -> None:
    lab.apply(range(number))
    lesson = lab.lesson(number)
    for node in _nodes(lab, number):
        probes = probes_of(lesson, lab.lab, node)
        assert probes
        answers = Prober(lab.kernel, lab.lab).ask(probes)
        for probe, answer in zip(probes, answers, strict=True):
            assert answer.yes is probe.before, (probe.claim, answer)
        assert any(probe.before is not probe.after for probe in probes), "the step shows nothing"
    lab.apply((number,))
    for node in _nodes(lab, number):
        assert lab.report(number, node.name).outcome is Outcome.DONE, lab.report(number, node.name).causes()


@every_step_once
def test_law_3_a_second_apply_changes_nothing_and_says_so(lab: LabUnderTest, number: int) -> None:
    lab.apply(range(number + 1))
    before = lab.snapshot()
    for node in _nodes(lab, number):
        events: list[Event] = []
        lab.runner(events).apply(lab.lesson(number), (node,))
        assert not [event for event in events if isinstance(event, Doing)]
        assert [event.changed for event in events if isinstance(event, Finished)] == [0]
    assert lab.snapshot() == before
    if number == STEPS[0]:
        assert "nothing to change" in lab.labctl("step", "0", "--apply").out


@every_step
def test_law_4_apply_then_undo_gives_the_same_world_back(lab: LabUnderTest, number: int) -> None:
    lab.apply(range(number))
    before = lab.snapshot()
    lab.apply((number,))
    assert lab.snapshot() != before
    for _ in range(2):
        for node in _nodes(lab, number):
            events: list[Event] = []
            lab.undoer(events).undo(lab.lesson(number), node)
            assert not [event for event in events if isinstance(event, Left)]
        assert lab.snapshot() == before
    for node in _nodes(lab, number):
        seen = [each for _, each in lab.survey.resources(lab.lesson(number), node)]
        assert all(isinstance(each, Absent) for each in seen)


@every_dialect
@every_step
def test_law_5_the_printed_commands_do_and_undo_the_same(lab: LabUnderTest, number: int, dialect: Dialect) -> None:
    lab.apply(range(number))
    before = lab.snapshot()
    # Typed first: what an apply and its undo may have left must not help them.
    for node in _nodes(lab, number):
        done = lab.type(node.name, lab.script(number, node, dialect))
        assert done.code == 0, done.err
    typed = lab.snapshot()
    for node in _nodes(lab, number):
        done = lab.type(node.name, lab.script(number, node, dialect, undo=True))
        assert done.code == 0, done.err
    assert lab.snapshot() == before
    lab.apply((number,))
    assert lab.snapshot() == typed


@every_step_once
def test_law_5_via_shell_runs_the_printed_commands(lab: LabUnderTest, number: int) -> None:
    lab.apply(range(number))
    before = lab.snapshot()
    said = lab.labctl("step", str(number), "--apply", "--node", "all", "--via", "shell")
    assert said.code == 0, said
    assert "$ " in said.out
    typed = lab.snapshot()
    said = lab.labctl("step", str(number), "--undo", "--node", "all", "--via", "shell")
    assert said.code == 0, said
    assert "$ " in said.out
    assert "is not as the commands make it" not in said.out
    assert lab.snapshot() == before
    lab.apply((number,))
    assert lab.snapshot() == typed


def test_law_5_via_shell_undoes_what_a_runtime_has_mounted(lab: LabUnderTest) -> None:
    """`ip netns add` mounts the folder of step 2 on itself, and leaves it so."""
    lab.apply((0, 1), nodes=lab.lab.nodes[:1])
    before = lab.snapshot()
    lab.apply((2,), nodes=lab.lab.nodes[:1])
    assert lab.type("master", "ip netns add x && ip netns del x").code == 0
    said = lab.labctl("step", "2", "--undo", "--via", "shell")
    assert said.code == 0, said
    assert lab.snapshot() == before


@pytest.mark.anybody
@pytest.mark.parametrize("dialect", DIALECTS)
@every_step
def test_law_5_shellcheck_is_clean_on_the_printed_commands(number: int, dialect: Dialect) -> None:
    from labctl.engine.script import do_statements, on_node, undo_statements
    from labctl.model.shell import render_script

    lab = read_lab(spread(None, None))
    lesson = Course(builtin_folder()).lesson(number)
    for statements in (do_statements, undo_statements):
        for away in (False, True):
            listed = statements(resources_of(lesson, lab, lab.nodes[0]), dialect, lab.nodes[0].name)
            script = "#!/usr/bin/env bash\nset -e\n" + render_script(on_node(listed, "master") if away else listed)
            # SC2034: a runtime sets both variables, and not every step needs both. SC2016: shellcheck knows that awk's
            # and jq's own programs hold a $, but not when `labctl exec` stands before them.
            excluded = "SC2034,SC2016" if away or lesson.step.whole_lab else "SC2034"
            done = subprocess.run(
                (SHELLCHECK, f"--exclude={excluded}", "-"),
                input=script,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stdout


def test_law_8_no_key_belongs_to_two_steps() -> None:
    course = Course(builtin_folder())
    lab = read_lab(spread(3, 3))
    keys = [
        resource.key
        for lesson in course.lessons()
        for node in nodes_of(lesson, lab, lab.nodes)
        for resource in resources_of(lesson, lab, node)
    ]
    assert len(keys) == len(set(keys))


@every_step_but_the_last_once
def test_law_8_undo_below_a_step_that_stands_is_refused_with_its_name(lab: LabUnderTest, number: int) -> None:
    lab.apply(range(number + 2))
    before = lab.snapshot()
    with pytest.raises(MissingStep, match=f"step {number + 1} stands"):
        lab.undoer().undo(lab.lesson(number), lab.lab.nodes[0])
    assert lab.snapshot() == before
    said = lab.labctl("step", str(number), "--undo", "--node", "all")
    assert said.code == 3
    assert f"step {number + 1}" in said.err
    assert "--cascade" in said.err
    assert lab.labctl("step", str(number), "--undo", "--cascade", "--node", "all").code == 0
    for at in (number, number + 1):
        for node in _nodes(lab, at):
            assert not [each for _, each in lab.report(at, node.name).resources if isinstance(each, Present)]
