"""What came of a conformance run, for a person: a line a check, and what is wrong below it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from labctl.cli.screen.page import Screen
from labctl.cni.conformance.check import Level, Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labctl.cni.conformance.check import Verdict

_HANG = len("pass    ADD-01  MUST   ")
_SAID = {
    Outcome.PASS: ("pass", "green"),
    Outcome.FAIL: ("FAIL", "bold red"),
    Outcome.NOT_APPLICABLE: ("n/a", "dim"),
    Outcome.UNKNOWN: ("UNKNOWN", "magenta"),
}


def show(plugin: str, verdicts: Sequence[Verdict]) -> None:
    """Print all of it."""
    screen = Screen()
    screen.line(f"{plugin}, held against the CNI specification 1.1.0", "bold")
    for each in verdicts:
        word, style = _SAID[each.outcome]
        screen.entry(f"{word:<8}", style, f"{each.check.id}  {each.check.level:<6} {each.check.says}", hang=_HANG)
        if each.why:
            where = f" (section {each.check.section})" if each.outcome is Outcome.FAIL else ""
            screen.say(each.why.partition(" The specification says: ")[0] + where, "dim", indent=8)
    counted = Counter(each.outcome for each in verdicts)
    failing = [each for each in verdicts if each.outcome is Outcome.FAIL]
    musts = sum(each.check.level is Level.MUST for each in failing)
    screen.say()
    screen.say(
        f"{counted[Outcome.PASS]} pass, {musts} MUST and {len(failing) - musts} SHOULD fail, "
        f"{counted[Outcome.NOT_APPLICABLE]} not applicable, {counted[Outcome.UNKNOWN]} unknown.",
        "bold red" if musts else "bold green",
    )
