"""The doctor's answer: plain lines that read well at 80 columns, in a pipe, and without colour."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from rich.text import Text

from labctl.cli.called import as_called

if TYPE_CHECKING:
    from collections.abc import Iterable

    from labctl.cli.screen.page import Screen
    from labctl.model.trial import Check

_WORD, _TITLE = 10, 26


def show_checks(screen: Screen, title: str, checks: Iterable[Check]) -> None:
    """A heading, and a line for each check; below a lack, why it is one."""
    screen.line(title, "bold cyan")
    for check in checks:
        word, style = _word(check)
        not_tried = check.state == "unknown"
        found = _wrap(screen, f"{check.found}: {check.why}" if not_tried else check.found, _WORD + _TITLE)
        line = Text(f"{word:<{_WORD}}", style).append(f"{check.title:<{_TITLE}}", "not bold default")
        screen.line(line.append(found.lstrip(), "not bold default"))
        if check.why and not not_tried:
            screen.line(_wrap(screen, check.why, _WORD), "dim")
    screen.line("")


def show_cures(screen: Screen, cures: Iterable[tuple[str, str]], fixing: tuple[str, ...]) -> None:
    """What to type, for what; as it is, so that it can be copied. `fixing` names what --fix runs by itself."""
    cures = tuple(cures)
    if not cures:
        return
    screen.line("What to type", "bold cyan")
    for title, cure in cures:
        screen.say(f"# {title}", "dim", hang=2)
        screen.commands(as_called(cure))
    if fixing:
        screen.say(f"# labctl doctor --fix runs {' and '.join(dict.fromkeys(fixing))} itself", "dim", hang=2)
    screen.line("")


def _wrap(screen: Screen, text: str, indent: int) -> str:
    """A paragraph so far in; words that are too long (a path) are never broken."""
    margin = " " * indent
    return textwrap.fill(
        text,
        screen.console.width,
        initial_indent=margin,
        subsequent_indent=margin,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _word(check: Check) -> tuple[str, str]:
    """Say a state in a word: neither a colour nor a sign is needed to tell them apart."""
    match check.state:
        case "ok":
            return "ok", "green"
        case "unknown":
            return "unknown", "magenta"
        case "missing":
            return ("MISSING", "bold red") if check.needed else ("optional", "yellow")
