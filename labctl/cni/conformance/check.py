"""What a check is, and what may come of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from labctl.cni.conformance.bench import Bench


class Level(StrEnum):
    """The specification's own word. What it states as a fact of the protocol ("a numeric error code") is a MUST."""

    MUST = "MUST"
    SHOULD = "SHOULD"


class Outcome(StrEnum):
    """What came of a check. UNKNOWN is no pass: the check could not be carried out, or broke itself."""

    PASS = "pass"  # noqa: S105 (no password)
    FAIL = "fail"
    NOT_APPLICABLE = "not_applicable"
    UNKNOWN = "unknown"


class Failed(Exception):
    """The plug-in does not do what the specification says: what was sent, what came."""


class NotApplicable(Exception):
    """The check says nothing about this plug-in or this configuration, and why."""


class CannotAsk(Exception):
    """What the check builds on did not work: an ADD that should have, or a tool of the checker's own."""


@dataclass(frozen=True)
class Check:
    """One sentence of the specification, and how a black box shows whether it holds.

    `ask` returns when it holds, and raises Failed, NotApplicable or CannotAsk otherwise.
    """

    id: str
    level: Level
    section: str
    says: str
    ask: Callable[[Bench], None]


@dataclass(frozen=True)
class Verdict:
    """What came of one check; `why` is empty for a pass."""

    check: Check
    outcome: Outcome
    why: str = ""


def must(number: str, section: str, says: str) -> Callable[[Callable[[Bench], None]], Check]:
    """Turn a function into a check of a MUST."""
    return lambda ask: Check(number, Level.MUST, section, says, ask)


def should(number: str, section: str, says: str) -> Callable[[Callable[[Bench], None]], Check]:
    """Turn a function into a check of a SHOULD."""
    return lambda ask: Check(number, Level.SHOULD, section, says, ask)
