"""How the command line is put together: a command is built when it is asked for, and help reads well at 80 columns."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import click
import typer
from typer.core import TyperCommand, TyperGroup

from labctl.cli.called import WORLDS, as_called, program
from labctl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# The others fill a section of their own in the help, or are spoken of in its last line.
_EXAMPLES = "Examples:"
_COMPLETION = ("--install-completion", "--show-completion")
_WIDEST_NAME = 30


class Command(TyperCommand):
    """One command: its examples stand on lines of their own; it takes `--world`, as all do."""

    def __init__(self, *args: Any, **settings: Any) -> None:  # noqa: ANN401 (typer's own, passed through)
        """Add the option that every command takes."""
        super().__init__(*args, **settings)
        self.params.append(world_option())

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the usage, as labctl was started."""
        _write_usage(self, ctx, formatter)

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the text, wrapped, then the examples, as they are typed."""
        del ctx
        _write_help(self.help or "", formatter)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write arguments, then options."""
        _write_options(self.get_params(ctx), ctx, formatter)


class Commands(TyperGroup):
    """All commands, in groups; `find` gives the function behind a name, and only then imports what it needs."""

    def __init__(
        self,
        groups: Mapping[str, tuple[str, ...]],
        find: Callable[[str], Callable[..., None] | Commands],
        settings: Mapping[str, dict[str, Any]],
        **attributes: Any,  # noqa: ANN401 (typer's own, passed through)
    ) -> None:
        """Know the names; build nothing."""
        super().__init__(rich_markup_mode=None, **attributes)
        self.params.append(world_option())
        if attributes.get("name") == "labctl":
            self.params += typer.main.get_install_completion_arguments()
        self._groups, self._find, self._settings = groups, find, settings

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name all commands, in the order of the help."""
        del ctx
        return [name for names in self._groups.values() for name in names]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Build a command."""
        if cmd_name not in self.list_commands(ctx):
            return None
        if cmd_name not in self.commands:
            found = self._find(cmd_name)
            if isinstance(found, Commands):
                self.add_command(found, cmd_name)
                return found
            app = typer.Typer(add_completion=False, rich_markup_mode=None)
            names = {"help_option_names": ["-h", "--help"]}
            settings = {**names, **self._settings.get(cmd_name, {})}
            app.command(cmd_name, cls=Command, context_settings=settings)(found)
            self.add_command(typer.main.get_command(app), cmd_name)
        return self.commands[cmd_name]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command; one that is not there may have been mistyped.

        Raises:
            UsageError: there is no such command.
        """
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            like = get_close_matches(args[0], self.list_commands(ctx), 1)
            hint = f"did you mean: {ctx.command_path} {like[0]}" if like else f"{ctx.command_path} --help"
            raise UsageError(f"there is no command '{args[0]}'", hint)
        return super().resolve_command(ctx, args)

    def run(self, arguments: Sequence[str]) -> int:
        """Run a command line and give its exit code; what goes wrong is raised."""
        self._main_shell_completion({}, "labctl")
        try:
            with self.make_context("labctl", list(arguments)) as context:
                self.invoke(context)
        except click.exceptions.Exit as done:
            return done.exit_code
        return 0

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the usage, as labctl was started."""
        _write_usage(self, ctx, formatter)

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the text, then the examples, as for one command."""
        del ctx
        _write_help(self.help or "", formatter)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands in their groups, then the options."""
        for title, names in self._groups.items():
            with formatter.section(title):
                commands = ((name, self.get_command(ctx, name)) for name in names)
                formatter.write_dl([(name, as_called(first_line(command))) for name, command in commands if command])
        _write_options(self.get_params(ctx), ctx, formatter)


def world_option() -> click.Option:
    """`--world`: which kind of world."""
    return click.Option(
        ["--world"],
        type=click.Choice(WORLDS),
        metavar="sandbox|host",
        envvar="LABCTL_WORLD",
        expose_value=False,
        callback=_choose_world,
        help="Which kind of world (sandbox); LABCTL_WORLD says it too.",
    )


def _choose_world(_context: click.Context, _option: click.Parameter, value: str | None) -> None:
    """Say it where whoever asks looks for it: in the environment, as a person may have done."""
    if value:
        os.environ["LABCTL_WORLD"] = value


def _write_usage(command: click.Command, context: click.Context, formatter: click.HelpFormatter) -> None:
    path = context.command_path.replace("labctl", program(), 1)
    formatter.write_usage(path, " ".join(command.collect_usage_pieces(context)))


def _write_help(text: str, formatter: click.HelpFormatter) -> None:
    said, examples = split_help(as_called(text))
    formatter.write_paragraph()
    with formatter.indentation():
        formatter.write_text(said)
    if examples:
        with formatter.section(_EXAMPLES.rstrip(":")):
            for line in examples:
                formatter.write(f"{' ' * formatter.current_indent}{line}\n")


def split_help(text: str) -> tuple[str, list[str]]:
    """Tell a docstring's text from the examples below it."""
    said, _, examples = inspect.cleandoc(text).partition(f"\n{_EXAMPLES}\n")
    return said.strip(), [line.strip() for line in examples.splitlines() if line.strip()]


def first_line(command: click.Command) -> str:
    """What a command does, in a sentence."""
    return split_help(command.help or "")[0].partition("\n\n")[0].replace("\n", " ").rstrip(".")


def _write_options(params: Iterable[click.Parameter], context: click.Context, formatter: click.HelpFormatter) -> None:
    """Write those with help; typer escapes brackets for a markup that is switched off here."""
    sections: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
    for param in params:
        record = param.get_help_record(context)
        if record is not None and not set(param.opts) & set(_COMPLETION):
            name, text = record
            kind = "Arguments" if param.param_type_name == "argument" else "Options"
            sections[kind].append((name, as_called(text).replace("\\[", "[").removesuffix("[required]").rstrip()))
    for title, records in sections.items():
        if records:
            with formatter.section(title):
                formatter.write_dl(records, col_max=_WIDEST_NAME)
