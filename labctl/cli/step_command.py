"""`labctl step` and `labctl explain`."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labctl.cli import complete
from labctl.cli.called import lesson_as_called
from labctl.cli.session import Session, parse_steps
from labctl.errors import UsageError

if TYPE_CHECKING:
    from labctl.cli.run import Run
    from labctl.model.lab import Node
    from labctl.model.shell import Dialect
    from labctl.model.step import Lesson

_ACTIONS = ("explain", "apply", "verify", "undo", "commands", "plan")
_Steps = Annotated[
    str, typer.Argument(metavar="N[-M]|all", help="A step, a range of steps, or all.", autocompletion=complete.steps)
]
_Node = Annotated[
    str,
    typer.Option("--node", metavar="NAME|all", help="Where (where you sit: master).", autocompletion=complete.nodes),
]
_Via = Annotated[
    str,
    typer.Option(
        "--via",
        metavar="netlink|shell",
        show_default=False,
        help="With --apply or --undo; shell runs the printed commands, and shows each.",
        autocompletion=lambda: ["netlink", "shell"],
    ),
]
_Dialect = Annotated[
    str,
    typer.Option(
        "--dialect",
        metavar="notes|iproute2",
        show_default=False,
        help="How commands are spelled: as in the notes, or without brctl.",
        autocompletion=lambda: ["notes", "iproute2"],
    ),
]
_Json = Annotated[bool, typer.Option("--json", help="Answer as JSON.")]


def step(
    which: _Steps,
    *,
    explain: Annotated[bool, typer.Option("--explain", help="Read the lesson.")] = False,
    apply: Annotated[bool, typer.Option("--apply", help="Do it; what is there already is kept.")] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Look whether it is done; exit 1 if not, 3 without earlier steps.")
    ] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Take it away, whoever made it.")] = False,
    commands: Annotated[bool, typer.Option("--commands", help="Print the commands that do the same.")] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Say what --apply would do.")] = False,
    node: _Node = "",
    via: _Via = "netlink",
    dialect: _Dialect = "notes",
    with_needed: Annotated[bool, typer.Option("--with-needed", help="With --apply: earlier steps too.")] = False,
    cascade: Annotated[bool, typer.Option("--cascade", help="With --undo: later steps first.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="With --apply: only print what would be typed now.")
    ] = False,
    answer: Annotated[bool, typer.Option("--answer", help="With --explain: the answer too.")] = False,
    as_json: _Json = False,
) -> None:
    """Read, do, verify or undo a step.

    Without a flag: the lesson, its commands, and where you stand.

    Examples:
        labctl step 3
        labctl step 3 --explain
        labctl step 0-7 --apply --node all
        labctl step 3 --commands | labctl shell
        labctl step 7 --apply --dry-run
        labctl step 5 --verify
    """
    flags = (explain, apply, verify, undo, commands, plan)
    chosen = [name for name, given in zip(_ACTIONS, flags, strict=True) if given]
    if len(chosen) > 1:
        raise UsageError(f"--{chosen[0]} and --{chosen[1]} exclude each other", f"labctl step {which} --{chosen[0]}")
    action = chosen[0] if chosen else "show"
    modifiers = {"--with-needed": with_needed, "--cascade": cascade, "--answer": answer, "--via shell": via == "shell"}
    modifiers["--dry-run"] = dry_run
    _check(action, which, modifiers, via, dialect)
    session = Session()
    numbers = parse_steps(which, session.course)
    nodes = session.nodes(node or session.here)
    lessons = session.course.lessons(numbers)
    spelling: Dialect = "iproute2" if dialect == "iproute2" else "notes"
    if action == "explain":
        _explain(session, lessons, nodes[0], answer=answer, as_json=as_json)
    elif action == "commands":
        from labctl.cli.scripts import print_commands

        print_commands(session, lessons, nodes, spelling, as_json=as_json)
    else:
        from labctl.cli.run import Run

        run = Run(session, lessons, nodes, via, spelling, as_json=as_json)
        raise typer.Exit(run.dry_run() if dry_run else _act(run, action, with_needed=with_needed, cascade=cascade))


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


_GOES_WITH = {
    "--with-needed": ("apply",),
    "--cascade": ("undo",),
    "--answer": ("explain",),
    "--via shell": ("apply", "undo"),
    "--dry-run": ("apply",),
}


def _check(action: str, which: str, modifiers: dict[str, bool], via: str, dialect: str) -> None:
    for flag, given in modifiers.items():
        wanted = _GOES_WITH[flag]
        if given and action not in wanted:
            names = " or ".join(f"--{each}" for each in wanted)
            raise UsageError(f"{flag} goes with {names} only", f"labctl step {which} --{wanted[0]} {flag}")
    if via not in ("netlink", "shell"):
        raise UsageError(f"--via {via} is neither netlink nor shell", f"labctl step {which} --apply --via shell")
    if dialect not in ("notes", "iproute2"):
        what = f"--dialect {dialect} is neither notes nor iproute2"
        raise UsageError(what, f"labctl step {which} --commands --dialect iproute2")


def _explain(session: Session, lessons: tuple[Lesson, ...], node: Node, *, answer: bool, as_json: bool) -> None:
    from labctl.cli.progress import record_hint
    from labctl.engine.lesson import read_lesson

    if answer:
        record_hint(session, lessons, (node,), "answer")
    looks = any(lesson.step.words for lesson in lessons)
    with session.looking("step --explain") if looks else nullcontext() as kernel:
        texts = [
            (lesson, lesson_as_called(read_lesson(lesson, session.lab, node, answer=answer, kernel=kernel)))
            for lesson in lessons
        ]
    if as_json:
        _print_json(
            [
                {"schema": 1, "step": each.number, "title": each.title, "notes": each.step.notes, "markdown": text}
                for each, text in texts
            ]
        )
        return
    from labctl.cli.screen.page import Screen

    screen = Screen()
    for count, (lesson, text) in enumerate(texts):
        if count:
            screen.say()
        screen.title(lesson)
        screen.notes(lesson)
        screen.say()
        screen.markdown(text)
        if not answer:
            screen.say()
            screen.hint(f"labctl step {lesson.number} --commands prints all that there is to type", indent=0)
            screen.hint(f"labctl step {lesson.number} --explain --answer shows the answer", indent=0)


def explain(
    topic: Annotated[
        str, typer.Argument(metavar="TOPIC", help="What to explain: cni, components.", autocompletion=complete.topics)
    ] = "",
    *,
    as_json: _Json = False,
) -> None:
    """Explain what the notes tell that is no step.

    Examples:
        labctl explain cni
        labctl explain components
    """
    session = Session()
    topics = session.course.topics
    if topic not in topics:
        known = ", ".join(topics) or "none in this course"
        raise UsageError(f"there is no topic '{topic}'" if topic else "which topic?", f"the topics are: {known}")
    text = lesson_as_called(session.course.topic(topic))
    if as_json:
        _print_json({"schema": 1, "topic": topic, "markdown": text})
        return
    from labctl.cli.screen.page import Screen

    Screen().markdown(text)


def _print_json(body: Any) -> None:  # noqa: ANN401 (whatever JSON can say)
    import json

    print(json.dumps(body, indent=1))
