"""The lessons: what they quote is what labctl prints, and they fit a terminal that knows 80 columns and ASCII."""

from __future__ import annotations

import re
from itertools import zip_longest

import pytest

from labctl.engine.course import Course, builtin_folder, resources_of
from labctl.engine.lesson import read_lesson
from labctl.model.shell import render_command
from labctl.world.topology import localise, read_lab, spread

COURSE = Course(builtin_folder())
LAB = read_lab(spread(None, None))
# Shortened in the lesson: the addresses in it are those of the whole range, which a lesson has no word for.
_SHORTENED = "printf '%s\\n'"
# One for each node; the lesson quotes the notes' own line and tells of the other.
_OF_ANOTHER_NODE = "k8s-worker"

# Where there is no cloud, one lesson is another.
LABS = {"gcloud": LAB, "static": localise(LAB, "master", "static")}

every_cloud = pytest.mark.parametrize("cloud", LABS)
every_step = pytest.mark.parametrize("number", COURSE.numbers)


def _on_one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text.replace("\\\n", " "))


@every_cloud
@every_step
def test_every_command_of_the_step_is_quoted_as_it_is_printed(number: int, cloud: str) -> None:
    lab = LABS[cloud]
    lesson, node = COURSE.lesson(number), lab.nodes[0]
    text = _on_one_line(read_lesson(lesson, lab, node, answer=True))
    first = node.containers[0]
    quoted = 0
    for resource in resources_of(lesson, lab, node):
        if getattr(resource, "container", first) != first:
            continue
        for statement in resource.shell("notes").do:
            command = _on_one_line(render_command(statement))
            if command.startswith(_SHORTENED) or _OF_ANOTHER_NODE in command:
                continue
            assert command in text
            quoted += 1
    assert quoted


@every_cloud
@every_step
def test_a_lesson_fits_80_columns_and_plain_ascii(number: int, cloud: str) -> None:
    text = read_lesson(COURSE.lesson(number), LABS[cloud], LAB.nodes[0], answer=True)
    assert text.isascii()
    in_code = False
    for line in text.splitlines():
        in_code = in_code is not line.startswith("```")
        # Code is shown as it stands, four columns in; paragraphs are wrapped anew.
        assert not in_code or len(line) <= 76, line


@every_step
def test_the_answer_is_shown_only_when_asked_for(number: int) -> None:
    lesson, node = COURSE.lesson(number), LAB.nodes[0]
    with_answer = read_lesson(lesson, LAB, node, answer=True).splitlines()
    without = read_lesson(lesson, LAB, node, answer=False).splitlines()
    assert "## Answer" in with_answer
    assert "## Answer" not in without
    shared = [one for one, other in zip_longest(with_answer, without) if one == other]
    assert len(with_answer) - len(shared) > 2


@every_step
def test_a_lesson_follows_another_address_plan(number: int) -> None:
    plan = spread(3, 2)
    plan["bridge"] = "br-pods"
    lab = read_lab(plan)
    text = read_lesson(COURSE.lesson(number), lab, lab.nodes[2], answer=True)
    assert "{{" not in text
    assert not re.search(r"\bcni0\b", text)
