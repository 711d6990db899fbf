"""One line on stderr that says how far a long work is; only where a person looks, and gone when it is done."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_ROOM = 78
_CLEAR = "\r\x1b[K"


@contextmanager
def ticking(text: str) -> Iterator[Callable[[str], None]]:
    """Show a line, and give what changes it; clear it at the end."""
    shown = sys.stderr.isatty()

    def show(said: str) -> None:
        if shown:
            sys.stderr.write(f"{_CLEAR}{said[:_ROOM]}")
            sys.stderr.flush()

    show(text)
    try:
        yield show
    finally:
        if shown:
            sys.stderr.write(_CLEAR)
            sys.stderr.flush()
