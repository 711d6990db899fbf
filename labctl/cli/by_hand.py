"""`labctl shell`, `labctl exec` and `labctl snapshot`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labctl.cli import complete
from labctl.cli.session import Session, tell
from labctl.errors import LabctlFailed, LabError, UsageError
from labctl.model.lab import NETNS_FOLDER, Place
from labctl.world.gcloud.place import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from labctl.model.lab import Lab
    from labctl.world.sandbox import World

_PATH = "/opt/labctl/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_KEPT = ("TERM", "COLORTERM", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "NO_COLOR")
# Linux allows one argument at most 128 KiB (execve(2), MAX_ARG_STRLEN).
_ARGUMENT_BYTES = 120_000
# What ended by SIGKILL, as shells say it; so does all that is in a world when the world ends.
_KILLED = 137
_INTERACTIVE = ("bash", "--rcfile", "/opt/labctl/bashrc", "-i")

# What bash reads before a script (bash(1), BASH_ENV): where it stops, it says so. A script of the script's does not.
_SAYS_WHERE = rb"""
trap "[[ \$- != *e* ]] || printf 'stopped at line %s: %s\n' \"\$LINENO\" \"\${BASH_COMMAND%%[[:cntrl:]]*}\" >&2" ERR
unset BASH_ENV
"""

_Place = Annotated[
    str,
    typer.Argument(
        metavar="NODE[/CONTAINER]",
        help="Where; also internet, vpc, or a container that a runtime made.",
        autocompletion=complete.places,
    ),
]


def shell(
    place: Annotated[
        str,
        typer.Argument(
            metavar="[NODE[/CONTAINER]]",
            help="Where; also internet, vpc, or a container that a runtime made. Not given: where you sit (master).",
            autocompletion=complete.places,
        ),
    ] = "",
) -> None:
    """Open a shell on a node; the notes' commands work there as written.

    You are root there, and nothing there can break your machine. What is piped in is read whole and run by `bash -e`;
    the exit code is the script's.

    Examples:
        labctl shell
        labctl shell worker
        labctl shell master/a
        labctl step 3 --commands | labctl shell
    """
    session = Session()
    try:
        where = _find(session, place or session.here)
        # Read before anything else is done: whoever writes it may want the lab for that.
        script = None if sys.stdin.isatty() else sys.stdin.buffer.read()
        world = _world(session, "shell")
        environment = _environment(world, where)
        if script is None:
            _greet(where, environment, is_host=world.record.kind == "host")
        else:
            environment["BASH_ENV"] = _in_memory(_SAYS_WHERE)
        argv = _INTERACTIVE if script is None else _script_argv(script)
        code = _run(session, world, where, argv, environment)
    except LabError as error:
        raise _as_failure(error) from None
    raise typer.Exit(code)


def execute(
    place: _Place,
    command: Annotated[list[str], typer.Argument(metavar="-- CMD …", help="What to run.")],
) -> None:
    """Run one command on a node or in a container.

    Its input, output and exit code are the command's own; 125 says that labctl itself failed.

    Examples:
        labctl exec worker -- ip route
        labctl exec master/a -- ping -c1 10.244.0.1
    """
    session = Session()
    # What stands before the command is ours; what stands in it is the command's own.
    command = command[1:] if command[0] == "--" else command
    if not command:
        raise UsageError("there is no command to run", f"labctl exec {place} -- ip route")
    try:
        where = _find(session, place)
        world = _world(session, "exec")
        code = _run(session, world, where, command, _environment(world, where))
    except LabError as error:
        raise _as_failure(error) from None
    raise typer.Exit(code)


def snapshot(
    diff: Annotated[Path | None, typer.Option(metavar="FILE", help="Compare with a snapshot saved before.")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Answer as JSON; without --diff it is JSON anyway.")] = False,
) -> None:
    """Print the canonical state of the world, or what has changed.

    With --diff the exit code is 1 if anything has.

    Examples:
        labctl snapshot > before.json
        labctl snapshot --diff before.json
    """
    from difflib import unified_diff

    from labctl.engine.snapshot import spell, take

    old = _read_snapshot(diff) if diff else ""
    with Session().survey("snapshot") as survey:
        text = spell(take(survey.kernel, survey.lab))
    if diff is None:
        sys.stdout.write(text)
        return
    lines = list(unified_diff(old.splitlines(keepends=True), text.splitlines(keepends=True), str(diff), "now"))
    if as_json:
        print(json.dumps({"schema": 1, "changed": bool(lines), "diff": "".join(lines)}, indent=1))
    else:
        sys.stdout.writelines(lines)
    raise typer.Exit(1 if lines else 0)


def _read_snapshot(path: Path) -> str:
    hint = "labctl snapshot > FILE makes one"
    try:
        text = path.read_text(encoding="utf-8")
        said = json.loads(text)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", hint) from None
    except (ValueError, RecursionError):
        raise UsageError(f"{path} is no snapshot: it is not JSON", hint) from None
    if not isinstance(said, dict) or not {"schema", "places", "nodes"} <= said.keys():
        raise UsageError(f"{path} is no snapshot: it has no schema, places and nodes", hint)
    return text


def _find(session: Session, text: str) -> Place:
    """Read a place as typed: also a container that a runtime made since, whose namespace has a name on its node."""
    try:
        return session.lab.place(text)
    except UsageError as error:
        name, _, container = text.partition("/")
        node = next((each for each in session.lab.nodes if each.name == name and container), None)
        world = session.sandbox.find() if node else None
        if node is None or world is None:
            raise
        agent = session.sandbox.enter(world)
        try:
            names = agent.kernel.files(name).names(NETNS_FOLDER)
        finally:
            agent.close()
        if container in names:
            return Place(name, container)
        made = sorted({*names} - {each.name for each in node.containers})
        error.hint += f"; made by a runtime: {', '.join(made)}" if made else ""
        raise


def _world(session: Session, purpose: str) -> World:
    """The world; the lock is held only to make one: two `exec` in one pipe must not wait for each other."""
    world = session.sandbox.find()
    if world is not None:
        return world
    with session.locked(purpose):
        return session.world()


def _run(session: Session, world: World, where: Place, argv: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a command there, and give its exit code; say so if it was the world that ended, and the command with it."""
    code = session.sandbox.run(world, where, argv, environment)
    if code == _KILLED and session.sandbox.is_ending(world):
        if argv == _INTERACTIVE:
            # Its prompt stands in the line.
            tell("")
        tell("the lab's world is gone: it was taken down, or reset, while this ran in it; `labctl shell` opens another")
    return code


def _as_failure(error: LabError) -> LabError:
    """`exec` and `shell` give the command's own code, and 125 where labctl itself failed; a wrong name is still 2."""
    return error if isinstance(error, UsageError | LabctlFailed) else LabctlFailed(error.what, error.hint)


def _environment(world: World, place: Place) -> dict[str, str]:
    """What a program there is told: the world's own paths, and what a runtime would set for a plug-in."""
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    environment |= {"PATH": _PATH, "HOME": "/root", "USER": "root", "LOGNAME": "root", "LABCTL_PLACE": str(place)}
    container = place.container or _first_container(world.lab, place)
    if container:
        keeper = dict(world.record.keepers).get(f"{place.node}/{container}")
        netns = f"/proc/{keeper.inside}/ns/net" if keeper else f"{NETNS_FOLDER}/{container}"
        environment |= {"CNI_CONTAINERID": container, "CNI_NETNS": netns}
    if world.record.kind == "host":
        # No marker tells a labctl in there where it is: this is the machine itself.
        home = {"LABCTL_HOME": os.environ["LABCTL_HOME"]} if "LABCTL_HOME" in os.environ else {}
        environment |= {"LABCTL_WORLD": "host", **home}
    else:
        # A real gcloud speaks with the lab's vpc then, however it is called; so does who asks with curl.
        environment |= SETTINGS
    return environment


def _first_container(lab: Lab, place: Place) -> str:
    return next((node.containers[0].name for node in lab.nodes if node.name == place.node), "")


def _greet(place: Place, environment: dict[str, str], *, is_host: bool) -> None:
    container = environment.get("CNI_CONTAINERID")
    safe = "this is the machine itself, and nothing keeps you from breaking it" if is_host else ""
    tell(f"You are root on {place}; {safe or 'nothing here can break your machine'}. `exit` leaves.")
    if container:
        tell(f"CNI_CONTAINERID={container} CNI_NETNS={environment['CNI_NETNS']}")


def _script_argv(script: bytes) -> tuple[str, ...]:
    """Run a script that came through a pipe. It was read whole: a command in it that reads would eat the rest."""
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    try:
        text = os.fsdecode(script)
    except UnicodeDecodeError:
        text = "\0"
    if len(script) < _ARGUMENT_BYTES and "\0" not in text:
        return ("bash", "-e", "-c", text, "commands")
    return ("bash", "-e", _in_memory(script))


def _in_memory(text: bytes) -> str:
    """A file that whoever is started next can read, and nobody else."""
    memory = os.memfd_create("commands", 0)
    with open(memory, "wb", closefd=False) as file:
        file.write(text)
    return f"/proc/self/fd/{memory}"
