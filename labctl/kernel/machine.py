"""The port `Machine`: boots worlds, enters them, ends them."""

from __future__ import annotations

import json
import socket
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from labctl.errors import KernelRefused, ToolMissing
from labctl.kernel import boot, cgroups, inside, own_code, process
from labctl.kernel.agent import Agent
from labctl.kernel.identity import (
    Identity,
    boot_id,
    find_lodgers,
    find_marked,
    find_programs,
    is_alive,
    is_ending,
    kill_and_wait,
)
from labctl.kernel.marker import is_inside
from labctl.kernel.talk import talk

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager

    from labctl.model.lab import Lab, Place
    from labctl.model.ports import Kernel
    from labctl.model.world import BootPlan, Kind, WorldRecord


def _end_containers(record: WorldRecord) -> None:
    """End the containers of a world without a pid namespace, whoever lives in them, and the lab's own programs."""
    for each in find_programs(record.root.outside, process.FOLDER):
        kill_and_wait(each)
    containers = [keeper for place, keeper in record.keepers if "/" in place]
    for keeper in containers:
        own = Identity(keeper.outside, keeper.started, record.boot)
        if is_alive(own):
            for each in (*find_lodgers(own.pid), own):
                kill_and_wait(each)


def _make_kernel(lab: Lab, record: WorldRecord) -> Kernel:
    from labctl.kernel.local import LocalKernel

    return LocalKernel(record, lab)


class LinuxMachine:
    """This machine."""

    def boot(self, plan: BootPlan, kind: Kind) -> AbstractContextManager[WorldRecord]:
        """Make a world; it stays if the block ends well."""
        return boot.boot(plan, kind)

    def end(self, record: WorldRecord, mark: str) -> None:
        """Kill the world's first process; the kernel takes all others with it (pid_namespaces(7)).

        Raises:
            KernelRefused: it does not die.
        """
        root = Identity(record.root.outside, record.root.started, record.boot)
        cgroups.thaw(mark)
        if record.kind == "host":
            _end_containers(record)
        if not kill_and_wait(root):
            raise KernelRefused(f"the world's first process (pid {root.pid}) does not die", "try again: labctl down")

    def end_marked(self, mark: str) -> bool:
        """Take away worlds of which nothing is known but their mark; tell whether there were any.

        Their control groups go too, which outlive a world whose first process was killed.
        """
        cgroups.thaw(mark)
        ended = [kill_and_wait(each) for each in find_marked(mark)]
        cgroups.remove(mark)
        return any(ended)

    def end_others(self, mark: str, record: WorldRecord) -> None:
        """Take away worlds that bear the mark, but not this one; the control groups are its own now."""
        for each in find_marked(mark):
            if each.pid != record.root.outside:
                kill_and_wait(each)

    def stands(self, record: WorldRecord) -> bool:
        """Tell whether the world's first process still lives."""
        if is_inside():
            return True
        return is_alive(Identity(record.root.outside, record.root.started, record.boot)) and record.boot == boot_id()

    def is_ending(self, record: WorldRecord) -> bool:
        """Tell whether the world has ended, or is about to."""
        if is_inside():
            return False
        return is_ending(Identity(record.root.outside, record.root.started, record.boot))

    def missing_keepers(self, record: WorldRecord) -> tuple[str, ...]:
        """Name the places whose process is gone."""
        within = is_inside()
        return tuple(
            place
            for place, keeper in record.keepers
            if not is_alive(Identity(keeper.inside if within else keeper.outside, keeper.started, record.boot))
        )

    def enter(self, record: WorldRecord, lab: Lab) -> Agent:
        """Start the agent, which imports what it needs when it needs it."""
        if not own_code.is_seen_in(record):
            own_code.import_all()
        return Agent(record, partial(_make_kernel, lab))

    def run_attached(
        self, record: WorldRecord, place: Place, argv: Sequence[str], environment: Mapping[str, str]
    ) -> int:
        """Run a command at a place on this terminal."""
        return inside.run_attached(record, place, argv, environment)

    def find_tool(self, name: str) -> str | None:
        """Find a program."""
        return process.find_tool(name)

    def missing(self, tool: str) -> ToolMissing:
        """The error for a program that is not installed."""
        return process.missing(tool)

    def boot_id(self) -> str:
        """The kernel's name for this boot."""
        return boot_id()

    def names(self) -> tuple[str, tuple[str, ...]]:
        """What this machine is called, and its addresses."""
        done = talk(("ip", "-4", "-j", "address"), "", process.ENVIRONMENT)
        links = json.loads(done.out or "[]")
        addresses = (each["local"] for link in links for each in link["addr_info"] if "local" in each)
        return socket.gethostname(), tuple(addresses)

    def python(self) -> str:
        """The interpreter below the virtual environment."""
        return str(Path(getattr(sys, "_base_executable", sys.executable)).resolve())
