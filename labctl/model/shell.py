"""Equivalent commands as a small tree; text is derived from it, with the quoting done in one place.

A word is a `str` (taken literally), a `Var` (a shell variable) or a tuple of both, joined without a space.
"""

from __future__ import annotations

import shlex
from typing import Literal, TypeAlias

from labctl.model.value import Value, replace

Dialect: TypeAlias = Literal["notes", "iproute2"]
DIALECTS: tuple[Dialect, ...] = ("notes", "iproute2")


class Var(Value):
    """A shell variable, `$name`."""

    name: str


Word: TypeAlias = "str | Var | tuple[str | Var, ...]"


class Run(Value):
    """One command."""

    argv: tuple[Word, ...]
    comment: str = ""


class Pipe(Value):
    """Commands joined by `|`."""

    stages: tuple[Run, ...]
    comment: str = ""


class Daemon(Value):
    """A command that goes on in the background: it hears nobody, and what it says goes nowhere."""

    command: Run
    comment: str = ""


class HereDocument(Value):
    """A command that reads these lines: `<<END`. Variables in them are put in; nothing else in them is special."""

    command: Run
    lines: tuple[Word, ...]
    comment: str = ""


class Redirect(Value):
    """What a command prints goes to a file: `>`, or `>>` with `append`."""

    command: Run | Pipe
    path: Word
    append: bool = False
    comment: str = ""


class Capture(Value):
    """What a command prints becomes a variable: `name=$(…)`.

    `lasting`: once in a script is enough, for nothing in it changes what the command prints.
    """

    name: str
    command: Run | Pipe
    comment: str = ""
    lasting: bool = False


class Assign(Value):
    """A variable gets a value that is known."""

    name: str
    value: Word
    comment: str = ""


Statement: TypeAlias = Run | Pipe | Daemon | HereDocument | Redirect | Capture | Assign


class Shell(Value):
    """How a resource is made, taken away and looked at by hand."""

    do: tuple[Statement, ...]
    undo: tuple[Statement, ...]
    look: tuple[Statement, ...] = ()


def run_on(node: str, run: Run) -> Run:
    """The same, on another node than where it is typed."""
    return replace(run, argv=("labctl", "exec", node, "--", *run.argv))


_END = "END"


def _render_line(line: Word) -> str:
    """A line of a here-document: as between double quotes, where the quotes themselves are nothing special."""
    parts = line if isinstance(line, tuple) else (line,)
    return "".join(f"${{{part.name}}}" if isinstance(part, Var) else _escape(part, "\\$`") for part in parts)


def _render_word(word: Word) -> str:
    if isinstance(word, str):
        return shlex.quote(word)
    parts = word if isinstance(word, tuple) else (word,)
    inside = "".join(f"${{{part.name}}}" if isinstance(part, Var) else _escape(part, '\\"$`') for part in parts)
    if len(parts) == 1 and isinstance(parts[0], Var):
        inside = f"${parts[0].name}"
    return f'"{inside}"'


def _escape(text: str, specials: str) -> str:
    for special in specials:
        text = text.replace(special, "\\" + special)
    return text


def render_command(statement: Statement) -> str:  # noqa: PLR0911 (one for each kind of statement)
    """Spell one statement as bash reads it, without its comment."""
    match statement:
        case Run(argv):
            return " ".join(_render_word(word) for word in argv)
        case Pipe(stages):
            return " | ".join(render_command(stage) for stage in stages)
        case Daemon(command):
            return f"{render_command(command)} </dev/null >/dev/null 2>&1"
        case HereDocument(command, lines):
            text = "".join(f"{_render_line(line)}\n" for line in lines)
            return f"{render_command(command)} <<{_END}\n{text}{_END}"
        case Redirect(command, path, append):
            return f"{render_command(command)} {'>>' if append else '>'} {_render_word(path)}"
        case Capture(name, command):
            return f"{name}=$({render_command(command)})"
        case Assign(name, value):
            return f"{name}={_render_word(value)}"


def render_script(statements: tuple[Statement, ...]) -> str:
    """Spell statements as a script, each with its comment on the line above."""
    lines: list[str] = []
    for statement in statements:
        if statement.comment:
            if lines:
                lines.append("")
            lines += [f"# {line}" for line in statement.comment.splitlines()]
        lines.append(render_command(statement))
    return "\n".join(lines) + "\n" if lines else ""
