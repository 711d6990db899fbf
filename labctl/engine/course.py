"""Loads a course: an ordered folder of steps. The number of a step is in its folder's name and nowhere else."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from labctl.errors import UsageError
from labctl.model.step import Lesson, Step

if TYPE_CHECKING:
    from collections.abc import Iterable

    from labctl.model.lab import Lab, Node
    from labctl.model.probe import Probe
    from labctl.model.resource import Resource

_FOLDER = re.compile(r"(\d\d)_([a-z0-9_]+)")


def builtin_folder() -> Path:
    """The course that comes with labctl: `steps/` in a checkout, `labctl/course` in an installed package."""
    package = Path(__file__).parents[1]
    return next((each for each in (package.parent / "steps", package / "course") if each.is_dir()), package / "course")


class Course:
    """A folder of steps. A step's module is imported when the step is first asked for."""

    def __init__(self, folder: Path) -> None:
        """List the folder.

        Raises:
            UsageError: it holds no steps, or two of one number, or a number is left out.
        """
        self.folder = folder
        self._folders: dict[int, tuple[str, Path]] = {}
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if match := _FOLDER.fullmatch(path.name):
                number = int(match[1])
                if number in self._folders:
                    raise _malformed(folder, f"two steps have the number {number}")
                self._folders[number] = (match[2], path)
        if not self._folders:
            raise _malformed(folder, "it holds no steps (folders such as 00_first)")
        if list(self._folders) != list(range(len(self._folders))):
            raise _malformed(folder, f"its numbers are {list(self._folders)}; expected 0, 1, 2, … without a gap")
        self._lessons: dict[int, Lesson] = {}

    @property
    def numbers(self) -> tuple[int, ...]:
        """The numbers of all steps."""
        return tuple(self._folders)

    def lesson(self, number: int) -> Lesson:
        """A step by its number.

        Raises:
            UsageError: there is no such step, or its `step.py` is not well formed.
        """
        if number not in self._folders:
            raise UsageError(f"there is no step {number}", f"the steps are 0 to {self.numbers[-1]}: labctl status")
        if number not in self._lessons:
            slug, folder = self._folders[number]
            self._lessons[number] = Lesson(number, slug, _load(number, folder), folder)
        return self._lessons[number]

    def lessons(self, numbers: Iterable[int] | None = None) -> tuple[Lesson, ...]:
        """Several steps, or all."""
        return tuple(self.lesson(number) for number in (self.numbers if numbers is None else numbers))

    @property
    def topics(self) -> tuple[str, ...]:
        """What is told that is no step: `topics/NAME.md` beside the steps."""
        return tuple(sorted(path.stem for path in (self.folder / "topics").glob("*.md")))

    def topic(self, name: str) -> str:
        """The Markdown of a topic."""
        return (self.folder / "topics" / f"{name}.md").read_text(encoding="utf-8")


def _load(number: int, folder: Path) -> Step:
    path = folder / "step.py"
    spec = importlib.util.spec_from_file_location(f"labctl_course_step_{number}", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise _malformed(folder, "it has no step.py")
    module = importlib.util.module_from_spec(spec)
    # dataclasses and pickle look modules up by their name.
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise _malformed(path, f"{type(error).__name__}: {error}") from error
    step = getattr(module, "STEP", None)
    if not isinstance(step, Step):
        raise _malformed(path, "it defines no STEP = Step(…)")
    if not step.title.strip():
        raise _malformed(path, "its title is empty")
    if not step.hints or not all(hint.strip() for hint in step.hints):
        raise _malformed(path, "it has no hints, or an empty one")
    return step


def _malformed(path: Path, what: str) -> UsageError:
    return UsageError(f"the course is malformed: {path}: {what}", "how a step is written: CONTRIBUTING.md")


def nodes_of(lesson: Lesson, lab: Lab, nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    """On which of these nodes a step is done: on each, or, for a step of the whole lab, once, with the first."""
    return lab.nodes[:1] if lesson.step.whole_lab else nodes


def where(lesson: Lesson, node: Node) -> str:
    """What a report calls the place of a step: the node, or `lab` for a step of the whole lab."""
    return "lab" if lesson.step.whole_lab else node.name


def resources_of(lesson: Lesson, lab: Lab, node: Node) -> tuple[Resource, ...]:
    """The resources of a step on a node, in the order in which they are made."""
    return lesson.step.resources(lab, node)


def probes_of(lesson: Lesson, lab: Lab, node: Node) -> tuple[Probe, ...]:
    """The probes of a step on a node."""
    return lesson.step.probes(lab, node)
