"""What the person typed to start labctl, so that what they are told to type next works where they are."""

from __future__ import annotations

import os
import re
import shlex
import sys

from labctl.cli.groups import COMMANDS

# A command line, not a sentence about labctl.
_COMMAND = re.compile(rf"(?<![\w/.-])labctl (?=(?:{'|'.join(COMMANDS)})\b|--|…)")

WORLDS = ("sandbox", "host")


def program() -> str:
    """How this labctl was started, as a shell reads it: `./lab` outside, `labctl` in the lab's own shell or on PATH."""
    return shlex.quote(os.environ.get("LAB_CALLED") or "labctl")


def as_root() -> str:
    """The command line that was typed, as root types it: `sudo` takes no variables along."""
    words = sys.argv[1:]
    world = () if _named_world(words) or not words else ("--world", os.environ.get("LABCTL_WORLD") or "host")
    return f"sudo {program()} {shlex.join((*world, *words))}"


def _named_world(words: list[str]) -> str:
    """The world that was named on the command line itself; what stands behind `exec NODE` is another command's."""
    words = words[: words.index("exec")] if "exec" in words[:3] else words
    for at, word in enumerate(words):
        if word == "--world":
            return "".join(words[at + 1 : at + 2])
        if word.startswith("--world="):
            return word.partition("=")[2]
    return ""


def as_called(text: str) -> str:
    """Spell each `labctl …` of a text, a person's or a program's, as this labctl was started."""
    named = _named_world(sys.argv[1:])
    world = f"--world {named} " if named in WORLDS else ""

    def spell(found: re.Match[str]) -> str:
        says_it = found.string.startswith("--world", found.end())
        return f"{program()} {'' if says_it else world}"

    return _COMMAND.sub(spell, text)


def lesson_as_called(markdown: str) -> str:
    """Spell the way into the lab as this labctl was started; what else a lesson has one type is typed in there."""
    return markdown.replace("`labctl shell", f"`{program()} shell")
