"""`labctl checkpoint`: the lab's state by a name, or as a file for another machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labctl.cli import complete
from labctl.cli.session import Session
from labctl.errors import LabError, UsageError

if TYPE_CHECKING:
    from labctl.engine.checkpoint import Checkpoint

_Json = Annotated[bool, typer.Option("--json", help="Answer as JSON.")]
_Name = Annotated[str, typer.Argument(metavar="NAME", help="Which one.", autocompletion=complete.checkpoints)]


def save(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What to call it.")],
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="Write it there, to take it elsewhere.")
    ] = None,
    *,
    replace: Annotated[bool, typer.Option("--replace", help="In the place of one that exists.")] = False,
    as_json: _Json = False,
) -> None:
    """Keep the lab's state under a name, or in a file.

    It is restored once in a world of its own before it is written: what could not be made the same is refused by name.

    Examples:
        labctl checkpoint save monday
        labctl checkpoint save monday --output monday.json
    """
    from labctl.cli.checkpoints import save_checkpoint

    kept, path = save_checkpoint(_session(), name, output, replace=replace)
    if as_json:
        print(json.dumps({"schema": 1, "checkpoint": _describe(kept), "file": str(path)}, indent=1))
    else:
        print(f"saved {name}: {_spell(kept)}; {path}")


def restore(
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="Which one.", autocompletion=complete.checkpoints)] = "",
    source: Annotated[Path | None, typer.Option("--input", metavar="FILE", help="Read it from a file.")] = None,
    *,
    as_json: _Json = False,
) -> None:
    """Make the lab exactly as it was saved, or leave it as it is.

    A world of another plan is not touched; where there is none, one of the checkpoint's own plan is made. Shells that
    are open in the lab end.

    Examples:
        labctl checkpoint restore monday
        labctl checkpoint restore --input monday.json
    """
    from labctl.cli.checkpoints import restore_checkpoint

    if bool(name) == (source is not None):
        raise UsageError("which checkpoint? a NAME, or --input FILE", "labctl checkpoint list")
    kept, reports = restore_checkpoint(_session(), name, source)
    if as_json:
        body = {"schema": 1, "checkpoint": _describe(kept), "steps": [report.as_json() for report in reports]}
        print(json.dumps(body, indent=1))
    else:
        print(f"the lab is as saved: {kept.name}, {_spell(kept)}")


def list_(*, as_json: _Json = False) -> None:
    """Name the checkpoints, and what each holds.

    Examples:
        labctl checkpoint list
        labctl checkpoint list --json
    """
    from labctl.cli.checkpoints import read_kept

    session = _session()
    found: list[dict[str, Any]] = []
    lines: list[str] = []
    for name in session.checkpoints.names():
        try:
            kept = read_kept(session, name, None)
        except LabError as error:
            found.append({"name": name, "wrong": error.what})
            lines.append(f"{name}: {error.what}")
        else:
            found.append({**_describe(kept), "name": name})
            lines.append(f"{name}: {_spell(kept)}")
    if as_json:
        print(json.dumps({"schema": 1, "checkpoints": found}, indent=1))
    else:
        print("\n".join(lines) or "there are no checkpoints")


def remove(name: _Name, *, as_json: _Json = False) -> None:
    """Forget a checkpoint.

    Examples:
        labctl checkpoint remove monday
    """
    session = _session()
    with session.locked("checkpoint remove"):
        session.checkpoints.remove(name)
    print(json.dumps({"schema": 1, "removed": name}) if as_json else f"removed {name}")


def _session() -> Session:
    session = Session()
    session.outside_only("checkpoint")
    return session


def _describe(kept: Checkpoint) -> dict[str, Any]:
    return {
        "name": kept.name,
        "saved": kept.saved,
        "labctl": kept.labctl,
        "nodes": [node["name"] for node in kept.topology["node"]],
        "steps": [{"step": number, "node": node} for number, node in kept.made],
    }


def _spell(kept: Checkpoint) -> str:
    from labctl.cli.progress import spell_steps

    return f"{kept.saved[:16].replace('T', ' ')} UTC, {spell_steps(kept.made) or 'no step'}"
