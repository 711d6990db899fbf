"""Puts what was measured into a document, between its marks."""

from __future__ import annotations

from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent


def write_between(document: str, marks: tuple[str, str], text: str) -> None:
    """Replace what stands between two marks of a document of the checkout (`docs/performance.md`)."""
    begin, end = marks
    path = _ROOT / document
    before, _, rest = path.read_text(encoding="utf-8").partition(begin)
    path.write_text(f"{before}{begin}\n{text}\n{end}{rest.partition(end)[2]}", encoding="utf-8")
