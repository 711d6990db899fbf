"""A lab for a test: the same parts that the command line puts together, without a screen."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from labctl.cli.session import Session
from labctl.engine.course import Course, builtin_folder, resources_of
from labctl.engine.hands import NetlinkHands, ShellHands
from labctl.engine.look import Survey
from labctl.engine.runner import Runner
from labctl.engine.script import do_statements, undo_statements
from labctl.engine.snapshot import spell, take
from labctl.engine.undoer import Undoer
from labctl.model.shell import render_script
from labctl.world.topology import spread
from tests.labctl_forks import Forks

if TYPE_CHECKING:
    from labctl.engine.events import Event, Listener
    from labctl.engine.report import StepReport
    from labctl.model.lab import Lab, Node
    from labctl.model.ports import Kernel
    from labctl.model.shell import Dialect
    from labctl.model.step import Lesson
    from labctl.model.values import Completed
    from labctl.model.world import Kind

ROOT = Path(__file__).resolve().parent.parent
FORKS = Forks()
STEPS = Course(builtin_folder()).numbers


def step_called(slug: str) -> int:
    """The number of a step, by the name of its folder."""
    return next(each.number for each in Course(builtin_folder()).lessons() if each.slug == slug)


CONTEXTS_STEP = step_called("contexts")


@dataclass(frozen=True)
class Said:
    """What a labctl command gave."""

    code: int
    out: str
    err: str


class LabUnderTest:
    """A world of its own; `with` takes it down again."""

    def __init__(self, home: Path, topology: dict[str, Any] | None = None, kind: Kind = "sandbox") -> None:
        self.home = home
        self._kind: Kind = kind
        self._topology = topology or spread(None, None)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self.session = Session(self.home)
        with self.session.locked("test"):
            self.world = self.session.sandbox.up(self._topology, self._kind)
        self._stack.callback(self.session.close)
        self._stack.callback(self.session.sandbox.down)
        self.enter()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def enter(self) -> None:
        """Start an agent in the world that stands now."""
        agent = self.session.sandbox.enter(self.world)
        self._stack.callback(agent.close)
        self.kernel: Kernel = agent.kernel
        self.survey = Survey(self.session.course, self.world.lab, self.kernel)

    def enter_anew(self) -> None:
        """Go on in the world that has taken the place of the one before."""
        world = self.session.sandbox.find()
        assert world is not None
        self.world = world
        self.enter()

    @property
    def lab(self) -> Lab:
        return self.world.lab

    def lesson(self, number: int) -> Lesson:
        return self.session.course.lesson(number)

    def runner(
        self, events: list[Event] | None = None, kernel: Kernel | None = None, *, probing: bool = False
    ) -> Runner:
        """A runner whose events end up in `events`; `kernel` may stand in between (faults)."""
        return Runner(*self._workers(events, kernel), probing=probing)

    def undoer(self, events: list[Event] | None = None, kernel: Kernel | None = None) -> Undoer:
        """An undoer, likewise."""
        return Undoer(*self._workers(events, kernel))

    def _workers(self, events: list[Event] | None, kernel: Kernel | None) -> tuple[Survey, NetlinkHands, Listener]:
        survey = Survey(self.session.course, self.lab, kernel) if kernel else self.survey
        heard = events if events is not None else []
        return survey, NetlinkHands(survey.kernel), heard.append

    def apply(self, numbers: range | tuple[int, ...], *, probing: bool = False, nodes: tuple[Node, ...] = ()) -> None:
        """Do steps, on every node if not said otherwise."""
        for number in numbers:
            self.runner(probing=probing).apply(self.lesson(number), nodes or self.lab.nodes)

    def undo_from(self, number: int) -> None:
        self.undoer().undo_from(number, self.lab.nodes)

    def report(self, number: int, node: str = "master") -> StepReport:
        """Look a step up, probes and all."""
        self.survey.refresh()
        (report,) = self.survey.reports((self.lesson(number),), (self.lab.node(node),))
        return report

    def snapshot(self) -> str:
        return spell(take(self.kernel, self.lab))

    def script(self, number: int, node: Node, dialect: Dialect, *, undo: bool = False) -> str:
        """The printed commands of a step, as they are typed on the node itself."""
        resources = resources_of(self.lesson(number), self.lab, node)
        return render_script((undo_statements if undo else do_statements)(resources, dialect, node.name))

    def shell_hands(self, dialect: Dialect = "notes") -> ShellHands:
        return ShellHands(self.kernel, dialect, lambda _event: None)

    def type(self, place: str, script: str) -> Completed:
        """Have `bash -e` run lines on a node, as a person would type them there."""
        done = self.kernel.programs(self.lab.place(place)).run(("bash", "-e", "-s"), script)
        self.survey.refresh()
        return done

    def labctl(self, *arguments: str, text: str = "", environment: dict[str, str] | None = None) -> Said:
        """Run the command line on this home."""
        return run_labctl(self.home, *arguments, text=text, environment=environment)


def labctl_command() -> tuple[str, ...]:
    """How to start labctl from this checkout, whatever the current folder."""
    start = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from labctl.__main__ import main; sys.exit(main())"
    return (sys.executable, "-P", "-c", start)


def run_labctl(home: Path, *arguments: str, text: str = "", environment: dict[str, str] | None = None) -> Said:
    """Run the command line on a home; no terminal anywhere."""
    wanted = {**os.environ, "LABCTL_HOME": str(home), **(environment or {})}
    if any(name.startswith(("PYTHON", "LANG", "LC_")) for name in environment or {}):
        # What Python reads when it starts, a fork knows nothing of.
        argv = (*labctl_command(), *arguments)
        done = subprocess.run(argv, input=text, capture_output=True, text=True, check=False, env=wanted)
    else:
        done = FORKS.run(arguments, wanted, text)
    return Said(done.returncode, done.stdout, done.stderr)
