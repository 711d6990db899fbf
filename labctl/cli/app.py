"""The composition root: which commands there are, and how a run of labctl begins and ends."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

import click

from labctl import __version__
from labctl.cli.commands import Commands

if TYPE_CHECKING:
    from collections.abc import Callable

_GROUPS = {
    "THE LAB": ("up", "down", "status", "reset", "doctor", "demo"),
    "STEPS": ("step", "explain"),
    "BY HAND": ("shell", "exec", "snapshot"),
}
_MODULES = {
    **dict.fromkeys(_GROUPS["THE LAB"], "lab_commands"),
    **dict.fromkeys(_GROUPS["STEPS"], "step_command"),
    **dict.fromkeys(_GROUPS["BY HAND"], "by_hand"),
    "doctor": "doctor",
}
_FUNCTIONS = {"exec": "execute"}  # a name that Python has for itself
# What stands behind `exec NODE` is another command's: its options are not ours.
_SETTINGS = {"exec": {"ignore_unknown_options": True, "allow_interspersed_args": False}}


def make_app() -> Commands:
    """Put the command line together."""
    return Commands(
        _GROUPS,
        _find,
        _SETTINGS,
        name="labctl",
        help="Rebuild Kubernetes networking by hand, one step at a time, in a world that you cannot break.",
        epilog="A first look: labctl demo. Then: labctl step 0, and labctl shell to type along. "
        "Completion for your shell: labctl --install-completion.",
        subcommand_metavar="COMMAND …",
        params=[_version_option()],
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def _find(name: str) -> Callable[..., None]:
    """The function behind a command; its module is imported only now."""
    module = import_module(f"labctl.cli.{_MODULES[name]}")
    function: Callable[..., None] = getattr(module, _FUNCTIONS.get(name, name))
    return function


def _version_option() -> click.Option:
    def show(context: click.Context, _option: click.Parameter, value: bool) -> None:
        if value:
            print(f"labctl {__version__}")
            context.exit()

    return click.Option(
        ["--version"], is_flag=True, is_eager=True, expose_value=False, callback=show, help="Say which version this is."
    )


def run() -> int:
    """Run labctl on this process's arguments; what goes wrong is raised."""
    return make_app().run(sys.argv[1:] or ["--help"])
