"""`labctl shell`, `labctl exec` and `labctl snapshot`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labctl.cli.session import Session, tell
from labctl.errors import LabError, LabctlFailed, UsageError

if TYPE_CHECKING:
    from labctl.model.lab import Lab, Place
    from labctl.world.sandbox import World

_PATH = "/opt/labctl/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_KEPT = ("TERM", "COLORTERM", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "NO_COLOR")
# Linux allows one argument at most 128 KiB (execve(2), MAX_ARG_STRLEN).
_ARGUMENT_BYTES = 120_000


def shell(
    place: Annotated[str, typer.Argument(metavar="[NODE[/CONTAINER]]", help="Where; also internet and vpc.")] = "",
) -> None:
    """Open a shell on a node, as root there, with the notes' commands working as written.

    What is piped in is read whole and run by `bash -e`.

    Examples: labctl shell, labctl shell worker, labctl shell master/a, labctl step 3 --commands | labctl shell
    """
    session = Session()
    try:
        world = _world(session, "shell")
        where = world.lab.place(place or session.here)
        environment = _environment(world, where)
        if sys.stdin.isatty():
            argv: tuple[str, ...] = ("bash", "--rcfile", "/opt/labctl/bashrc", "-i")
            _greet(where, environment)
            code = session.sandbox.run(world, where, argv, environment)
        else:
            code = _run_script(session, world, where, sys.stdin.read())
    except LabError as error:
        raise _as_failure(error) from None
    raise typer.Exit(code)


def execute(
    place: Annotated[str, typer.Argument(metavar="NODE[/CONTAINER]", help="Where; also internet and vpc.")],
    command: Annotated[list[str], typer.Argument(metavar="-- CMD …", help="What to run.")],
) -> None:
    """Run one command on a node or in a container; its exit code is labctl's.

    Examples: labctl exec worker -- ip route, labctl exec master/a -- ping -c1 10.244.0.1
    """
    session = Session()
    # What stands before the command is ours; what stands in it is the command's own.
    command = command[1:] if command[0] == "--" else command
    if not command:
        raise UsageError("there is no command to run", f"labctl exec {place} -- ip route")
    try:
        world = _world(session, "exec")
        where = world.lab.place(place)
        code = session.sandbox.run(world, where, command, _environment(world, where))
    except LabError as error:
        raise _as_failure(error) from None
    raise typer.Exit(code)


def snapshot(
    diff: Annotated[Path | None, typer.Option(metavar="FILE", help="Compare with a snapshot saved before.")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="The snapshot is JSON in any case.")] = False,
) -> None:
    """Print the canonical state of the world; with --diff, what has changed (exit 1 if anything has).

    Examples: labctl snapshot > before.json, labctl snapshot --diff before.json
    """
    from difflib import unified_diff

    from labctl.engine.snapshot import spell, take

    del as_json  # there is one form only
    try:
        old = diff.read_text(encoding="utf-8") if diff else ""
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{diff} cannot be read: {error}", "labctl snapshot > FILE makes one") from None
    with Session().survey("snapshot") as survey:
        text = spell(take(survey.kernel, survey.lab))
    if diff is None:
        sys.stdout.write(text)
        return
    lines = list(unified_diff(old.splitlines(keepends=True), text.splitlines(keepends=True), str(diff), "now"))
    sys.stdout.writelines(lines)
    raise typer.Exit(1 if lines else 0)


def _world(session: Session, purpose: str) -> World:
    """The world; the lock is held only to make one: two `exec` in one pipe must not wait for each other."""
    world = session.sandbox.find()
    if world is not None:
        return world
    with session.locked(purpose):
        return session.world()


def _as_failure(error: LabError) -> LabError:
    """`exec` and `shell` give the command's own code, and 125 where labctl itself failed; a wrong name is still 2."""
    return error if isinstance(error, UsageError | LabctlFailed) else LabctlFailed(error.what, error.hint)


def _environment(world: World, place: Place) -> dict[str, str]:
    """What a program there is told: the world's own paths, and what a runtime would set for a plug-in."""
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    environment |= {"PATH": _PATH, "HOME": "/root", "USER": "root", "LOGNAME": "root", "LABCTL_PLACE": str(place)}
    container = place.container or _first_container(world.lab, place)
    if container:
        keeper = dict(world.record.keepers)[f"{place.node}/{container}"]
        environment |= {"CNI_CONTAINERID": container, "CNI_NETNS": f"/proc/{keeper.inside}/ns/net"}
    return environment


def _first_container(lab: Lab, place: Place) -> str:
    return next((node.containers[0].name for node in lab.nodes if node.name == place.node), "")


def _greet(place: Place, environment: dict[str, str]) -> None:
    container = environment.get("CNI_CONTAINERID")
    about = f" CNI_CONTAINERID={container} CNI_NETNS={environment['CNI_NETNS']}" if container else ""
    tell(f"You are root on {place}; nothing here can break your machine. `exit` leaves.{about}")


def _run_script(session: Session, world: World, place: Place, script: str) -> int:
    """Run a script that came through a pipe. It was read whole: a command in it that reads would eat the rest."""
    environment = _environment(world, place)
    argv: tuple[str, ...]
    if len(script.encode()) < _ARGUMENT_BYTES:
        argv = ("bash", "-e", "-c", script, "commands")
    else:
        memory = os.memfd_create("commands", 0)
        os.write(memory, script.encode())
        argv = ("bash", "-e", f"/proc/self/fd/{memory}")
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    return session.sandbox.run(world, place, argv, environment)
