"""The lessons: what they quote is what labctl prints, and they fit a terminal that knows 80 columns and ASCII."""

from __future__ import annotations

import re
from itertools import zip_longest
from typing import TYPE_CHECKING

import pytest

from labctl.engine.course import Course, builtin_folder, resources_of
from labctl.engine.lesson import read_lesson
from labctl.engine.script import do_statements
from labctl.model.shell import HereDocument, render_command
from labctl.resources import ServiceRules
from labctl.world.topology import localise, read_lab, spread

if TYPE_CHECKING:
    from labctl.model.resource import Resource

COURSE = Course(builtin_folder())
LAB = read_lab(spread(None, None))
# Shortened in the lesson: the addresses in it are those of the whole range, which a lesson has no word for.
_SHORTENED = "printf '%s\\n'"
# One for each node or endpoint; the lesson quotes the first and tells of the others.
_OF_OTHERS = ("k8s-worker", "labctl exec worker", "ADDRESS_C", "ADDRESS_D")

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
        if getattr(resource, "container", getattr(resource, "pod", first)) != first or _is_told_before(resource):
            continue
        for statement in do_statements((resource,), "notes", node.name):
            command = _on_one_line(render_command(statement)).replace(f"labctl exec {node.name} -- ", "")
            # What a runtime sets is said in the step that makes use of it first.
            if command.startswith((_SHORTENED, "CNI_")) or any(each in command for each in _OF_OTHERS):
                continue
            # Of what a command reads the lesson quotes one of a kind: the next test.
            assert command.partition("<<END ")[0] in text
            quoted += 1
    assert quoted


def _is_told_before(resource: Resource) -> bool:
    """The rules for a further Service are like those of the first one, and the lesson says so."""
    return isinstance(resource, ServiceRules) and not resource.shared


@every_step
def test_every_rule_that_is_quoted_is_one_that_is_loaded(number: int) -> None:
    lesson, node = COURSE.lesson(number), LAB.nodes[0]
    read = read_lesson(lesson, LAB, node, answer=True)
    text = re.sub(r" *\\\n *", " ", read)
    quoted = re.findall(r"^-[AI] .*", text, re.MULTILINE)
    loaded = [
        line
        for resource in resources_of(lesson, LAB, node)
        if not _is_told_before(resource)
        for statement in do_statements((resource,), "notes", node.name)
        if isinstance(statement, HereDocument)
        for line in render_command(statement).splitlines()
    ]
    assert [each for each in quoted if each not in loaded] == []
    if not quoted:
        return  # an earlier step has told of rules
    kinds = {line.split()[1].partition("${")[0] for line in loaded if line.startswith("-A KUBE-")}
    # That the table filter has chains too the lesson says, and that what is behind the node port is marked.
    told = {line.split()[1].partition("${")[0] for line in quoted} | {"KUBE-FORWARD"}
    assert all(each in told or each.startswith("KUBE-EXT-") for each in kinds), kinds - told


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
