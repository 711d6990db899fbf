"""What would be done, as a value: the preview shows it, and the run carries out the same one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labctl.engine.course import where
from labctl.errors import CannotTell, ForeignObject
from labctl.model.resource import Action, Foreign, Resource, Seen, Unknown, decide

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from labctl.engine.look import Survey
    from labctl.engine.report import StepReport
    from labctl.model.lab import Node
    from labctl.model.step import Lesson


@dataclass(frozen=True)
class Item:
    """One resource: what was seen, what follows, and why."""

    resource: Resource
    seen: Seen
    action: Action
    reason: str


@dataclass(frozen=True)
class Plan:
    """What would be done for one step on one node."""

    items: tuple[Item, ...]

    @property
    def pending(self) -> tuple[Item, ...]:
        """What there is to do."""
        return tuple(item for item in self.items if item.action in (Action.CREATE, Action.REPAIR))

    def refuse(self) -> None:
        """Refuse a plan that cannot be carried out whole, before anything is written.

        Raises:
            ForeignObject: something that is not the lab's holds a name.
            CannotTell: something could not be looked at.
        """
        for item in self.items:
            match item.seen:
                case Foreign(why, hint):
                    raise ForeignObject(
                        f"{why}; nothing was changed", hint or "move it out of the way, or: labctl reset"
                    )
                case Unknown(why, hint):
                    raise CannotTell(f"{item.resource.key}: {why}; nothing was changed", hint or "try: labctl doctor")


def make_plan(seen: Iterable[tuple[Resource, Seen]]) -> Plan:
    """Decide, resource by resource; looks at nothing."""
    return Plan(tuple(Item(resource, each, *decide(each)) for resource, each in seen))


@dataclass(frozen=True)
class StepPlan:
    """What would be done for a step on a node, and what has to be done before: without it, apply refuses."""

    lesson: Lesson
    node: str
    plan: Plan
    missing: tuple[StepReport, ...]

    def as_json(self) -> dict[str, Any]:
        """As `--plan --json` answers (docs/json.md)."""
        return {
            "schema": 1,
            "step": self.lesson.number,
            "node": self.node,
            "missing": [
                {"step": each.lesson.number, "node": each.node, "why": each.causes()[0]} for each in self.missing
            ],
            "items": [
                {"key": item.resource.key, "action": str(item.action), "why": item.reason} for item in self.plan.items
            ],
        }


def plan_steps(survey: Survey, steps: Sequence[tuple[Lesson, Node]]) -> tuple[StepPlan, ...]:
    """Plan steps that are to be done together: what one of them does is not missing for a later one."""
    done = {(lesson.number, where(lesson, node)) for lesson, node in steps}
    return tuple(
        StepPlan(
            lesson,
            where(lesson, node),
            make_plan(survey.resources(lesson, node)),
            tuple(each for each in survey.missing(lesson, node) if (each.lesson.number, each.node) not in done),
        )
        for lesson, node in steps
    )
