"""What has to be done, in order, for some steps to stand."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from labctl.engine.course import nodes_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from labctl.engine.look import Survey
    from labctl.model.lab import Node
    from labctl.model.step import Lesson

# In order: a step, and the nodes on which it is to be done.
Todo: TypeAlias = "dict[Lesson, tuple[Node, ...]]"


def add_needed(survey: Survey, steps: Iterable[tuple[Lesson, Node]]) -> Todo:
    """Add what these steps need and what is not made, in the order of the course and of the lab."""
    wanted = set(steps)
    # A step of the whole lab, itself needed, needs what comes before it on every node.
    asked = list(wanted)
    for lesson, node in asked:
        new = {need for need in survey.needs(lesson, node) if not survey.bare(*need).made} - wanted
        wanted |= new
        asked += new
    lessons = survey.course.lessons(sorted({lesson.number for lesson, _ in wanted}))
    return {
        lesson: tuple(node for node in nodes_of(lesson, survey.lab, survey.lab.nodes) if (lesson, node) in wanted)
        for lesson in lessons
    }
