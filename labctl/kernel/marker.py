"""Tells whether we are inside a world. Asked at every start of labctl, and so alone: it must cost nothing."""

from __future__ import annotations

from pathlib import Path

MARKER = Path("/opt/labctl/world.json")


def is_inside() -> bool:
    """Tell whether this process runs inside a world (`labctl shell`)."""
    return MARKER.is_file()
