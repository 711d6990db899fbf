"""What a run has done so far, in one line, for whoever interrupts it."""

from __future__ import annotations

import shlex
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from labctl.engine.events import Did, Doing, Finished, Left, Started, TookBack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labctl.engine.events import Event, Listener


class Tally:
    """A listener that counts, and passes everything on to another, if there is one."""

    def __init__(self, on: Listener | None = None) -> None:
        """Begin with nothing done."""
        self.finished: list[Finished] = []
        self._on = on
        self._current: Started | None = None
        self._begun: list[str] = []
        self._done: list[str] = []
        self._taken_back = False
        self._left: list[str] = []

    def __call__(self, event: Event) -> None:
        """Hear one event."""
        match event:
            case Started():
                self._current = event
                self._begun, self._done, self._left, self._taken_back = [], [], [], False
            case Doing(resource):
                self._begun.append(resource.key)
            case Did(resource):
                self._done.append(resource.key)
            case TookBack(_, error):
                self._taken_back = True
                self._left += [error] if error else []
            case Left(_, why):
                self._left.append(why)
            case Finished():
                self._current = None
                self.finished.append(event)
        if self._on is not None:
            self._on(event)

    def spell(self) -> str:
        """Say what of this run stands."""
        said = [self._spell_begun(self._current)] if self._current else []
        if done := [each for each in self.finished if each.changed and not each.undo]:
            said.append(f"{_name(done)} done and left standing")
        if undone := [each for each in self.finished if each.changed and each.undo]:
            said.append(f"{_name(undone)} undone")
        return "; ".join(said) or "nothing was changed"

    def _spell_begun(self, current: Started) -> str:
        step = f"step {current.lesson.number} on {current.node}"
        if current.undo and self._begun:
            return f"{step} is undone in part ({', '.join(self._begun)})"
        # One that was begun, and neither done nor taken back, was cut off before it.
        if not self._done and not self._taken_back:
            return f"nothing of {step} was changed"
        if self._left:
            return f"{step} was taken back, but: {'; '.join(self._left)}"
        if self._taken_back:
            return f"{step} was taken back"
        return f"{step} stands, but was not looked at again"


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
