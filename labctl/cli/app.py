"""The composition root: the commands, and what every one of them does with errors."""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import click
import typer

from labctl import __version__
from labctl.cli import by_hand, doctor, lab_commands, step_command
from labctl.errors import LabError

if TYPE_CHECKING:
    from types import FrameType

_LAB, _STEPS, _BY_HAND = "The lab", "Steps", "By hand"
_INTERRUPTED = 130
_PIPE_CLOSED = 141

app = typer.Typer(
    name="labctl",
    help="Rebuild Kubernetes networking by hand, one step at a time, in a world that you cannot break.",
    epilog="A first look: labctl demo. Then: labctl step 0, and labctl shell to type along.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(value: bool) -> None:  # noqa: FBT001 (click calls it so)
    if value:
        print(f"labctl {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Say which version this is."),
) -> None:
    del version


for panel, commands in (
    (_LAB, {"up": lab_commands.up, "down": lab_commands.down, "status": lab_commands.status, "reset": lab_commands.reset}),
    (_LAB, {"doctor": doctor.doctor, "demo": lab_commands.demo}),
    (_STEPS, {"step": step_command.step, "explain": step_command.explain}),
    (_BY_HAND, {"shell": by_hand.shell, "snapshot": by_hand.snapshot}),
):
    for name, function in commands.items():
        app.command(name, rich_help_panel=panel)(function)
app.command(
    "exec",
    rich_help_panel=_BY_HAND,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)(by_hand.execute)


def main() -> int:
    """Run labctl on this process's arguments and give its exit code (DESIGN §8)."""
    signal.signal(signal.SIGTERM, _terminate)
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # a TextIOWrapper when there is one
    try:
        code = app(prog_name="labctl", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Abort:
        return _interrupted()
    except click.ClickException as error:
        return _complain(_of_click(error))
    except LabError as error:
        return _complain(error)
    except KeyboardInterrupt:
        return _interrupted()
    except BrokenPipeError:
        # Whoever read us has enough. Keep Python from complaining about it once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _PIPE_CLOSED
    except OSError as error:
        if os.environ.get("LABCTL_DEBUG") == "1":
            raise
        return _complain(LabError(f"the machine refused: {error.strerror or error}", "LABCTL_DEBUG=1 shows where"))
    except Exception as error:
        if os.environ.get("LABCTL_DEBUG") == "1":
            raise
        return _complain(LabError(f"this is a defect of labctl: {type(error).__name__}: {error}", "LABCTL_DEBUG=1 shows where"))
    return code if isinstance(code, int) else 0


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _interrupted() -> int:
    print("interrupted; see what stands: labctl status", file=sys.stderr)
    return _INTERRUPTED


def _of_click(error: click.ClickException) -> LabError:
    """Say click's complaints as our own."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "labctl"
    complaint = LabError(error.format_message().rstrip(".").replace("\n", " "), f"{path} --help")
    complaint.exit_code = error.exit_code
    return complaint


def _complain(error: LabError) -> int:
    if os.environ.get("LABCTL_DEBUG") == "1":
        sys.excepthook(type(error), error, error.__traceback__)
    if "--json" in sys.argv:
        body = {"code": error.exit_code, "what": error.what, "hint": error.hint}
        with suppress(BrokenPipeError):
            print(json.dumps({"schema": 1, "error": body}), flush=True)
    else:
        print(f"error: {error.what}", file=sys.stderr)
        if error.hint:
            print(f"hint: {error.hint}", file=sys.stderr)
    return error.exit_code
