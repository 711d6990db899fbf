"""Puts the commands of a step together: a script that a person may read, or pipe into `labctl shell`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labctl.model.resource import HasNode
from labctl.model.shell import Assign, Capture, Daemon, HereDocument, Pipe, Redirect, Run, Statement, run_on
from labctl.model.value import replace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from labctl.model.resource import Resource
    from labctl.model.shell import Dialect

CONTAINERS = "/run/labctl/containers"
"""Where a node's file for each container says which namespace is its (`CNI_NETNS`)."""


def do_statements(resources: Iterable[Resource], dialect: Dialect, here: str = "") -> tuple[Statement, ...]:
    """How to make these, in their order; each container's block begins with what a runtime would set.

    `here` is the node on which they are typed: what belongs to another one is sent there.
    """
    return _with_containers((each, _sent(each, each.shell(dialect).do, here)) for each in resources)


def undo_statements(resources: Iterable[Resource], dialect: Dialect, here: str = "") -> tuple[Statement, ...]:
    """How to take these away, in reverse order."""
    return _with_containers((each, _sent(each, each.shell(dialect).undo, here)) for each in reversed(tuple(resources)))


def _sent(resource: Resource, statements: tuple[Statement, ...], here: str) -> tuple[Statement, ...]:
    at = resource.at if isinstance(resource, HasNode) else here
    if here and at != here:
        statements = on_node(statements, at)
    return tuple(_map_commands(each, lambda run: _at_home(run, here)) for each in statements)


def _at_home(run: Run, here: str) -> Run:
    """What is sent to the node on which it is typed need not be sent."""
    sent = run.argv[:4] == ("labctl", "exec", here, "--")
    return replace(run, argv=run.argv[4:]) if sent else run


def _with_containers(blocks: Iterable[tuple[Resource, tuple[Statement, ...]]]) -> tuple[Statement, ...]:
    statements: list[Statement] = []
    current = ""
    for resource, block in blocks:
        container = getattr(resource, "container", None)
        if container is not None and container.name != current:
            current = container.name
            statements += container_statements(current)
        statements += block
    return tuple(_without_repeats(statements))


def _without_repeats(statements: Iterable[Statement]) -> Iterator[Statement]:
    """Leave out what fills a variable anew with what it holds: the rules of each node are told with the same names."""
    held: dict[str, Statement] = {}
    for each in statements:
        if isinstance(each, Capture | Assign):
            if isinstance(each, Capture) and each.lasting and held.get(each.name) == each:
                continue
            held[each.name] = each
        yield each


def container_statements(name: str) -> tuple[Statement, ...]:
    """Set what a container runtime sets for a plug-in."""
    comment = f"--- container {name}: what the runtime says of it"
    return (
        Assign("CNI_CONTAINERID", name, comment),
        Capture("CNI_NETNS", Run(("cat", f"{CONTAINERS}/{name}"))),
    )


def on_node(statements: Iterable[Statement], node: str) -> tuple[Statement, ...]:
    """Send each command to another node, through `labctl exec NODE --`; variables stay here."""
    return tuple(_map_commands(each, lambda run: run_on(node, run)) for each in statements)


def _map_commands(statement: Statement, change: Callable[[Run], Run]) -> Statement:
    match statement:
        case Run():
            return change(statement)
        case Pipe(stages):
            return replace(statement, stages=tuple(change(stage) for stage in stages))
        case Daemon(Run() as command) | HereDocument(Run() as command):
            return replace(statement, command=change(command))
        case Redirect(command) | Capture(_, command):
            return replace(statement, command=_map_commands(command, change))
        case Assign():
            return statement
