"""What the engine tells while it works. A screen and a journal are listeners; the engine knows neither."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from labctl.engine.planner import Item
    from labctl.engine.report import Checked, StepReport
    from labctl.model.resource import Resource
    from labctl.model.step import Lesson


@dataclass(frozen=True)
class Started:
    """A step is begun on a node (`lab` for a step of the whole lab); `undo` says which way."""

    lesson: Lesson
    node: str
    undo: bool = False


@dataclass(frozen=True)
class AskedBefore:
    """The probes, as they were before anything was done."""

    checks: tuple[Checked, ...]


@dataclass(frozen=True)
class Planned:
    """What would be done; nothing has been yet."""

    items: tuple[Item, ...]


@dataclass(frozen=True)
class Doing:
    """A resource is about to be made, mended or taken away; `action` is `create`, `repair` or `revert`."""

    resource: Resource
    action: str


@dataclass(frozen=True)
class Did:
    """That went well."""

    resource: Resource
    action: str


@dataclass(frozen=True)
class Typing:
    """A command is about to be run (`--via shell`)."""

    command: str


@dataclass(frozen=True)
class TookBack:
    """After a failure, something that had been made was taken away again; or `error` says why it could not be."""

    resource: Resource
    error: str = ""


@dataclass(frozen=True)
class Left:
    """Undo left something where it is, and why."""

    resource: Resource
    why: str


@dataclass(frozen=True)
class Finished:
    """A step, looked at again after it was done or undone. `changed` says how many resources were acted on."""

    report: StepReport
    changed: int
    undo: bool = False


Event: TypeAlias = Started | AskedBefore | Planned | Doing | Did | Typing | TookBack | Left | Finished


class Listener(Protocol):
    """Hears events as they happen."""

    def __call__(self, event: Event, /) -> None:
        """Hear one."""
