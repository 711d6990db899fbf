"""Answers one command line of `gcloud` from the lab's cloud: exit code, standard output, standard error.

Words and codes are the real client's (Google Cloud SDK 528.0.0): 0 done, 1 the service or the user said no, 2 usage.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from labctl.world.gcloud.api import Api, ServiceRefused
from labctl.world.gcloud.commands import ROUTES, Refused, UsageRefused, usage
from labctl.world.gcloud.filter import keep_matching, keep_named, sort
from labctl.world.gcloud.format import ROUTES_TABLE, show
from labctl.world.gcloud.help import VERSION, page
from labctl.world.gcloud.line import Line, read_line
from labctl.world.gcloud.reference import PROJECT, Reference, read_reference

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from labctl.world.gcloud.api import Ask
    from labctl.world.gcloud.reference import Record

_USAGE = 2
_DEFAULT_PRIORITY = "1000"
_DEPRECATED = "WARNING: Argument `NAME` is deprecated. Use `--filter=\"name=( 'NAME' ... )\"` instead.\n"


@dataclass(frozen=True)
class Answer:
    """What a program leaves behind: its exit code and what it printed."""

    code: int
    out: str = ""
    err: str = ""


@dataclass
class _Task:
    """A line that is being answered."""

    line: Line
    api: Api
    read_reply: Callable[[str], str]
    out: list[str] = field(default_factory=list)
    err: list[str] = field(default_factory=list)

    @property
    def project(self) -> str:
        return self.line.values.get("--project", PROJECT)

    def route(self, name: str) -> Reference:
        if not name:
            raise Refused("could not parse resource []")
        return read_reference(name, "routes", self.project)

    def show(self, records: Sequence[Record], otherwise: str, *, listed: bool = True) -> None:
        self.out.append(show(records, self.line.values.get("--format") or otherwise, listed=listed))


def answer(
    argv: Sequence[str],
    service: Ask,
    *,
    stdin_is_terminal: bool = False,
    ask: Callable[[str], str] | None = None,
) -> Answer:
    """Answer the words after `gcloud`.

    `ask` shows a question on standard error, as it is, and returns the line that was typed; at the end of the input it
    raises EOFError or returns nothing, and what else it raises (Ctrl-C) passes through. The real client reads an answer
    whether or not its input is a terminal, and takes the default, which is Yes, at the end of it. Without `ask` the
    input is empty, which a terminal never is: there, a question that nobody can be asked is a ValueError, and nothing
    is changed.
    """
    try:
        line = read_line(argv)
    except UsageRefused as refused:
        return Answer(_USAGE, err=str(refused))

    def read_reply(question: str) -> str:
        if ask is not None:
            return ask(question)
        if stdin_is_terminal:
            raise ValueError("gcloud has a question for the terminal, and no way to ask it")
        task.err.append(question)
        raise EOFError

    task = _Task(line, Api(service), read_reply)
    code = 0
    try:
        _run(task)
    except Refused as refused:
        code = 1
        if line.values.get("--verbosity") not in ("critical", "none"):
            task.err.append(f"ERROR: ({line.command.dotted}) {refused}\n")
    return Answer(code, "".join(task.out), "".join(task.err))


def _run(task: _Task) -> None:
    line = task.line
    if line.wants_help:
        short = "-h" in line.switches and not line.command.group
        task.out.append(usage(line.command) if short else page(line.command.words))
        return
    match line.command.words:
        case (*group, verb) if tuple(group) == ROUTES:
            _VERBS[verb](task)
        case ("config", *_):
            _show_config(task)
        case ("help",):
            task.out.append(page(tuple(line.names)))
        case _:
            task.out.append(VERSION)


def _create(task: _Task) -> None:
    values = task.line.values
    request = Request(
        network=read_reference(values.get("--network") or "default", "networks", task.project),
        destination=values["--destination-range"],
        next_hop=values["--next-hop-address"],
        priority=int(values.get("--priority", _DEFAULT_PRIORITY)),
        description=values.get("--description", ""),
    )
    route = task.route(task.line.names[0])
    try:
        record = task.api.insert(route, request)
    except ServiceRefused as refused:
        raise _not_fetched(refused) from None
    task.err.append(f"Created [{route.link}].\n")
    task.show([record], ROUTES_TABLE)


def _list(task: _Task) -> None:
    line = task.line
    names = [task.route(name).name for name in line.names]
    if names:
        task.err.append(_DEPRECATED)
    try:
        records = task.api.records(task.project, "routes")
    except ServiceRefused as refused:
        raise Refused(f"Some requests did not succeed:\n - {refused}\n") from None
    records = sort(keep_named(records, names), line.values.get("--sort-by", ""))
    records = keep_matching(records, line.values.get("--filter", ""))
    if "--limit" in line.values:
        records = records[: int(line.values["--limit"])]
    if not records and ("--uri" in line.switches or not line.values.get("--format")):
        task.err.append("Listed 0 items.\n")
    elif "--uri" in line.switches:
        task.out += [f"{record['selfLink']}\n" for record in records]
    else:
        task.show(records, ROUTES_TABLE)


def _describe(task: _Task) -> None:
    route = task.route(task.line.names[0])
    try:
        record = task.api.get(route)
    except ServiceRefused as refused:
        raise _not_fetched(refused) from None
    task.show([record], "default", listed=False)


def _delete(task: _Task) -> None:
    """Delete one by one: what could be deleted is, and says so, before the others are named."""
    routes = [task.route(name) for name in task.line.names]
    if not task.line.quiet and not _confirm(task, {route.name for route in routes}):
        raise Refused("Deletion aborted by user.")
    refusals = []
    for route in routes:
        try:
            task.api.delete(route)
        except ServiceRefused as refused:
            refusals.append(refused)
        else:
            task.err.append(f"Deleted [{route.link}].\n")
    if refusals:
        raise _not_fetched(*refusals)
    task.show([], "none")


def _confirm(task: _Task, names: set[str]) -> bool:
    listed = "".join(sorted(f" - [{name}]\n" for name in names))
    question = f"The following routes will be deleted:\n{listed}\nDo you want to continue (Y/n)?  "
    try:
        while True:
            reply = task.read_reply(question).rstrip("\r\n")
            if reply == "" or reply.strip().lower() in ("y", "yes"):
                return True
            if reply.strip().lower() in ("n", "no"):
                return False
            question = "Please enter 'y' or 'n':  "
    except EOFError:
        return True
    finally:
        task.err.append("\n")


def _not_fetched(*refusals: ServiceRefused) -> Refused:
    """Word what the service refused, as the client does for one resource or several (sorted, each once)."""
    return Refused("Could not fetch resource:\n" + "".join(f" - {why}\n" for why in sorted({*map(str, refusals)})))


def _show_config(task: _Task) -> None:
    line = task.line
    if line.command.words[-1] == "list":
        task.out.append(f"[core]\nproject = {task.project}\n")
        task.err.append("\nYour active configuration is: [default]\n")
    elif line.names[0] in ("project", "core/project"):
        task.out.append(f"{task.project}\n")
    else:
        raise Refused(f"the lab's gcloud has no property [{line.names[0]}], only [core/project]")


_VERBS: dict[str, Callable[[_Task], None]] = {
    "create": _create,
    "delete": _delete,
    "describe": _describe,
    "list": _list,
}
