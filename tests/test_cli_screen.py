"""How things look: 80 columns, hanging indents, code that can be copied, each probe before and after on one line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from labctl.cli.screen.lesson import LessonText
from labctl.cli.screen.looks import shorten, show_report, show_status
from labctl.cli.screen.page import Screen
from labctl.engine.course import Course, builtin_folder
from labctl.engine.report import Checked, StepReport
from labctl.model.probe import Answer
from labctl.model.resource import Absent, Foreign, Present, Seen
from labctl.world.topology import read_lab, spread
from tests.lab_under_test import STEPS, LabUnderTest, run_labctl

if TYPE_CHECKING:
    from pathlib import Path

COURSE = Course(builtin_folder())
LAB = read_lab(spread(None, None))


def _report(number: int, node: str, seen: Seen, answer: Answer | None = None) -> StepReport:
    lesson = COURSE.lesson(number)
    resources = lesson.step.resources(LAB, LAB.nodes[0])
    probes = lesson.step.probes(LAB, LAB.nodes[0]) if answer else ()
    checks = tuple(Checked(probe, probe.after, answer) for probe in probes if answer)
    return StepReport(lesson, node, tuple((each, seen) for each in resources), checks)


def _shown(capsys: pytest.CaptureFixture[str]) -> list[str]:
    lines = capsys.readouterr().out.splitlines()
    assert max(len(line) for line in lines) <= 80
    return lines


def test_a_paragraph_hangs_under_its_mark(capsys: pytest.CaptureFixture[str]) -> None:
    Screen().item("✓", "word " * 30)
    lines = _shown(capsys)
    assert lines[0].startswith("  ✓ word")
    assert len(lines) > 1
    assert all(line.startswith("    word") for line in lines[1:])


def test_a_command_is_never_broken(capsys: pytest.CaptureFixture[str]) -> None:
    line = "nmap " + "--option " * 20 + "10.244.0.0/24"
    Screen().commands(f"# why\n{line}\n")
    assert capsys.readouterr().out == f"# why\n{line}\n"
    Screen().markdown(f"## Why\n\nText.\n\n```\n{line}\n```\n\n    {line}\n")
    assert capsys.readouterr().out.count(f"    {line}\n") == 2


def test_a_lesson_has_its_headings_at_the_left_and_underlined(capsys: pytest.CaptureFixture[str]) -> None:
    Screen().markdown("# One\n\ntext\n\n## Two\n\n- item\n")
    lines = [line for line in _shown(capsys) if line]
    assert lines == ["One", "───", "text", "Two", "───", " • item"]
    assert LessonText("x").hyperlinks is False


@pytest.mark.parametrize(
    ("text", "width", "cut"),
    [("a short one", 20, "a short one"), ("3  a very long title", 12, "3  a very …"), ("3  word", 7, "3  word")],
)
def test_a_long_title_is_cut_at_a_word(text: str, width: int, cut: str) -> None:
    assert shorten(text, width) == cut


def test_verify_names_the_first_cause_first(capsys: pytest.CaptureFixture[str]) -> None:
    silent = Answer(yes=False, why="no answer from 10.244.0.1")
    show_report(Screen(), _report(0, "master", Absent("master has no cni0"), silent))
    lines = _shown(capsys)
    assert lines[0] == "step 0 on master: not done  (The bridge cni0 and its address)"
    assert lines[1] == "  because master has no cni0"
    # Symptoms of what is missing are no clue of their own.
    assert "  ✗ master can ping 10.244.0.1: no (no answer from 10.244.0.1)" in lines


def test_what_cannot_be_told_is_not_said_to_be_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    answer = Answer(None, "jq is not installed", "install the package jq")
    show_report(Screen(), _report(4, "master", Present(), answer))
    lines = _shown(capsys)
    assert "unknown" in lines[0]
    assert lines[-1] == "  hint: install the package jq"
    assert not [line for line in lines if "✗" in line]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 50])
def test_the_status_of_few_and_of_many_nodes(capsys: pytest.CaptureFixture[str], count: int) -> None:
    nodes = tuple(node.name for node in read_lab(spread(count, 2)).nodes)
    reports = [_report(number, node, Present()) for number in range(7) for node in nodes]
    reports += [_report(7, "lab", Absent())]
    show_status(Screen(), reports, nodes)
    lines = _shown(capsys)
    assert len(lines) == 9
    assert all("done" in line for line in lines[1:])
    assert lines[-1].startswith(" 7  Routes between hosts")
    assert "not done" in lines[-1]


def test_the_odd_ones_of_many_nodes_are_named_with_their_trouble(capsys: pytest.CaptureFixture[str]) -> None:
    nodes = tuple(node.name for node in read_lab(spread(50, 2)).nodes)
    odd: dict[str, Seen] = {f"worker{number}": Foreign("cni0 is a veth") for number in range(20, 30)}
    odd["worker7"] = Absent("it is not there")
    show_status(Screen(), [_report(0, node, odd.get(node, Present())) for node in nodes], nodes)
    text = "\n".join(_shown(capsys))
    assert "39 done, 1 not done, 10 wrong" in text
    assert "not done: worker7" in text
    assert "wrong: worker20, worker21, worker22, worker23, worker24 and 5 more" in text
    assert text.count("cni0 is a veth") == 5
    assert "… and 5 more: labctl step all --verify --node all" in text


@pytest.mark.machine
def test_apply_shows_each_probe_before_and_after_on_one_line(lab: LabUnderTest) -> None:
    out = lab.labctl("step", "0", "--apply").out
    assert "  ✓ master can ping 10.244.0.1: no (no answer from 10.244.0.1) … now yes\n" in out
    assert "  ✓ master looks for 10.244.0.2 on cni0: no (it leaves by eth0) … now yes\n" in out
    assert lab.labctl("step", "0", "--apply").out.endswith("  done, nothing to change\n")
    lab.apply(range(3))
    out = re.sub(r"\n {4}", " ", lab.labctl("step", "3", "--apply").out)
    assert re.search(r"✓ a can ping b: no \(.*\) … still no, as it should be\n", out)


@pytest.mark.machine
def test_a_step_without_a_flag_is_lesson_commands_and_where_you_stand(lab: LabUnderTest) -> None:
    said = lab.labctl("step", "0")
    assert said.code == 1
    lesson = ["Step 0: ", "| $ sudo brctl addbr cni0", "\nWhy\n"]
    parts = [*lesson, "\nsudo brctl addbr cni0\n", "step 0 on master: not done", "hint: "]
    places = [said.out.index(part) for part in parts]
    assert places == sorted(places)
    assert "labctl step 0 --apply" in said.out


@pytest.mark.machine
@pytest.mark.parametrize("number", COURSE.numbers)
def test_every_lesson_reads_well_in_a_pipe(home: Path, number: int) -> None:
    said = run_labctl(home, "step", str(number), "--explain")
    assert said.code == 0
    assert max(len(line) for line in said.out.splitlines()) <= 80
    assert "\x1b" not in said.out
    assert "{{" not in said.out
    assert "\nAnswer\n" not in said.out
    assert said.out.endswith(f"hint: labctl step {number} --explain --answer shows the answer\n")
    assert "\nAnswer\n──────\n" in run_labctl(home, "step", str(number), "--explain", "--answer").out


@pytest.mark.machine
def test_the_hints_before_stand_above_the_next_one(home: Path) -> None:
    assert run_labctl(home, "up").code == 0
    first, second, third, again = (run_labctl(home, "hint", "3").out for _ in range(4))
    assert run_labctl(home, "down").code == 0
    assert first.startswith("1 of 3: ")
    assert second.startswith(f"{first}2 of 3: ")
    assert third.startswith(f"{second}3 of 3: ")
    assert third.endswith("that is the last one; the commands: labctl step 3 --commands\n")
    assert again == third
    assert max(map(len, third.splitlines())) <= 80


@pytest.mark.machine
def test_the_next_step_is_the_learners_own(lab: LabUnderTest) -> None:
    assert lab.labctl("status").out.endswith("next: labctl step 0\n")
    lab.apply(range(7), nodes=(lab.lab.node("master"),))
    assert lab.labctl("status").out.endswith("next: labctl step 0 --node worker\n")
    lab.apply(range(7))
    assert lab.labctl("status").out.endswith("next: labctl step 7\n")
    lab.apply((7,))
    assert lab.labctl("status").out.endswith("next: labctl step 8\n")
    lab.apply(STEPS[8:])
    said = lab.labctl("status")
    assert (said.code, said.out.splitlines()[-1]) == (0, "every step is done")
