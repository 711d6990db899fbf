"""The page: paragraphs, items, scripts and lessons, 80 columns wide in a pipe."""

from __future__ import annotations

import sys
import textwrap
from functools import cached_property
from typing import IO, TYPE_CHECKING, cast

from rich.console import Console
from rich.text import Text
from rich.theme import Theme

from labctl.cli.called import as_called
from labctl.cli.screen.paper import Paper

if TYPE_CHECKING:
    from labctl.model.step import Lesson

_WIDTH = 80
# Longer lines are hard to read, however wide the terminal.
_WIDEST = 100

# Rich puts inline code on a black ground, which is a box on a light terminal.
_THEME = {"markdown.code": "bold cyan"}


class Screen:
    """Prints to stdout; colours only on a terminal, and never with NO_COLOR."""

    def __init__(self, console: Console | None = None) -> None:
        """Use stdout, or another console (the picture in the README is taken from one)."""
        self.console = console or _make_console()

    @cached_property
    def marks(self) -> dict[bool | None, str]:
        """A mark for yes, no and unknown; plain letters where the locale has no others."""
        fancy = self.console.encoding.lower().startswith("utf")
        return {True: "✓", False: "✗", None: "?"} if fancy else {True: "ok", False: "NO", None: "??"}

    def say(self, text: str = "", style: str = "", indent: int = 0, hang: int = 0) -> None:
        """Print a paragraph, wrapped; `hang` is how much further in its later lines begin."""
        for line in self._wrap(text, " " * indent, " " * (indent + hang)):
            self.line(line, style)

    def _wrap(self, text: str, first: str, later: str) -> list[str]:
        lines = textwrap.wrap(
            text,
            self.console.width,
            initial_indent=first,
            subsequent_indent=later,
            break_long_words=False,
            break_on_hyphens=False,
        )
        return lines or [""]

    def line(self, text: str | Text, style: str = "") -> None:
        """Print a line as it is; never wrapped, so that it can be copied."""
        self.console.print(Text(text, style=style) if isinstance(text, str) else text, soft_wrap=True)

    def entry(self, word: str, style: str, text: str, hang: int) -> None:
        """Print a paragraph whose first word alone has the style; later lines begin `hang` further in."""
        first, *rest = self._wrap(word + text, "", " " * hang)
        self.line(Text(first[: len(word)], style).append(first[len(word) :], "not bold default"))
        for line in rest:
            self.line(line)

    def item(self, mark: str, text: str, style: str = "", indent: int = 2) -> None:
        """Print a paragraph with a mark before it."""
        self.say(f"{mark} {text}", style, indent, hang=len(mark) + 1)

    def hint(self, text: str, indent: int = 2) -> None:
        """Print what to type next."""
        self.say(f"hint: {as_called(text)}", "bold", indent, hang=6)

    def title(self, lesson: Lesson) -> None:
        """The heading of a step."""
        self.say(f"Step {lesson.number}: {lesson.title}", "bold cyan", hang=8)

    def notes(self, lesson: Lesson) -> None:
        """The lines of the notes that the step rebuilds."""
        for line in lesson.step.notes.splitlines():
            self.line(f"| {line}", "dim")

    def commands(self, script: str) -> None:
        """A script, as it is."""
        for line in script.splitlines():
            self.line(line, "dim" if line.startswith("#") else "bold")

    def markdown(self, text: str) -> None:
        """A lesson's text."""
        from labctl.cli.screen.lesson import LessonText

        self.console.print(LessonText(text), crop=False)


def _make_console() -> Console:
    console = Console(file=cast("IO[str]", Paper()), highlight=False, markup=False, emoji=False, theme=Theme(_THEME))
    console.width = min(console.width, _WIDEST) if sys.stdout.isatty() else _WIDTH
    return console
