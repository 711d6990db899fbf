"""Puts the commands of a step together: a script that a person may read, or pipe into `labctl shell`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labctl.model.shell import Assign, Capture, Daemon, Pipe, Redirect, Run, Statement
from labctl.model.value import replace

if TYPE_CHECKING:
    from collections.abc import Iterable

    from labctl.model.resource import Resource
    from labctl.model.shell import Dialect

CONTAINERS = "/run/labctl/containers"
"""Where a node's file for each container says which namespace is its (`CNI_NETNS`)."""


def do_statements(resources: Iterable[Resource], dialect: Dialect) -> tuple[Statement, ...]:
    """How to make these, in their order; each container's block begins with what a runtime would set."""
    return _with_containers((resource, resource.shell(dialect).do) for resource in resources)


def undo_statements(resources: Iterable[Resource], dialect: Dialect) -> tuple[Statement, ...]:
    """How to take these away, in reverse order."""
    return _with_containers((resource, resource.shell(dialect).undo) for resource in reversed(tuple(resources)))


def _with_containers(blocks: Iterable[tuple[Resource, tuple[Statement, ...]]]) -> tuple[Statement, ...]:
    statements: list[Statement] = []
    current = ""
    for resource, block in blocks:
        container = getattr(resource, "container", None)
        if container is not None and container.name != current:
            current = container.name
            statements += container_statements(current)
        statements += block
    return tuple(statements)


def container_statements(name: str) -> tuple[Statement, ...]:
    """Set what a container runtime sets for a plug-in."""
    comment = f"--- container {name}: what the runtime says of it"
    return (
        Assign("CNI_CONTAINERID", name, comment),
        Capture("CNI_NETNS", Run(("cat", f"{CONTAINERS}/{name}"))),
    )


def on_node(statements: Iterable[Statement], node: str) -> tuple[Statement, ...]:
    """Send each command to another node, through `labctl exec NODE --`; variables stay here."""
    return tuple(_send(statement, node) for statement in statements)


def _send(statement: Statement, node: str) -> Statement:
    match statement:
        case Run() | Pipe():
            return _send_command(statement, node)
        case Daemon(command):
            return replace(statement, command=_send_run(command, node))
        case Redirect(command) | Capture(_, command):
            return replace(statement, command=_send_command(command, node))
        case Assign():
            return statement


def _send_command(command: Run | Pipe, node: str) -> Run | Pipe:
    if isinstance(command, Run):
        return _send_run(command, node)
    return replace(command, stages=tuple(_send_run(stage, node) for stage in command.stages))


def _send_run(run: Run, node: str) -> Run:
    return replace(run, argv=("labctl", "exec", node, "--", *run.argv))
