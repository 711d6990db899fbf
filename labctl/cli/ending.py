"""How a run of labctl ends: the streams it writes to, Ctrl-C, and every error as one line and one hint."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from labctl.cli.called import as_called
from labctl.cli.plain import spell_plainly
from labctl.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

# SIGHUP: the terminal was closed.
_STOPPERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_INTERRUPTED = 130
_PIPE_CLOSED = 141
# As on stdout (screen/page.py, which is not loaded for an error).
_WIDEST = 100
_WHERE = "LABCTL_DEBUG=1 shows where"


def run_to_end(run: Callable[[], int]) -> int:
    """Run a command line, say what went wrong, and give the exit code. No traceback, unless LABCTL_DEBUG=1."""
    _prepare_streams()
    for number in _STOPPERS:
        # A background job of a shell without job control has Ctrl-C ignored: so it stays.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    try:
        code = _run(run)
        for number in _STOPPERS:
            signal.signal(number, signal.SIG_IGN)
    except KeyboardInterrupt as error:
        code = _interrupted(str(error))
    _let_go_of_stdout()
    return code


def _run(run: Callable[[], int]) -> int:
    try:
        code = run()
        sys.stdout.flush()
    except LabError as error:
        return _complain(error)
    except BrokenPipeError:
        return _PIPE_CLOSED
    except OSError as error:
        return _complain_of(error, LabError(f"the machine refused: {error.strerror or error}", _WHERE))
    except Exception as error:  # noqa: BLE001 (the last resort: a line, not a traceback)
        return _complain_of(error, _of_click(error) or _defect(error))
    return code


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """Stop at the first signal. The next ones must not stop what is being taken back."""
    for number in _STOPPERS:
        signal.signal(number, _wait_for_it)
    raise KeyboardInterrupt


def _wait_for_it(_number: int, _frame: FrameType | None) -> None:
    os.write(2, b"labctl is stopping already, and puts things in order\n")


def _prepare_streams() -> None:
    """Have all three streams, and never fail over a letter that one has no code for."""
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            # The lowest free number: this one. Else the next file that is opened would become our stdout.
            os.open(os.devnull, os.O_RDWR)
    sys.stdin = sys.stdin or open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 (for good)
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 (as above)
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 (as above)
    errors = spell_plainly()
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError):
            # A line at a time: who reads us through a pipe sees how far we are.
            stream.reconfigure(errors=errors, line_buffering=True)  # type: ignore[union-attr]  # a TextIOWrapper has it


def _let_go_of_stdout() -> None:
    """Write what is left; whoever read us may have enough, or the disk be full: Python must not complain at exit."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _interrupted(said: str) -> int:
    import shlex

    said = said or f"what stands: labctl status; to go on: {shlex.join(('labctl', *sys.argv[1:]))}"
    said = as_called(said)
    if not (_wants_json() and _print_json(_INTERRUPTED, "interrupted", said)):
        with suppress(OSError):
            print(f"interrupted: {said}", file=sys.stderr)
    return _INTERRUPTED


def _of_click(error: Exception) -> LabError | None:
    """Say click's complaints about the command line as our own."""
    import click

    if not isinstance(error, click.ClickException):
        return None
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "labctl"
    what = " ".join(error.format_message().split()).rstrip(".").replace(" Did you mean", "; did you mean")
    complaint = LabError(what, f"{path} --help")
    complaint.exit_code = error.exit_code
    return complaint


def _defect(error: Exception) -> LabError:
    return LabError(f"this is a defect of labctl: {type(error).__name__}: {error}", _WHERE)


def _complain_of(error: Exception, said: LabError) -> int:
    return _complain(said.with_traceback(error.__traceback__))


def _complain(error: LabError) -> int:
    if os.environ.get("LABCTL_DEBUG") == "1":
        sys.excepthook(type(error), error, error.__traceback__)
    what, hint = (" ".join(text.split()) for text in (error.what, as_called(error.hint)))
    if _wants_json() and _print_json(error.exit_code, what, hint):
        return error.exit_code
    with suppress(OSError):
        print(_fit("error: ", what), file=sys.stderr)
        if hint:
            print(_fit("hint: ", hint), file=sys.stderr)
    return error.exit_code


def _fit(mark: str, text: str) -> str:
    """One line, for whoever reads it by a program; on a terminal it is wrapped at words, as all that labctl says is."""
    if not sys.stderr.isatty():
        return mark + text
    import shutil
    import textwrap

    width = min(shutil.get_terminal_size().columns, _WIDEST)
    later = " " * len(mark)
    # Words may be paths and options: none is broken, nor at its hyphens.
    return textwrap.fill(mark + text, width, subsequent_indent=later, break_long_words=False, break_on_hyphens=False)


def _print_json(code: int, what: str, hint: str) -> bool:
    """Print an error as an object; tell whether stdout took it."""
    import json

    try:
        print(json.dumps({"schema": 1, "error": {"code": code, "what": what, "hint": hint}}), flush=True)
    except OSError:
        return False
    return True


def _wants_json() -> bool:
    """Tell whether the person asked for JSON; what stands behind `exec NODE` is the command's own."""
    words = sys.argv[1:]
    return "--json" in (words[: words.index("exec")] if "exec" in words[:3] else words)
