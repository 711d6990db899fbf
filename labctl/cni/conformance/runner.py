"""Asks every check, one after the other, and says what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labctl.cni.conformance.check import CannotAsk, Failed, Level, NotApplicable, Outcome, Verdict
from labctl.errors import LabError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from labctl.cni.conformance.bench import Bench
    from labctl.cni.conformance.check import Check

_NO_ADD = "a plain ADD does not work, and this builds on one (see ADD-01)"


def choose(checks: tuple[Check, ...], only: str) -> tuple[Check, ...]:
    """The checks that a list such as `ADD-03,DEL` names, by id or by the part before the dash; all if it is empty.

    Raises:
        UsageError: it names one that does not exist.
    """
    names = [name.strip() for name in only.split(",") if name.strip()]
    for name in names:
        if not any(_is_named(check, name) for check in checks):
            raise UsageError(f"there is no check '{name}'", "all of them: docs/conformance.md")
    return tuple(check for check in checks if not names or any(_is_named(check, name) for name in names))


def _is_named(check: Check, name: str) -> bool:
    return name in (check.id, check.id.partition("-")[0])


def ask_all(bench: Bench, checks: Iterable[Check], say: Callable[[str], None]) -> Iterator[Verdict]:
    """Ask them in their order."""
    for check in checks:
        say(f"{check.id}  {check.says}")
        yield ask(bench, check)


def ask(bench: Bench, check: Check) -> Verdict:
    """Ask one. Whatever goes wrong in the check itself is UNKNOWN, never a pass."""
    try:
        check.ask(bench)
        verdict = Verdict(check, Outcome.PASS)
    except Failed as failed:
        verdict = Verdict(check, Outcome.FAIL, f"{failed}. The specification says: {check.says}")
    except NotApplicable as reason:
        verdict = Verdict(check, Outcome.NOT_APPLICABLE, str(reason))
    except CannotAsk as reason:
        verdict = _not_asked(bench, check, reason)
    except LabError as error:
        verdict = Verdict(check, Outcome.UNKNOWN, f"the check itself broke: {error}")
    except Exception as error:  # noqa: BLE001 (a defect of one check must neither pass nor end the others)
        verdict = Verdict(check, Outcome.UNKNOWN, f"the check itself broke: {type(error).__name__}: {error}")
    try:
        bench.tidy()
    except LabError as error:
        return Verdict(check, Outcome.UNKNOWN, f"what the check made could not be taken away: {error}")
    return verdict


def _not_asked(bench: Bench, check: Check, reason: CannotAsk) -> Verdict:
    """Where not even a plain ADD works, one check says so, not all of them."""
    try:
        bench.standing()
    except CannotAsk:
        return Verdict(check, Outcome.NOT_APPLICABLE, _NO_ADD)
    return Verdict(check, Outcome.UNKNOWN, str(reason))


def exit_code(verdicts: Iterable[Verdict]) -> int:
    """1 if a MUST fails, else 6 if a check could not be carried out, else 0."""
    verdicts = tuple(verdicts)
    if any(each.outcome is Outcome.FAIL and each.check.level is Level.MUST for each in verdicts):
        return 1
    return 6 if any(each.outcome is Outcome.UNKNOWN for each in verdicts) else 0
