"""What the person typed to start labctl, so that what they are told to type next works where they are."""

from __future__ import annotations

import os
import re

from labctl.cli.groups import COMMANDS

# A command line, not a sentence about labctl.
_COMMAND = re.compile(rf"(?<![\w/.-])labctl (?=(?:{'|'.join(COMMANDS)})\b|--|…)")


def program() -> str:
    """How this labctl was started: `./lab` outside, `labctl` in the lab's own shell, or from a PATH."""
    return os.environ.get("LAB_CALLED") or "labctl"


def as_called(text: str) -> str:
    """Spell each `labctl …` of a text, a person's or a program's, as this labctl was started."""
    return _COMMAND.sub(lambda _: f"{program()} ", text)


def lesson_as_called(markdown: str) -> str:
    """Spell the way into the lab as this labctl was started; what else a lesson has one type is typed in there."""
    return markdown.replace("`labctl shell", f"`{program()} shell")
