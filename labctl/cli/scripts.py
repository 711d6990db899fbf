"""`labctl step … --commands`: a step as a script, as typed where the person sits."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from labctl.cli.progress import record_hint
from labctl.engine.course import nodes_of, resources_of, where
from labctl.engine.script import do_statements, on_node
from labctl.model.resource import Action
from labctl.model.shell import render_script

if TYPE_CHECKING:
    from collections.abc import Iterable

    from labctl.cli.session import Session
    from labctl.engine.planner import Item
    from labctl.model.lab import Node
    from labctl.model.resource import Resource
    from labctl.model.shell import Dialect
    from labctl.model.step import Lesson


def script_of(session: Session, lesson: Lesson, node: Node, dialect: Dialect) -> str:
    """The commands of a step on a node; for another node than where the person sits, through `labctl exec`."""
    return _script(session, lesson, node, resources_of(lesson, session.lab, node), dialect)


def _script(session: Session, lesson: Lesson, node: Node, resources: Iterable[Resource], dialect: Dialect) -> str:
    here = session.here if lesson.step.whole_lab else node.name
    statements = do_statements(resources, dialect, here)
    if node.name != session.here and not lesson.step.whole_lab:
        statements = on_node(statements, node.name)
    heading = f"# step {lesson.number} on {where(lesson, node)}: {lesson.title}"
    return f"{heading}\n\n{render_script(statements)}"


def print_commands(
    session: Session, lessons: tuple[Lesson, ...], nodes: tuple[Node, ...], dialect: Dialect, *, as_json: bool
) -> None:
    """Print them, and nothing else."""
    record_hint(session, lessons, nodes, "commands")
    scripts = [
        (lesson, node, script_of(session, lesson, node, dialect))
        for lesson in lessons
        for node in nodes_of(lesson, session.lab, nodes)
    ]
    _print(scripts, dialect, as_json=as_json)


def print_pending(
    session: Session, planned: Iterable[tuple[Lesson, Node, tuple[Item, ...]]], dialect: Dialect, *, as_json: bool
) -> None:
    """Print the commands for what is still to be done; what has to be mended is no command's, and said as a comment."""
    scripts = []
    for lesson, node, items in planned:
        made = [item.resource for item in items if item.action is Action.CREATE]
        script = _script(session, lesson, node, made, dialect)
        mended = [
            f"# {item.resource.key} would be mended in place: {item.reason}\n"
            for item in items
            if item.action is Action.REPAIR
        ]
        scripts.append((lesson, node, script + "".join(mended)))
    _print(scripts, dialect, as_json=as_json)


def _print(scripts: list[tuple[Lesson, Node, str]], dialect: Dialect, *, as_json: bool) -> None:
    if not as_json:
        print("\n".join(script for _, _, script in scripts), end="")
        return
    body: list[dict[str, Any]] = [
        {
            "schema": 1,
            "step": lesson.number,
            "title": lesson.title,
            "node": where(lesson, node),
            "dialect": dialect,
            "script": script,
        }
        for lesson, node, script in scripts
    ]
    print(json.dumps(body, indent=1))
