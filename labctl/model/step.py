"""A step of a course, as its author writes it: data and two functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from labctl.model.value import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from labctl.model.lab import Lab, Node
    from labctl.model.ports import Kernel
    from labctl.model.probe import Probe
    from labctl.model.resource import Resource


class ResourcesOf(Protocol):
    """The resources of a step on one node, in the order in which they are made."""

    def __call__(self, lab: Lab, node: Node, /) -> tuple[Resource, ...]:
        """Describe them; look at nothing."""


class WordsOf(Protocol):
    """What the lesson of a step calls by tokens of its own."""

    def __call__(self, lab: Lab, node: Node, kernel: Kernel | None, /) -> Mapping[str, str]:
        """Give their values; `kernel` is a way to look (and write nothing), None where no world stands."""


def _no_probes(_lab: Lab, _node: Node) -> tuple[Probe, ...]:
    return ()


class Step(Value):
    """What the author of a step writes in `step.py`.

    `notes` quotes the lines that the step rebuilds. `words` gives the values of the lesson's own tokens, those that are
    looked up included. `whole_lab` marks a step that is one for all nodes; its functions are called once, with the
    first node.
    """

    title: str
    notes: str
    resources: ResourcesOf
    probes: Callable[[Lab, Node], tuple[Probe, ...]] = _no_probes
    hints: tuple[str, ...] = ()
    whole_lab: bool = False
    words: WordsOf | None = None


class Lesson(Value):
    """A step in its course: the number comes from the folder's name, the explanation from the folder."""

    number: int
    slug: str
    step: Step
    folder: Path

    @property
    def title(self) -> str:
        """The step's title."""
        return self.step.title
