"""Asks probes that are programs: all of them side by side, for each is mostly a process that starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from labctl.errors import KernelRefused, ToolMissing, WorldGone
from labctl.model.probe import Answer, Prints, Shows, Succeeds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from labctl.model.lab import Container
    from labctl.model.ports import Kernel
    from labctl.model.values import Completed

ProgramQuestion: TypeAlias = Succeeds | Prints | Shows


def ask_programs(kernel: Kernel, questions: Mapping[int, ProgramQuestion]) -> dict[int, Answer]:
    """Ask all of them; the answers by the questions' numbers."""
    if not questions:
        return {}
    found = kernel.look_all([(each.source, tuple(each.argv), "") for each in questions.values()])
    return {
        number: _judge(kernel, question, done)
        for (number, question), done in zip(questions.items(), found, strict=True)
    }


def _judge(kernel: Kernel, question: ProgramQuestion, done: Completed | KernelRefused) -> Answer:
    try:
        if isinstance(done, KernelRefused):
            raise done
        match question:
            case Prints(_, _, line):
                return _of_print(done, line)
            case Shows(_, _, containers):
                return _of_shown(kernel, done, containers)
        return Answer(done.code == 0, _complaint(done))
    except (ToolMissing, WorldGone) as error:
        return Answer(None, error.what, error.hint)
    except KernelRefused as error:
        return Answer(yes=False, why=error.what)


def _of_print(done: Completed, line: str) -> Answer:
    said = done.out.removesuffix("\n")
    if done.code != 0 or said == line:
        return Answer(done.code == 0, _complaint(done))
    return Answer(yes=False, why=f"it prints {said.splitlines()[0]!r}" if said else "it prints nothing")


def _of_shown(kernel: Kernel, done: Completed, containers: Sequence[Container]) -> Answer:
    """Whether a program shows all addresses that these containers have now; who has none has none to show."""
    if done.code != 0:
        return Answer(yes=False, why=_complaint(done))
    shown = set(done.out.split())
    standings = kernel.standings([each.place for each in containers])
    for container, standing in zip(containers, standings, strict=True):
        if standing is None:
            return Answer(yes=False, why=f"there is no container {container.name}")
        if standing.address and standing.address not in shown:
            return Answer(yes=False, why=f"{standing.address}, which {container.name} has, is not among them")
    return Answer(yes=True)


def _complaint(done: Completed) -> str:
    """The last that a program said before it failed; empty if it did not."""
    said = (done.err or done.out).strip().splitlines()
    return "" if done.code == 0 else (said[-1] if said else f"exit code {done.code}")
