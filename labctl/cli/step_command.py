"""`labctl step` and `labctl explain`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labctl.cli.session import Session, parse_steps, tell
from labctl.errors import UsageError

if TYPE_CHECKING:
    from labctl.cli.run import Run
    from labctl.engine.course import Course
    from labctl.model.lab import Lab, Node
    from labctl.model.shell import Dialect
    from labctl.model.step import Lesson

_ACTIONS = ("explain", "apply", "verify", "undo", "commands", "plan")


def step(  # noqa: PLR0913 (the command line: each is an option that a person types)
    which: Annotated[str, typer.Argument(metavar="N[-M]|all", help="A step, a range of steps, or all.")],
    *,
    explain: Annotated[bool, typer.Option("--explain", help="Read the lesson.")] = False,
    apply: Annotated[bool, typer.Option("--apply", help="Do it; what is there already is kept.")] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Look whether it is done; exit 1 if not.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Take it away, whoever made it.")] = False,
    commands: Annotated[bool, typer.Option("--commands", help="Print the commands that do the same.")] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Say what --apply would do.")] = False,
    node: Annotated[str, typer.Option("--node", metavar="NAME|all", help="Where; the first node if not given.")] = "",
    via: Annotated[str, typer.Option("--via", metavar="netlink|shell", help="shell runs the printed commands.")] = "netlink",
    dialect: Annotated[str, typer.Option("--dialect", metavar="notes|iproute2", help="Spell commands so.")] = "notes",
    with_needed: Annotated[bool, typer.Option("--with-needed", help="With --apply: do earlier steps too.")] = False,
    cascade: Annotated[bool, typer.Option("--cascade", help="With --undo: undo later steps first.")] = False,
    answer: Annotated[bool, typer.Option("--answer", help="With --explain: show the answer.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Answer as JSON.")] = False,
) -> None:
    """Read, do, verify or undo a step; without a flag: the lesson, its commands, and where you stand.

    Examples: labctl step 3, labctl step 3 --explain, labctl step 0-7 --apply --node all, labctl step 5 --verify
    """
    flags = (explain, apply, verify, undo, commands, plan)
    chosen = [name for name, given in zip(_ACTIONS, flags, strict=True) if given]
    _check(chosen, via, dialect, with_needed=with_needed, cascade=cascade, answer=answer)
    session = Session()
    numbers = parse_steps(which, session.course)
    nodes = session.nodes(node or session.here)
    lessons = session.course.lessons(numbers)
    spelling: Dialect = "iproute2" if dialect == "iproute2" else "notes"
    action = chosen[0] if chosen else "show"
    if action == "explain":
        _explain(session, lessons, nodes[0], answer=answer, as_json=as_json)
    elif action == "commands":
        _commands(session, lessons, nodes, spelling, as_json=as_json)
    else:
        from labctl.cli.run import Run

        run = Run(session, lessons, nodes, via, spelling, as_json=as_json)
        raise typer.Exit(_act(run, action, with_needed=with_needed, cascade=cascade))


def _act(run: Run, action: str, *, with_needed: bool, cascade: bool) -> int:
    match action:
        case "apply":
            return run.apply(with_needed=with_needed)
        case "undo":
            return run.undo(cascade=cascade)
        case "plan":
            return run.plan()
        case "verify":
            return run.verify()
    return run.show()


def _check(chosen: list[str], via: str, dialect: str, *, with_needed: bool, cascade: bool, answer: bool) -> None:
    if len(chosen) > 1:
        raise UsageError(f"--{chosen[0]} and --{chosen[1]} exclude each other", "give one of them")
    action = chosen[0] if chosen else ""
    for given, flag, wanted in ((with_needed, "--with-needed", "apply"), (cascade, "--cascade", "undo"), (answer, "--answer", "explain")):
        if given and action != wanted:
            raise UsageError(f"{flag} goes with --{wanted} only", f"labctl step N --{wanted} {flag}")
    if via not in ("netlink", "shell"):
        raise UsageError(f"--via {via} is not known", "--via netlink or --via shell")
    if dialect not in ("notes", "iproute2"):
        raise UsageError(f"--dialect {dialect} is not known", "--dialect notes or --dialect iproute2")


def _explain(session: Session, lessons: tuple[Lesson, ...], node: Node, *, answer: bool, as_json: bool) -> None:
    from labctl.engine.lesson import read_lesson

    texts = [(lesson, read_lesson(lesson, session.lab, node, answer=answer)) for lesson in lessons]
    if as_json:
        body = [
            {"schema": 1, "step": lesson.number, "title": lesson.title, "notes": lesson.step.notes, "markdown": text}
            for lesson, text in texts
        ]
        print(json.dumps(body, indent=1))
        return
    from labctl.cli.screen import Screen

    screen = Screen()
    for lesson, text in texts:
        screen.title(lesson)
        screen.notes(lesson)
        screen.console.print()
        screen.markdown(text)
        if not answer:
            screen.say(f"The answer: labctl step {lesson.number} --explain --answer", "dim")


def _commands(
    session: Session, lessons: tuple[Lesson, ...], nodes: tuple[Node, ...], dialect: Dialect, *, as_json: bool
) -> None:
    scripts = [(lesson, node, script_of(session, lesson, node, dialect)) for lesson, node in _pairs(session.lab, lessons, nodes)]
    if as_json:
        body: list[dict[str, Any]] = [
            {"schema": 1, "step": lesson.number, "node": node.name, "dialect": dialect, "script": script}
            for lesson, node, script in scripts
        ]
        print(json.dumps(body, indent=1))
    else:
        print("\n".join(script for _, _, script in scripts), end="")


def _pairs(lab: Lab, lessons: tuple[Lesson, ...], nodes: tuple[Node, ...]) -> list[tuple[Lesson, Node]]:
    from labctl.engine.course import nodes_of

    return [(lesson, node) for lesson in lessons for node in nodes_of(lesson, lab, nodes)]


def script_of(session: Session, lesson: Lesson, node: Node, dialect: Dialect, *, undo: bool = False) -> str:
    """The commands of a step on a node, as typed where the person sits."""
    from labctl.engine.course import resources_of
    from labctl.engine.script import do_statements, on_node, undo_statements
    from labctl.model.shell import render_script

    resources = resources_of(lesson, session.lab, node)
    statements = (undo_statements if undo else do_statements)(resources, dialect)
    if node.name != session.here and not lesson.step.whole_lab:
        statements = on_node(statements, node.name)
    return f"# step {lesson.number} on {node.name}: {lesson.title}\n\n" + render_script(statements)


def explain(
    topic: Annotated[str, typer.Argument(metavar="TOPIC", help="What to explain.")] = "",
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Answer as JSON.")] = False,
) -> None:
    """Explain what the notes tell that is no step.

    Examples: labctl explain cni
    """
    from labctl.cli.screen import Screen

    session = Session()
    topics = _topics(session.course)
    if topic not in topics:
        known = ", ".join(topics)
        raise UsageError(f"there is no topic '{topic}'" if topic else "which topic?", f"the topics are: {known}")
    text = topics[topic].read_text(encoding="utf-8")
    if as_json:
        print(json.dumps({"schema": 1, "topic": topic, "markdown": text}, indent=1))
    else:
        Screen().markdown(text)


def _topics(course: Course) -> dict[str, Any]:
    return {path.stem: path for path in sorted((course.folder / "topics").glob("*.md"))}


__all__ = ["explain", "script_of", "step", "tell"]
