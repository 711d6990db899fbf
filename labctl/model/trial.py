"""What is found out about a machine (`Facts`), and what follows for the lab (`Check`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

State: TypeAlias = Literal["ok", "missing", "unknown"]
Rights: TypeAlias = Literal["root", "sudo", "su"]
"""How commands of root's are run: by root itself, through sudo, or, where there is no sudo, through su."""

UNREADABLE = "?"
"""In place of a setting's value, where the setting exists but may not be read."""


@dataclass(frozen=True)
class Trial:
    """What came of trying one thing.

    `works` is None where it could not be tried. `said` is what was found, or the words of the kernel or the tool that
    refused; `stage` is the part that was refused, where there are several, with its `errno` (0: no system call).
    """

    name: str
    works: bool | None
    said: str = ""
    stage: str = ""
    errno: int = 0


@dataclass(frozen=True)
class FoundTool:
    """Where a program is (`path`, empty if nowhere) and its version (empty if it does not say).

    `elsewhere` is where it was found instead, on the caller's PATH, which the lab's world does not have.
    """

    name: str
    path: str = ""
    version: str = ""
    elsewhere: str = ""


@dataclass(frozen=True)
class Facts:
    """A machine, looked at.

    `os_release` is the text of os-release(5); `release` the kernel's; `sysctls` holds those that exist; `steps` says
    which steps of the course need a tool or a feature, by its name.
    """

    os_release: str
    release: str
    rights: Rights
    python: tuple[int, int, int]
    interpreter: str
    sysctls: Mapping[str, str]
    trials: Mapping[str, Trial]
    tools: tuple[FoundTool, ...]
    steps: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Check:
    """One line of the doctor's answer.

    `found` is short; `why` says, for a lack, what it is due to and what suffers; `cure` is what to type (several ways
    are separated by a comment line).
    """

    id: str
    title: str
    needed: bool
    state: State
    found: str
    why: str = ""
    cure: str = ""
