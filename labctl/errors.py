"""The error tree. Every error is one sentence, with one hint: the command to type next.

::

    LabError                 5
    ├── UsageError           2   the command line, or a malformed course or topology
    ├── MissingStep          3   an earlier step is missing
    ├── ForeignObject        4   something that is not the lab's holds the name
    ├── KernelRefused        5   the kernel or a tool refused
    │   ├── ToolMissing      5
    │   ├── Busy             5   somebody else holds what is needed; later it may work
    │   └── WorldGone        5   the world died while it was being worked on
    ├── CannotTell           6   the measurement itself was not possible
    └── LabctlFailed       125   `exec` and `shell` failed before the command ran
"""

from __future__ import annotations


class LabError(Exception):
    """What went wrong, in one line (`str(error)`), and what to type next (`hint`)."""

    exit_code = 5

    def __init__(self, what: str, hint: str = "") -> None:
        """`what` is a sentence without a full stop; `hint` is a command or a short piece of advice."""
        super().__init__(what, hint)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        """Say what went wrong, without the hint."""
        return self.what


class UsageError(LabError):
    """The command line, the topology or the course is not well formed."""

    exit_code = 2


class MissingStep(LabError):
    """A step that this one builds on is not done."""

    exit_code = 3


class ForeignObject(LabError):
    """Something that is not the lab's holds a name that the step needs; nothing was written."""

    exit_code = 4


class KernelRefused(LabError):
    """The kernel, or a tool that was asked to change it, said no."""

    exit_code = 5


class ToolMissing(KernelRefused):
    """A program that the lab needs is not installed."""


class Busy(KernelRefused):
    """Somebody else holds what is needed, and kept it for longer than we wait; later it may work."""


class WorldGone(KernelRefused):
    """The processes that keep the world alive are no longer there."""


class CannotTell(LabError):
    """What was to be measured could not be measured."""

    exit_code = 6


class LabctlFailed(LabError):
    """`labctl exec` or `labctl shell` could not start the command (env(1) and docker use 125 too)."""

    exit_code = 125
