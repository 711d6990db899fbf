"""One command's hold on the lab: home, world, course, journal and the process inside, put together and let go again."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from labctl.cli.called import as_called, as_root
from labctl.engine.course import Course, builtin_folder
from labctl.errors import KernelRefused, LabError, UsageError
from labctl.kernel.marker import is_inside
from labctl.world.state import State, world_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labctl.engine.journal import Journal
    from labctl.engine.look import Survey
    from labctl.model.lab import Lab, Node
    from labctl.model.ports import Kernel
    from labctl.world.checkpoints import Checkpoints
    from labctl.world.host.world import HostWorld
    from labctl.world.sandbox import Sandbox, World


def tell(text: str) -> None:
    """Say something beside the answer, on stderr."""
    print(as_called(text), file=sys.stderr, flush=True)


class Session:
    """What a command needs of the lab; each part is made when first asked for."""

    def __init__(self, home: Path | None = None, world: str = "") -> None:
        """Use the home and the kind of world that the environment names, or others."""
        self.inside = is_inside()
        environment = dict(os.environ) | ({"LABCTL_HOME": str(home)} if home else {})
        self._environment = environment
        self.on_host = (world or environment.get("LABCTL_WORLD")) == "host"
        if self.inside and self.on_host:
            raise UsageError("--world host belongs outside the lab's world", "type `exit` first")
        self.state = State.find(environment, inside=self.inside, host=self.on_host)
        self.course = Course(Path(environment.get("LABCTL_COURSE") or builtin_folder()))

    @cached_property
    def sandbox(self) -> Sandbox | HostWorld:
        """The world of this home: a sandbox, or this machine itself.

        Raises:
            KernelRefused: it is this machine, and we are not root.
        """
        from labctl.kernel.machine import LinuxMachine

        if not self.on_host:
            from labctl.world.sandbox import Sandbox

            return Sandbox(self.state, LinuxMachine(), self._environment)
        return self.host

    def own_sandbox(self, command: str) -> Sandbox:
        """The world of this home, for what makes another one beside it.

        Raises:
            UsageError: it is this machine, of which there is but one.
        """
        from labctl.world.sandbox import Sandbox

        if not isinstance(self.sandbox, Sandbox):
            raise UsageError(f"labctl {command} is for a sandbox, not for the machine itself", "labctl reset --to N")
        return self.sandbox

    @cached_property
    def host(self) -> HostWorld:
        """The world that is this machine.

        Raises:
            KernelRefused: we are not root.
        """
        from labctl.kernel.machine import LinuxMachine
        from labctl.world.host.world import HostWorld

        if os.geteuid() != 0:
            raise KernelRefused("the host world is this machine itself, and needs root", as_root())
        return HostWorld(self.state, LinuxMachine(), self._environment, tell)

    @cached_property
    def journal(self) -> Journal:
        """The journal of this home."""
        from labctl.engine.journal import Journal

        self.state.prepare()
        return Journal(self.state.open_journal_file())

    @cached_property
    def checkpoints(self) -> Checkpoints:
        """The checkpoints of this home."""
        from labctl.world.checkpoints import Checkpoints

        return Checkpoints(self.state)

    def close(self) -> None:
        """Close the journal, if it was opened; whoever has several sessions one after the other does."""
        if "journal" in self.__dict__:
            self.journal.close()

    def outside_only(self, command: str) -> None:
        """Refuse a command that would take away the ground it stands on.

        Raises:
            UsageError: we are inside the world.
        """
        if self.inside:
            raise UsageError(f"labctl {command} belongs outside the lab's world", "type `exit` first")

    @property
    def lab(self) -> Lab:
        """The lab of the world that stands or stood last; else the default one. Makes nothing."""
        from labctl.world.topology import read_lab, spread

        try:
            saved = self.state.load()
        except LabError:
            saved = None
        return saved.lab if saved else read_lab(spread(None, None))

    def world(self, *, own: bool = False) -> World:
        """The world, made if there is none; that is said in one line, unless it is the command's own affair (`own`)."""
        from labctl.world.topology import spread

        world = self.sandbox.find()
        if world is not None:
            return world
        lost = self.sandbox.lost()
        if lost:
            world = self.sandbox.remake(lost)
        else:
            world = self.sandbox.up(spread(None, None), "host" if self.on_host else "sandbox")
        if own:
            pass
        elif lost:
            tell("the lab's world was gone (a reboot?): made it anew, empty; `labctl reset --to N` brings steps back")
        else:
            tell("made the lab's world (labctl down takes it away)")
        self.note_up(world)
        return world

    def note_up(self, world: World) -> None:
        """Note in the journal that a world was made, and of which plan: a report is about one plan only."""
        from labctl.world.topology import plan_id

        self.journal.add(world_id(world), "up", what=plan_id(world.saved.topology))

    def take_down(self) -> None:
        """Take the world down. Ctrl-C in the middle of it comes once, and is not the end of it."""
        try:
            self.sandbox.down()
        except KeyboardInterrupt:
            self.sandbox.down()
            raise

    @contextmanager
    def locked(self, purpose: str) -> Iterator[None]:
        """Hold the one lock of this home."""
        _ = self.sandbox  # whoever may not have it is told so, before a folder is
        self.state.prepare()
        with self.state.lock(purpose, tell):
            yield

    @contextmanager
    def survey(self, purpose: str) -> Iterator[Survey]:
        """Hold the lock and look into the world, made if there is none."""
        from labctl.engine.look import Survey

        with self.locked(purpose):
            world = self.world()
            inside = self.sandbox.enter(world)
            try:
                yield Survey(self.course, world.lab, inside.kernel)
            finally:
                inside.close()

    @contextmanager
    def looking(self, purpose: str) -> Iterator[Kernel | None]:
        """Look into the world that stands; None where none does, for a lesson that is read makes none."""
        world = self.sandbox.find()
        if world is None:
            yield None
            return
        with self.locked(purpose):
            inside = self.sandbox.enter(world)
            try:
                yield inside.kernel
            finally:
                inside.close()

    def nodes(self, name: str) -> tuple[Node, ...]:
        """The nodes that `--node` names.

        Raises:
            UsageError: no such node.
        """
        lab = self.lab
        if name == "all":
            return lab.nodes
        return (lab.node(name) if name else lab.nodes[0],)

    @property
    def here(self) -> str:
        """The node where the person sits: that of the shell they are in, else the first."""
        place = os.environ.get("LABCTL_PLACE", "") if self.inside else ""
        names = [node.name for node in self.lab.nodes]
        # A shell on `internet` or `vpc` is on no node.
        return node if (node := place.partition("/")[0]) in names else names[0]


def parse_steps(text: str, course: Course) -> tuple[int, ...]:
    """Read `3`, `0-7` or `all`.

    Raises:
        UsageError: it is none of these, or runs backwards, or names a step that is not there.
    """
    numbers = course.numbers
    if text == "all":
        return numbers
    first, dash, last = text.partition("-")
    if not first.isdecimal() or (dash and not last.isdecimal()):
        raise UsageError(f"'{text}' names no step", f"a number, a range or all: labctl step {numbers[-1] // 2}")
    start, end = int(first), int(last or first)
    if end < start:
        raise UsageError(f"the range {text} runs backwards", f"labctl step {end}-{start} …")
    for number in (start, end):
        course.lesson(number)
    return tuple(range(start, end + 1))
