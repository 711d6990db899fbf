"""A report as text: plain; its sentences are at most eighty columns wide."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING

from labctl.engine.report import Outcome
from labctl.engine.reporting.account import LOOKED_UP, NO_WORLD, TOLD, spell_outcome, spell_time

if TYPE_CHECKING:
    from labctl.engine.reporting.account import Account

_WIDTH = 80
_HEADINGS = ("step", "on", "now", "first held (UTC)", "by", "tries", "help")


def spell_text(account: Account) -> str:
    """The whole report."""
    lines = [f"labctl report: {account.who or 'nobody named'}", f"made {spell_time(account.made)} UTC"]
    if account.seed:
        lines.append(f"plan drawn from the seed {account.seed}")
    sentences = (f"now: {LOOKED_UP}" if account.up else NO_WORLD, f"first held, by, tries, help: {TOLD}")
    lines += ["", *(line for each in sentences for line in wrap(each, _WIDTH, subsequent_indent="  ")), ""]
    rows = [
        (
            str(row.step),
            row.node,
            spell_outcome(row),
            spell_time(row.past.first_held),
            row.past.by or "–",
            str(row.past.attempts),
            ", ".join(row.past.hints) or "–",
        )
        for row in account.rows()
    ]
    widths = [max(len(each[column]) for each in (_HEADINGS, *rows)) for column in range(len(_HEADINGS))]
    for each in (_HEADINGS, *rows):
        lines.append("  ".join(word.ljust(width) for word, width in zip(each, widths, strict=True)).rstrip())
    wrong = [
        f"step {row.step} on {row.node}: {cause}"
        for row in account.rows()
        if row.now and row.now.outcome in (Outcome.WRONG, Outcome.UNKNOWN)
        for cause in row.now.causes()
    ]
    if wrong:
        lines += ["", "what is wrong:", *wrong]
    if account.up:
        lines += ["", f"{account.done} of {len(account.reports)} hold now"]
    return "".join(f"{_one_line(line)}\n" for line in lines)


def _one_line(text: str) -> str:
    """A name is a person's: no escape sequence of it reaches a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
