"""What a world is made of, as data: the plan by which it is booted, and the record of one that stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager

    from labctl.errors import ToolMissing
    from labctl.model.lab import Lab, Place
    from labctl.model.ports import Kernel

Kind: TypeAlias = Literal["sandbox", "privileged", "host"]
"""Of the three only the last is this very machine: it has no namespaces but those of its containers."""

PAUSE = ("sleep", "infinity")
"""What holds a place that has nothing else to do."""


@dataclass(frozen=True)
class Scratch:
    """A folder that gets a memory file system of the world's own, bounded in size (`megabytes`)."""

    path: str
    megabytes: int
    mode: str = "0755"


@dataclass(frozen=True)
class Window:
    """Something of the machine that stays visible inside although a scratch folder hides its place."""

    source: str
    target: str
    writable: bool = False


@dataclass(frozen=True)
class Text:
    """A small file that is there from the beginning."""

    path: str
    content: str
    mode: int = 0o644


@dataclass(frozen=True)
class Host:
    """A machine of the world: network, mount and uts namespace, held by one process (`holder`, its argv)."""

    name: str
    holder: tuple[str, ...]
    containers: tuple[str, ...] = ()
    announces: bool = False


@dataclass(frozen=True)
class BootPlan:
    """All that a world is made of before its links are drawn.

    `unprivileged_id` is the id of the machine that becomes uid 0 inside; None means no user namespace at all.
    `scratch` is shared by the whole world, `host_scratch` is each host's own. By its `mark` the world's first process
    can be found again when nothing else is known of it.
    """

    mark: str
    unprivileged_id: int | None
    scratch: tuple[Scratch, ...]
    host_scratch: tuple[Scratch, ...]
    windows: tuple[Window, ...]
    texts: tuple[Text, ...]
    hosts: tuple[Host, ...]


@dataclass(frozen=True)
class Keeper:
    """A process that holds a place's namespaces: its pid outside and inside the world, and its start (clock ticks)."""

    outside: int
    inside: int
    started: int


@dataclass(frozen=True)
class WorldRecord:
    """A world that stands. `boot` is the machine's boot id; places are spelled as on the command line."""

    kind: Kind
    boot: str
    root: Keeper
    keepers: tuple[tuple[str, Keeper], ...]

    def keeper(self, place: Place) -> Keeper | None:
        """The process that holds a place; None if the world has no such place."""
        return dict(self.keepers).get(str(place))


class Machine(Protocol):
    """What the world asks of the machine itself, outside of any world."""

    def boot(self, plan: BootPlan, kind: Kind) -> AbstractContextManager[WorldRecord]:
        """Make a world; it stays if the block ends well, else nothing of it is left."""

    def end(self, record: WorldRecord, mark: str) -> None:
        """Take a world away, everything of it, and wait until it is gone."""

    def end_marked(self, mark: str) -> bool:
        """Take away worlds of which nothing is known but their mark; tell whether there were any."""

    def end_others(self, mark: str, record: WorldRecord) -> None:
        """Take away worlds that bear the mark, but not this one."""

    def stands(self, record: WorldRecord) -> bool:
        """Tell whether the world's first process still lives."""

    def is_ending(self, record: WorldRecord) -> bool:
        """Tell whether the world has ended, or is about to: what ran in it may be gone a moment before it."""

    def missing_keepers(self, record: WorldRecord) -> tuple[str, ...]:
        """Name the places whose process is gone."""

    def enter(self, record: WorldRecord, lab: Lab) -> Session:
        """Start a process inside that does what is asked of it."""

    def run_attached(
        self, record: WorldRecord, place: Place, argv: Sequence[str], environment: Mapping[str, str]
    ) -> int:
        """Run a command at a place on this terminal, and give its exit code.

        Raises:
            LabctlFailed: it could not be started.
        """

    def find_tool(self, name: str) -> str | None:
        """Find a program on PATH, /usr/sbin and /sbin included."""

    def missing(self, tool: str) -> ToolMissing:
        """The error for a program that is not installed, with the package to install."""

    def python(self) -> str:
        """A bare Python interpreter."""

    def boot_id(self) -> str:
        """The kernel's name for this boot."""

    def names(self) -> tuple[str, tuple[str, ...]]:
        """What this machine is called, and its IPv4 addresses."""


class Session(Protocol):
    """An open connection to the process inside."""

    @property
    def kernel(self) -> Kernel:
        """Ask it."""

    def close(self) -> None:
        """End it."""
