"""What a look at a step found: one report a step and node, and the exit code that follows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from labctl.model.resource import Absent, Foreign, Present, Seen, Unknown, state_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from labctl.model.probe import Answer, Probe
    from labctl.model.resource import Resource
    from labctl.model.step import Lesson

SCHEMA = 1


class Outcome(StrEnum):
    """How a step stands."""

    DONE = "done"
    NOT_DONE = "not_done"
    WRONG = "wrong"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Checked:
    """A probe that was asked, with what was expected."""

    probe: Probe
    expected: bool
    answer: Answer

    @property
    def holds(self) -> bool:
        """The answer is the expected one."""
        return self.answer.yes is self.expected

    @property
    def failed(self) -> bool:
        """The answer is known, and not the expected one."""
        return self.answer.yes is not None and not self.holds

    @property
    def why(self) -> str:
        """What was seen, and where to look, if it is not as expected."""
        if self.holds:
            return self.answer.why if self.answer.yes else ""
        seen = self.answer.why or ("it does" if self.answer.yes else "it does not")
        return f"{seen} ({self.probe.blame})" if self.failed and self.probe.blame else seen


@dataclass(frozen=True)
class StepReport:
    """A step on a node, looked up."""

    lesson: Lesson
    node: str
    resources: tuple[tuple[Resource, Seen], ...]
    probes: tuple[Checked, ...]
    missing: str = ""
    """The first earlier step that is not made, with its cause: the cause before the symptom."""

    @property
    def outcome(self) -> Outcome:
        """Done, wrong, not done or unknown."""
        seen = [each for _, each in self.resources]
        if any(isinstance(each, Foreign) or (isinstance(each, Present) and each.drift) for each in seen):
            return Outcome.WRONG
        all_present = all(isinstance(each, Present) for each in seen)
        if all_present and any(each.failed for each in self.probes):
            return Outcome.WRONG
        if any(isinstance(each, Absent) for each in seen):
            return Outcome.NOT_DONE
        if not all_present or any(each.answer.yes is None for each in self.probes):
            return Outcome.UNKNOWN
        return Outcome.DONE

    @property
    def stands(self) -> bool:
        """Something of it is there, and not only what others use too."""
        return any(isinstance(seen, Present) and not seen.shared for _, seen in self.resources)

    @property
    def touched(self) -> bool:
        """Anything of it is there."""
        return any(isinstance(seen, Present) for _, seen in self.resources)

    @property
    def made(self) -> bool:
        """Every resource is as it should be, whatever the probes say."""
        return all(isinstance(seen, Present) and not seen.drift for _, seen in self.resources)

    def causes(self) -> tuple[str, ...]:
        """What is wrong or missing, first cause first: resources in their order, then probes."""
        said: list[str] = [self.missing] if self.missing else []
        for resource, seen in self.resources:
            state, why = state_of(seen)
            if state != "present":
                said.append(why or f"{resource.key} is {state}")
        if self.made:
            said += [f"{each.probe.claim}: {each.why}" for each in self.probes if not each.holds]
        return tuple(dict.fromkeys(said))

    def hints(self) -> tuple[str, ...]:
        """What would cure the unknown."""
        seen = [each.hint for _, each in self.resources if isinstance(each, Unknown) and each.hint]
        return tuple(dict.fromkeys([*seen, *(each.answer.hint for each in self.probes if each.answer.hint)]))

    def as_json(self) -> dict[str, Any]:
        """The object of `--json` (docs/json.md)."""
        resources = []
        for resource, seen in self.resources:
            state, why = state_of(seen)
            resources.append({"key": resource.key, "state": state, "why": why})
        return {
            "schema": SCHEMA,
            "step": self.lesson.number,
            "title": self.lesson.title,
            "node": self.node,
            "outcome": str(self.outcome),
            "resources": resources,
            "probes": [
                {"claim": each.probe.claim, "expected": each.expected, "seen": each.answer.yes, "why": each.why}
                for each in self.probes
            ],
        }


def exit_code(outcomes: Iterable[Outcome]) -> int:
    """Over several: 1 if any is wrong or not done, else 6 if any is unknown, else 0."""
    found = set(outcomes)
    if found & {Outcome.WRONG, Outcome.NOT_DONE}:
        return 1
    return 6 if Outcome.UNKNOWN in found else 0


def applied_code(reports: Iterable[StepReport]) -> int:
    """The same for what makes steps: where every resource is there, what cannot be measured here is no failure."""
    return exit_code(each.outcome for each in reports if not (each.made and each.outcome is Outcome.UNKNOWN))
