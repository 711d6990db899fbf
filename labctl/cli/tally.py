"""What a run has done so far, in one line, for whoever interrupts it."""

from __future__ import annotations

import shlex
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from labctl.engine.events import Did, Doing, Finished, Left, Started, TookBack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labctl.engine.events import Event, Listener


@dataclass
class _Work:
    """A step on a node that was begun, and how far it came."""

    started: Started
    begun: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    taken_back: bool = False

    def hear(self, event: Event) -> None:
        match event:
            case Doing(resource):
                self.begun.append(resource.key)
            case Did(resource):
                self.done.append(resource.key)
            case TookBack(_, error):
                self.taken_back = True
                self.left += [error] if error else []
            case Left(_, why):
                self.left.append(why)

    def spell(self) -> str:
        step = f"step {self.started.lesson.number} on {self.started.node}"
        if self.started.undo and self.begun:
            return f"{step} is undone in part ({', '.join(self.begun)})"
        # One that was begun, and neither done nor taken back, was cut off before it.
        if not self.done and not self.taken_back:
            return f"nothing of {step} was changed"
        if self.left:
            return f"{step} was taken back, but: {'; '.join(self.left)}"
        if self.taken_back:
            return f"{step} was taken back"
        return f"{step} stands, but was not looked at again"


class Tally:
    """A listener that counts, and passes everything on to another, if there is one."""

    def __init__(self, on: Listener | None = None) -> None:
        """Begin with nothing done."""
        self.finished: list[Finished] = []
        self._on = on
        self._open: list[_Work] = []

    def __call__(self, event: Event) -> None:
        """Hear one event."""
        match event:
            case Started():
                self._open.append(_Work(event))
            case Finished(report):
                # Of several nodes all are done first, and then all are looked at.
                self._open = [work for work in self._open if work.started.node != report.node]
                self.finished.append(event)
            case _ if self._open:
                self._open[-1].hear(event)
        if self._on is not None:
            self._on(event)

    def spell(self) -> str:
        """Say what of this run stands."""
        said = [work.spell() for work in self._open]
        if done := [each for each in self.finished if each.changed and not each.undo]:
            said.append(f"{_name(done)} done and left standing")
        if undone := [each for each in self.finished if each.changed and each.undo]:
            said.append(f"{_name(undone)} undone")
        return "; ".join(said) or "nothing was changed"


def _name(finished: list[Finished]) -> str:
    by_node: dict[str, list[str]] = {}
    for each in finished:
        by_node.setdefault(each.report.node, []).append(str(each.report.lesson.number))
    return ", ".join(f"step {', '.join(numbers)} on {node}" for node, numbers in by_node.items())


@contextmanager
def spelling_interruptions(tally: Tally) -> Iterator[None]:
    """Have Ctrl-C say what stands and how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"{tally.spell()}; to go on: {same_command()}") from None


def same_command() -> str:
    """What was typed, to be typed again: every command may be run twice."""
    return shlex.join(("labctl", *sys.argv[1:]))
