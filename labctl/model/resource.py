"""What a resource is, what looking at one can answer, and what follows from the answer."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

from labctl.model.value import Value

if TYPE_CHECKING:
    from labctl.model.ports import Kernel, ProgramLook, ProgramStart
    from labctl.model.shell import Dialect, Shell


class Absent(Value):
    """It is not there (`why` names what was looked for, when that is not plain from the key)."""

    why: str = ""


class Present(Value):
    """It is there; each `drift` is a sentence that names the object, what was found and what was expected.

    `note` says why something that was typed differently counts; with `as_printed` it only tells more of what the
    printed commands make. `shared` marks what others use too, as a folder: that it is there does not show that the step
    stands.
    """

    drift: tuple[str, ...] = ()
    note: str = ""
    shared: bool = False
    as_printed: bool = False


class Foreign(Value):
    """Something that is not the lab's holds the name; `hint` is what to do about it, where that is known."""

    why: str
    hint: str = ""


class Unknown(Value):
    """It could not be looked at: a tool is missing, permission was refused, the namespace is gone."""

    why: str
    hint: str = ""


Seen: TypeAlias = Absent | Present | Foreign | Unknown


@runtime_checkable
class Resource(Protocol):
    """One kernel, file or cloud object, described. It holds no state; the kernel does."""

    @property
    def key(self) -> str:
        """Name it uniquely in the course: `bridge:master/cni0`."""

    def observe(self, kernel: Kernel) -> Seen:
        """Look; write nothing."""

    def apply(self, kernel: Kernel) -> None:
        """Make it present, from absent or drifted."""

    def revert(self, kernel: Kernel) -> None:
        """Make it absent, whoever made it; absent already is success."""

    def shell(self, dialect: Dialect) -> Shell:
        """Spell it as commands; pure."""


@runtime_checkable
class AsksRange(Protocol):
    """A resource that asks who answers in a range before it is made: those of several nodes can be asked at once."""

    @property
    def asked(self) -> tuple[str, str]:
        """The node that asks, and the range."""


@runtime_checkable
class LooksByProgram(Protocol):
    """A resource at which a program has to look: those of many can look side by side."""

    def program_looks(self, kernel: Kernel) -> tuple[ProgramLook, ...]:
        """Say which will, as things stand; none if it need not."""


@runtime_checkable
class StartsProgram(Protocol):
    """A resource that is a program which goes on running: several that are not there can be started side by side."""

    @property
    def starts(self) -> ProgramStart:
        """What is started."""


@runtime_checkable
class HasBystanders(Protocol):
    """A resource beside which there may be what is not the lab's."""

    def bystanders(self, kernel: Kernel) -> tuple[str, ...]:
        """Say, a sentence each, what is not the lab's and stays when the resource is taken away."""


@runtime_checkable
class HasBaseline(Protocol):
    """A kernel that knows what was there before the lab, and keeps it: that of a world on a real machine."""

    @property
    def own(self) -> Kernel:
        """The same kernel without what was there before the lab; through it things are taken away."""

    def judge(self, resource: Resource, seen: Seen) -> Seen:
        """Hold what was seen against what was there before: that is foreign, whatever it looks like."""


def own_view(kernel: Kernel) -> Kernel:
    """The kernel through which a resource is taken away, and what is beside it named."""
    return kernel.own if isinstance(kernel, HasBaseline) else kernel


@runtime_checkable
class HasNode(Protocol):
    """A resource of a step of the whole lab whose commands are for one node, wherever the others are typed."""

    @property
    def at(self) -> str:
        """The node's name."""


class Action(StrEnum):
    """What a plan says of one resource."""

    CREATE = "create"
    REPAIR = "repair"
    KEEP = "keep"
    REFUSE = "refuse"


def decide(seen: Seen) -> tuple[Action, str]:
    """Decide what to do about what was seen, and say why."""
    match seen:
        case Absent(why):
            return Action.CREATE, why or "it is not there"
        case Present(()) as present:
            return Action.KEEP, present.note or "it is there as it should be"
        case Present(drift):
            return Action.REPAIR, "; ".join(drift)
        case Foreign(why) | Unknown(why):
            return Action.REFUSE, why
    raise AssertionError(seen)


def state_of(seen: Seen) -> tuple[str, str]:
    """Name the state as the JSON does (`present`, `absent`, `drifted`, `foreign`, `unknown`), and why."""
    match seen:
        case Absent(why):
            return "absent", why
        case Present(()) as present:
            return "present", present.note
        case Present(drift):
            return "drifted", "; ".join(drift)
        case Foreign(why):
            return "foreign", why
        case Unknown(why):
            return "unknown", why
    raise AssertionError(seen)
