"""What the person typed to start labctl, so that what they are told to type next works where they are."""

from __future__ import annotations

import os
import re

_COMMAND = re.compile(r"(?<![\w/.-])labctl (?=[a-z-])")


def as_called(text: str) -> str:
    """Spell `labctl …` in a hint as this labctl was started: `./lab …` outside, `labctl …` in the lab's own shell."""
    called = os.environ.get("LAB_CALLED", "")
    return _COMMAND.sub(lambda _: f"{called} ", text) if called else text
