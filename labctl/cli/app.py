"""The composition root: which commands there are, and how a run of labctl begins and ends."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

import click

from labctl import __version__
from labctl.cli.called import as_called
from labctl.cli.commands import Commands
from labctl.cli.groups import GROUPS

if TYPE_CHECKING:
    from collections.abc import Callable

# Commands that have commands of their own: the module of each of these, and what the help says of them all.
_WITHIN = {
    "checkpoint": dict.fromkeys(("save", "restore", "list", "remove"), "checkpoint"),
    "cni": {"install": "cni", "uninstall": "cni", "show": "cni", "conformance": "cni_conformance"},
}
_ABOUT = {
    "checkpoint": """Keep the lab's state; make it again here, in another world of the plan, on another machine.

What a snapshot shows is kept: links, addresses, routes, rules, files, servers of the steps, routes of the cloud.

Examples:
    labctl checkpoint save monday
    labctl checkpoint restore monday
    labctl checkpoint list
""",
    "cni": """The plug-in labnet on the lab's nodes; and a check of any plug-in against the specification.

Examples:
    labctl cni install
    labctl cni show
    labctl cni conformance /usr/lib/cni/bridge --ipam /usr/lib/cni
""",
}
_MODULES = {
    **dict.fromkeys(GROUPS["THE LAB"], "lab_commands"),
    **dict.fromkeys(GROUPS["STEPS"], "step_command"),
    **dict.fromkeys(GROUPS["BY HAND"], "by_hand"),
    "doctor": "doctor",
    "report": "report",
    "hint": "hint",
}
_HELP_NAMES = {"help_option_names": ["-h", "--help"]}
_FUNCTIONS = {"exec": "execute", "list": "list_"}  # names that Python has for itself
# What stands behind `exec NODE` is another command's: its options are not ours.
_SETTINGS = {"exec": {"ignore_unknown_options": True, "allow_interspersed_args": False}}


def make_app() -> Commands:
    """Put the command line together."""
    return Commands(
        GROUPS,
        _find,
        _SETTINGS,
        name="labctl",
        help="Rebuild Kubernetes networking by hand, one step at a time, in a world that you cannot break.",
        # Completion is that of the name `labctl`, on a PATH.
        epilog=f"{as_called('A first look: labctl demo. Then: labctl step 0, and labctl shell to type along.')} "
        "Completion for your shell: labctl --install-completion.",
        subcommand_metavar="COMMAND …",
        params=[_version_option()],
        context_settings=_HELP_NAMES,
    )


def _find(name: str) -> Callable[..., None] | Commands:
    """The function behind a command; its module is imported only now."""
    if name in _WITHIN:
        within = _WITHIN[name]
        groups = {"COMMANDS": tuple(within)}
        return Commands(
            groups,
            lambda each: _load(within[each], _FUNCTIONS.get(each, each)),
            {},
            name=name,
            help=_ABOUT[name],
            subcommand_metavar="COMMAND …",
            context_settings=_HELP_NAMES,
        )
    return _load(_MODULES[name], _FUNCTIONS.get(name, name))


def _load(file: str, name: str) -> Callable[..., None]:
    module = import_module(f"labctl.cli.{file}")
    function: Callable[..., None] = getattr(module, name)
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
    arguments = sys.argv[1:]
    if not arguments or (len(arguments) == 1 and arguments[0] in _WITHIN):
        arguments.append("--help")
    return make_app().run(arguments)
