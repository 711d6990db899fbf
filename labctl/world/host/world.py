"""The host world: this very machine as a node. It makes nothing but the containers; what is there, it keeps.

::

    $LABCTL_HOME, or /var/lib/labctl
    ├── world.json       the processes that are the containers
    └── baseline.json    what was there before `up`; written before anything else is changed, and removed last
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labctl.errors import KernelRefused, UsageError
from labctl.model.lab import NETNS_FOLDER
from labctl.model.world import PAUSE, BootPlan, Host
from labctl.world.host.choice import CLOUDS, choose
from labctl.world.host.furniture import clear, furnish, programs, refuse_others
from labctl.world.host.guard import GuardedKernel
from labctl.world.host.kept import BASELINE, Kept, forget, keep, load
from labctl.world.host.marks import lab_files
from labctl.world.host.nft import drop_empty
from labctl.world.host.sweep import Sweep
from labctl.world.host.taking import take, take_again
from labctl.world.host.values import prepare, put_back
from labctl.world.sandbox import CODE, World
from labctl.world.state import Saved
from labctl.world.topology import localise, read_lab

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from labctl.model.baseline import Baseline
    from labctl.model.lab import Lab, Place
    from labctl.model.ports import Kernel
    from labctl.model.world import Kind, Machine, Session, WorldRecord
    from labctl.world.state import State
    from labctl.world.topology import Document


@dataclass(frozen=True)
class GuardedSession:
    """An open connection whose kernel keeps what was there before."""

    inner: Session
    kernel: Kernel

    def close(self) -> None:
        """End it."""
        self.inner.close()


class HostWorld:
    """Makes, finds and takes away the lab on this machine; `tell` hears what is set, taken away and left."""

    def __init__(
        self, state: State, machine: Machine, environment: Mapping[str, str], tell: Callable[[str], None]
    ) -> None:
        """Use this home, and this machine."""
        self._state, self._machine, self._environment, self._tell = state, machine, environment, tell
        self.swept: Sweep | None = None

    def find(self) -> World | None:
        """Give the world that stands, if one does."""
        saved = self._load()
        if saved is None or not self._machine.stands(saved.record):
            return None
        return World(saved, saved.lab)

    def lost(self) -> Saved | None:
        """Give what is known of a world that died without `down`: a reboot, or its first process was killed."""
        saved = self._load()
        return saved if saved is not None and not self._machine.stands(saved.record) else None

    def up(self, topology: Document, kind: Kind = "host", node: str = "", cloud: str = "") -> World:
        """Start the containers, once it is written down what is there.

        What a killed or rebooted lab has left is not part of that: its baseline is still there, and counts.

        Raises:
            UsageError: the topology is wrong, or this machine is not in it.
            ForeignObject: another lab stands here.
            KernelRefused: something cannot be looked at, or set.
        """
        if kind != "host":
            raise UsageError(f"a {kind} world is no world of this machine's own", "leave --world host away")
        lab = read_lab(topology)
        name, addresses = self._machine.names()
        here = choose(lab, name, addresses, node)
        if str(here.address) not in addresses:
            self._tell(f"{here.address}, the address of {here.name}, is not one of this machine's")
        if cloud not in ("", *CLOUDS):
            raise UsageError(f"--cloud {cloud} is not known", f"one of: {', '.join(CLOUDS)}")
        kept = load(self._state)
        wanted = (topology, here.name, cloud or (kept.cloud if kept else CLOUDS[0]))
        if kept is not None and (kept.topology, kept.node, kept.cloud) != wanted:
            # Another plan has other names: what the old one has left would be taken for the machine's own.
            self.down()
        return self._start(*wanted)

    def remake(self, saved: Saved) -> World:
        """Make a world again that is gone."""
        return self.up(saved.topology, "host", saved.node, saved.cloud)

    @contextmanager
    def renewed(self, saved: Saved | None, topology: Document) -> Iterator[tuple[World, Session]]:
        """Take away all that is the lab's, and start the containers anew; the baseline is still the first one.

        If no lab is known, one of `topology` is made.
        """
        load(self._state)  # what cannot be read is said before anything ends
        if saved is None:
            world = self.up(topology)
        else:
            self._end(saved)
            world = self._start(saved.topology, saved.node, saved.cloud, sweep=True)
        session = self.enter(world)
        try:
            yield world, session
        finally:
            session.close()

    def enter(self, world: World) -> Session:
        """Start a process that does what is asked of it, through the guard."""
        baseline = self.baseline()
        inner = self._machine.enter(world.record, world.lab)
        return GuardedSession(inner, _guard(inner.kernel, world.lab, baseline))

    def run(self, world: World, place: Place, argv: Sequence[str], environment: Mapping[str, str]) -> int:
        """Run a command at a place on this terminal; its exit code."""
        return self._machine.run_attached(world.record, place, argv, environment)

    def is_ending(self, world: World) -> bool:
        """Tell whether a world that stood has ended, or is about to."""
        return self._machine.is_ending(world.record)

    def missing_keepers(self, world: World) -> tuple[str, ...]:
        """Name the places whose process is gone."""
        return self._machine.missing_keepers(world.record)

    def down(self) -> bool:
        """Take all away that is the lab's, put the old values back, forget it; tell whether there was anything."""
        saved, kept = self._load(), load(self._state)
        stood = saved is not None or kept is not None
        if kept is not None:
            with self._keeping(saved, kept) as (record, kernel):
                self._sweep(kernel, kept)
                raw = self._machine.enter(record, kept.lab)
                try:
                    put_back(raw.kernel, kept.lab.nodes[0], kept.baseline, self._tell)
                    drop_empty(raw.kernel, kept.lab.nodes[0], kept.baseline)
                    clear(raw.kernel, kept.lab.nodes[0])
                finally:
                    raw.close()
        self._end(saved)
        forget(self._state)
        return stood

    def baseline(self) -> Baseline:
        """What was on this machine before the lab.

        Raises:
            KernelRefused: that is not known.
        """
        kept = load(self._state)
        if kept is None:
            raise KernelRefused(
                f"{self._state.home / BASELINE} is gone, which tells what was on this machine before the lab",
                "nothing can be changed safely without it: labctl down ends the containers",
            )
        return kept.baseline

    def describe_loss(self, saved: Saved) -> tuple[str, ...]:
        """Say what a reboot takes, or whoever killed the containers, and what has stayed."""
        node = saved.lab.nodes[0]
        names = ", ".join(each.name for each in node.containers)
        files = ", ".join(str(path) for path in lab_files(saved.lab) if path.exists())
        stayed = f"still there: {files}" if files else "of its files nothing is there"
        if saved.record.boot == self._machine.boot_id():
            return (
                f"taken: the containers {names}, with their ends of the cables",
                f"{stayed}; links, rules and routes",
            )
        what = f"the bridge {saved.lab.bridge}, addresses, rules, routes and {NETNS_FOLDER}"
        return (f"taken by the reboot: the containers {names}, {what}", stayed)

    def _end(self, saved: Saved | None) -> None:
        if saved is not None and self._machine.stands(saved.record):
            self._machine.end(saved.record, self._state.mark)
        self._machine.end_marked(self._state.mark)
        self._state.forget()

    @contextmanager
    def _keeping(self, saved: Saved | None, kept: Kept) -> Iterator[tuple[WorldRecord, Kernel]]:
        """A kernel to work with, guarded; where no world stands, of one that is made for that."""
        if saved is not None and self._machine.stands(saved.record):
            with self._entered(saved.record, kept) as kernel:
                yield saved.record, kernel
            return
        self._machine.end_marked(self._state.mark)
        with self._machine.boot(self._plan(kept.lab), "host") as record, self._entered(record, kept) as kernel:
            yield record, kernel
        self._machine.end(record, self._state.mark)

    @contextmanager
    def _entered(self, record: WorldRecord, kept: Kept) -> Iterator[Any]:
        inner = self._machine.enter(record, kept.lab)
        try:
            yield _guard(inner.kernel, kept.lab, kept.baseline)
        finally:
            inner.close()

    def _start(self, topology: Document, node: str, cloud: str, *, sweep: bool = False) -> World:
        self._check_tools()
        self._state.prepare()
        self._state.open_journal_file()
        lab = localise(read_lab(topology), node, cloud)
        self._machine.end_marked(self._state.mark)
        saved = None
        try:
            with self._machine.boot(self._plan(lab), "host") as record:
                saved = Saved(record, topology, node, cloud)
                self._furnish(saved, lab, sweep=sweep)
                self._state.save(saved)
        except BaseException:
            if saved is not None and self._state.load() == saved:
                self._state.forget()
            raise
        return World(saved, lab)

    def _furnish(self, saved: Saved, lab: Lab, *, sweep: bool) -> None:
        session = self._machine.enter(saved.record, lab)
        try:
            kernel, node = session.kernel, lab.nodes[0]
            old, boot = load(self._state), self._machine.boot_id()
            if old is None:
                baseline = take(kernel, lab, boot)
            else:
                baseline = old.baseline if old.baseline.boot == boot else take_again(kernel, lab, boot, old.baseline)
            refuse_others(kernel, node, baseline)
            kept = Kept(saved.topology, saved.node, saved.cloud, baseline)
            if kept != old:
                keep(self._state, kept)
            if sweep:
                self._sweep(_guard(kernel, lab, baseline), kept)
            backend = self._environment.get("LABCTL_IPTABLES", "")
            has_sudo = self._machine.find_tool("sudo") is not None
            furnish(kernel, node, programs(CODE, backend, has_sudo=has_sudo), self._state.mark)
            prepare(kernel, node, self._tell)
        finally:
            session.close()

    def _sweep(self, kernel: Any, kept: Kept) -> None:  # noqa: ANN401 (a guarded kernel)
        self.swept = Sweep(kernel, kept.lab)
        self.swept.run()

    def _plan(self, lab: Lab) -> BootPlan:
        node = lab.nodes[0]
        hosts = (Host(node.name, PAUSE, tuple(each.name for each in node.containers)),)
        return BootPlan(self._state.mark, None, (), (), (), (), hosts)

    def _check_tools(self) -> None:
        for tool in ("ip", "iptables", "iptables-save", "iptables-restore"):
            if self._machine.find_tool(tool) is None:
                raise self._machine.missing(tool)

    def _load(self) -> Saved | None:
        saved = self._state.load()
        if saved is not None and saved.record.kind != "host":
            raise UsageError(
                f"{self._state.home} holds a {saved.record.kind}", "name another folder: LABCTL_HOME=DIR labctl …"
            )
        return saved


def _guard(kernel: Kernel, lab: Lab, baseline: Baseline) -> Kernel:
    guarded: Any = GuardedKernel(kernel, lab.nodes[0].name, baseline)
    return guarded  # type: ignore[no-any-return]  # its ports are the real ones, some methods in other hands
