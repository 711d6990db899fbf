"""`labctl doctor`: what this machine lacks, and how to get it."""

from __future__ import annotations

from typing import Annotated

import typer


def doctor(
    *,
    fix: Annotated[bool, typer.Option("--fix", help="Install what is missing; shows what it runs.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Answer in JSON.")] = False,
) -> None:
    """Say what this machine lacks, and how to get it.

    Examples: labctl doctor, labctl doctor --fix, labctl doctor --json
    """
    del fix, as_json
