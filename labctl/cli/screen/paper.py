"""What is written on: stdout, without blanks at the ends of lines, and without a complaint when nobody reads on."""

from __future__ import annotations

import io
import os
import re
import sys

_BLANKS = re.compile(r"[ \t]+(?=\n)")


class Paper(io.TextIOBase):
    """stdout for Rich. A reader who has gone (`| head`) does not stop what labctl is in the middle of."""

    @property
    def encoding(self) -> str:  # type: ignore[override]  # TextIOBase has an attribute, and says so
        """The code that stdout writes."""
        return sys.stdout.encoding or "ascii"

    def isatty(self) -> bool:
        """Tell whether a person is looking."""
        return sys.stdout.isatty()

    def fileno(self) -> int:
        """The number of stdout."""
        return sys.stdout.fileno()

    def write(self, text: str) -> int:
        """Write it."""
        try:
            sys.stdout.write(_BLANKS.sub("", text))
        except BrokenPipeError:
            _turn_away()
        return len(text)

    def flush(self) -> None:
        """Send it off."""
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            _turn_away()


def _turn_away() -> None:
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
