"""Tells programs by the words with which they were started, on whatever machine."""

from __future__ import annotations

import re

_INTERPRETER = re.compile(r"(python[\d.]*|bash|dash|sh)")


def program_words(argv: tuple[str, ...]) -> tuple[str, ...]:
    """The words of a program without what differs from machine to machine: its interpreter, and folders."""
    words = argv
    if words and _INTERPRETER.fullmatch(_base(words[0])):
        script = next((at for at, word in enumerate(words) if at and not word.startswith("-")), 0)
        words = words[script:] if words[script - 1] not in ("-m", "-c") else words
    return (_base(words[0]), *words[1:]) if words else ()


def _base(path: str) -> str:
    return path.rpartition("/")[2]
