"""The sandbox: a tree of namespaces owned by the caller, in which the lab's machines live.

::

     internet ── vpc ──┬── master    a  b
                       └── worker    c  d
"""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from labctl.errors import UsageError
from labctl.model.lab import INTERNET, VPC, Place
from labctl.model.world import PAUSE, BootPlan, Host, Text
from labctl.world import furniture
from labctl.world.compiled import ensure_compiled
from labctl.world.drawing import draw
from labctl.world.gcloud.place import attend_compute
from labctl.world.state import Saved, State
from labctl.world.topology import read_lab

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from labctl.model.lab import Lab
    from labctl.model.world import Kind, Machine, Session, WorldRecord
    from labctl.world.topology import Document

# The id that a world of root's maps its uid 0 to: of nobody on the machine. systemd and distributions hand out nothing
# between 1879048192 and 2147483647 (systemd, UIDS-GIDS.md).
UNPRIVILEGED_ID = 1_900_000_000
CODE = Path(__file__).parents[2]
INTERNET_SERVER = CODE / "labctl/kernel/internet.py"


@dataclass(frozen=True)
class World:
    """A sandbox that stands, with the lab that it was made for."""

    saved: Saved
    lab: Lab

    @property
    def record(self) -> WorldRecord:
        """Who keeps it alive."""
        return self.saved.record


class _TrialOver(Exception):
    """Ends the block of `boot` in such a way that nothing of the world is left."""


class Sandbox:
    """Makes, finds and takes away the one world of a home."""

    def __init__(self, state: State, machine: Machine, environment: Mapping[str, str]) -> None:
        """Use this home, and this machine."""
        self._state, self._machine, self._environment = state, machine, environment

    def find(self) -> World | None:
        """Give the world that stands, if one does."""
        saved = self._state.load()
        if saved is None or not self._machine.stands(saved.record):
            return None
        return World(saved, saved.lab)

    def lost(self) -> Saved | None:
        """Give what is known of a world that died without `down`: a reboot, or its first process was killed."""
        saved = self._state.load()
        return saved if saved is not None and not self._machine.stands(saved.record) else None

    def up(self, topology: Document, kind: Kind = "sandbox") -> World:
        """Make the world. On failure, or when labctl is killed in the middle, nothing of it is left.

        Raises:
            UsageError: the topology is wrong, or `privileged` was asked for without root.
            KernelRefused: namespaces or tools refused.
        """
        self._check(topology, kind)
        # A world whose record was lost would stay for ever.
        self._machine.end_marked(self._state.mark)
        with self._recorded(), self._booted(topology, kind) as world:
            self._state.save(world.saved)
        return world

    @contextmanager
    def successor(self, topology: Document, kind: Kind = "sandbox") -> Iterator[tuple[World, Session]]:
        """Make a world beside the one that stands; if the block ends well, it takes that one's place.

        Else the new one is gone, and the old one as it was. The control groups of a privileged world are one home's:
        there the old world ends first.

        Raises:
            UsageError, KernelRefused: as `up`.
        """
        self._check(topology, kind)
        old = self._state.load()
        if old is None or not self._machine.stands(old.record) or kind == "privileged":
            self._machine.end_marked(self._state.mark)
        with self._recorded(), self._booted(topology, kind) as world:
            session = self.enter(world)
            try:
                yield world, session
            finally:
                session.close()
            self._state.save(world.saved)
        # The old one; and one whose end was cut short an earlier time.
        self._machine.end_others(self._state.mark, world.record)

    @contextmanager
    def trial(self, topology: Document) -> Iterator[tuple[World, Session]]:
        """Make a world beside the one that stands, and take it away at the end; no record knows of it.

        Raises:
            KernelRefused: as `up`.
        """
        self._check(topology, "sandbox")
        with suppress(_TrialOver), self._booted(topology, "sandbox") as world:
            session = self.enter(world)
            try:
                yield world, session
            finally:
                session.close()
            raise _TrialOver

    def _check(self, topology: Document, kind: Kind) -> None:
        read_lab(topology)
        if kind == "privileged" and os.geteuid() != 0:
            raise UsageError("up --privileged needs root", "sudo labctl up --privileged")
        self._check_tools()

    @contextmanager
    def _recorded(self) -> Iterator[None]:
        """If a world is not made after all, though it was written down, write again what was there before."""
        old = self._state.load()
        try:
            yield
        except BaseException:
            if self._state.load() == old:
                pass
            elif old is None:
                self._state.forget()
            else:
                self._state.save(old)
            raise

    @contextmanager
    def _booted(self, topology: Document, kind: Kind) -> Iterator[World]:
        """A new world, with its links; it stays if the block ends well."""
        lab = read_lab(topology)
        owner = None if kind == "privileged" else _unprivileged_id()
        self._state.prepare(owner if os.geteuid() == 0 else None)
        self._state.open_journal_file()
        with self._machine.boot(self._plan(lab, owner), kind) as record:
            saved = Saved(record, topology)
            self._furnish(saved, lab)
            yield World(saved, lab)

    def remake(self, saved: Saved) -> World:
        """Make a world again that is gone."""
        return self.up(saved.topology, saved.record.kind)

    def _furnish(self, saved: Saved, lab: Lab) -> None:
        session = self._machine.enter(saved.record, lab)
        try:
            draw(session.kernel, lab)
            attend_compute(session.kernel, lab)
            marker = self._state.text_of(saved)
            session.kernel.files(lab.nodes[0].name).write("/opt/labctl/world.json", marker)
        finally:
            session.close()

    def enter(self, world: World) -> Session:
        """Start a process inside that does what is asked of it."""
        return self._machine.enter(world.record, world.lab)

    def run(self, world: World, place: Place, argv: Sequence[str], environment: Mapping[str, str]) -> int:
        """Run a command at a place on this terminal; its exit code.

        Raises:
            LabctlFailed: it could not be started.
        """
        return self._machine.run_attached(world.record, place, argv, environment)

    def is_ending(self, world: World) -> bool:
        """Tell whether a world that stood has ended, or is about to."""
        return self._machine.is_ending(world.record)

    def missing_keepers(self, world: World) -> tuple[str, ...]:
        """Name the places whose process is gone: a world half dead."""
        return self._machine.missing_keepers(world.record)

    def down(self) -> bool:
        """Take the world away and forget it; tell whether one stood."""
        saved = self._state.load()
        stood = saved is not None and self._machine.stands(saved.record)
        if saved is not None and stood:
            self._machine.end(saved.record, self._state.mark)
        # A world whose record was lost (deleted, or of another boot if one is to believe it) goes too.
        stood |= self._machine.end_marked(self._state.mark)
        self._state.forget()
        return stood

    def _check_tools(self) -> None:
        for tool in ("ip", "iptables", "iptables-restore"):
            if self._machine.find_tool(tool) is None:
                raise self._machine.missing(tool)

    def _plan(self, lab: Lab, owner: int | None) -> BootPlan:
        home = Path(self._environment.get("HOME") or "/")
        gcloud = self._real_gcloud()
        needed = (*furniture.needed_paths(CODE), *((gcloud.parents[1],) if gcloud else ()))
        scratch = furniture.scratch_folders(home, needed, as_root=os.geteuid() == 0)
        backend = self._environment.get("LABCTL_IPTABLES", "")
        if backend not in ("", "nft", "legacy"):
            raise UsageError(f"LABCTL_IPTABLES={backend} is no backend of iptables", "nft or legacy")
        server = (self._machine.python(), "-I", "-S", "/opt/labctl/internet.py", "0.0.0.0")  # noqa: S104 (in the world)
        source = INTERNET_SERVER.read_text(encoding="utf-8")
        ensure_compiled(CODE)
        texts = (*furniture.texts(CODE, backend, str(gcloud or "")), Text("/opt/labctl/internet.py", source))
        return BootPlan(
            mark=self._state.mark,
            unprivileged_id=owner,
            scratch=scratch,
            host_scratch=furniture.host_scratch(privileged=owner is None),
            windows=furniture.windows(scratch, needed, self._state.shared),
            texts=texts,
            hosts=(
                Host(str(INTERNET), server, announces=True),
                Host(str(VPC), PAUSE),
                *(Host(node.name, PAUSE, tuple(each.name for each in node.containers)) for node in lab.nodes),
            ),
        )

    def _real_gcloud(self) -> Path | None:
        """The real client that the world's `gcloud` is to be; None: the lab's own small one."""
        wanted = self._environment.get("LABCTL_GCLOUD", "")
        if wanted not in ("", "lab"):
            raise UsageError(f"LABCTL_GCLOUD={wanted} is no client of the cloud", "lab, or nothing")
        return None if wanted else furniture.real_gcloud(self._machine.find_tool("gcloud"))


def _unprivileged_id() -> int:
    """Whom the world's uid 0 is outside: the caller, or, for root, an id of nobody's.

    Root of a container may not have that id: then the highest that it has, its own if there is no other.
    """
    if os.geteuid() != 0:
        return os.geteuid()
    maps = (line.split() for line in Path("/proc/self/uid_map").read_text().splitlines())
    spans = [range(int(first), int(first) + int(count)) for first, _, count in maps]
    if any(UNPRIVILEGED_ID in span for span in spans):
        return UNPRIVILEGED_ID
    return max(span[-1] for span in spans)
