"""`labctl step … --commands`: a step as a script, as typed where the person sits."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from labctl.cli.progress import record_hint
from labctl.engine.course import nodes_of, resources_of, where
from labctl.engine.script import do_statements, on_node
from labctl.model.shell import render_script

if TYPE_CHECKING:
    from labctl.cli.session import Session
    from labctl.model.lab import Node
    from labctl.model.shell import Dialect
    from labctl.model.step import Lesson


def script_of(session: Session, lesson: Lesson, node: Node, dialect: Dialect) -> str:
    """The commands of a step on a node; for another node than where the person sits, through `labctl exec`."""
    here = session.here if lesson.step.whole_lab else node.name
    statements = do_statements(resources_of(lesson, session.lab, node), dialect, here)
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
        (lesson, where(lesson, node), script_of(session, lesson, node, dialect))
        for lesson in lessons
        for node in nodes_of(lesson, session.lab, nodes)
    ]
    if not as_json:
        print("\n".join(script for _, _, script in scripts), end="")
        return
    body: list[dict[str, Any]] = [
        {"schema": 1, "step": lesson.number, "title": lesson.title, "node": node, "dialect": dialect, "script": script}
        for lesson, node, script in scripts
    ]
    print(json.dumps(body, indent=1))
