"""Answers one command line of `gcloud` from the lab's cloud: exit code, standard output, standard error.

Words and codes are the real client's (Google Cloud SDK 528.0.0): 0 done, 1 the service or the user said no, 2 usage.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from labctl.world.gcloud.api import Api, ServiceRefused
from labctl.world.gcloud.commands import NETWORKS, ROUTES, SUBNET_MODE, Refused, UsageRefused, usage
from labctl.world.gcloud.filter import keep_matching, keep_named, sort
from labctl.world.gcloud.format import NETWORKS_TABLE, ROUTES_TABLE, show
from labctl.world.gcloud.help import VERSION, page
from labctl.world.gcloud.line import Line, read_line
from labctl.world.gcloud.reference import PROJECT, Reference, read_reference

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from labctl.world.gcloud.api import Ask
    from labctl.world.gcloud.reference import Record

_USAGE = 2
_DEFAULT_PRIORITY = "1000"
_TABLES = {"routes": ROUTES_TABLE, "networks": NETWORKS_TABLE}
_UNREACHABLE = """
Instances on this network will not be reachable until firewall rules
are created. As an example, you can allow all internal traffic between
instances as well as SSH, RDP, and ICMP by running:

$ gcloud compute firewall-rules create <FIREWALL_NAME> --network {name} --allow tcp,udp,icmp --source-ranges <IP_RANGE>
$ gcloud compute firewall-rules create <FIREWALL_NAME> --network {name} --allow tcp:22,tcp:3389,icmp

"""
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
    settings: Mapping[str, str]
    read_reply: Callable[[str], str]
    out: list[str] = field(default_factory=list)
    err: list[str] = field(default_factory=list)

    @property
    def project(self) -> str:
        """As typed, else as it is set."""
        return self.line.values.get("--project") or self.settings.get("CLOUDSDK_CORE_PROJECT", PROJECT)

    @property
    def collection(self) -> str:
        """What the command is about: `routes` or `networks`."""
        return self.line.command.words[1]

    @property
    def table(self) -> str:
        """How a list of it looks unless told otherwise."""
        return _TABLES[self.collection]

    def resource(self, name: str) -> Reference:
        """One that was named."""
        if not name:
            raise Refused("could not parse resource []")
        return read_reference(name, self.collection, self.project)

    def show(self, records: Sequence[Record], otherwise: str, *, listed: bool = True) -> None:
        self.out.append(show(records, self.line.values.get("--format") or otherwise, listed=listed))


def answer(
    argv: Sequence[str],
    service: Ask,
    settings: Mapping[str, str] | None = None,
    *,
    stdin_is_terminal: bool = False,
    ask: Callable[[str], str] | None = None,
) -> Answer:
    """Answer the words after `gcloud`.

    `service` is asked over the compute service's API; `settings` are variables of the environment, of which
    `CLOUDSDK_CORE_PROJECT` and `CLOUDSDK_COMPUTE_REGION` are read.

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

    task = _Task(line, Api(service), settings or {}, read_reply)
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
        case (*group, verb) if tuple(group) in (ROUTES, NETWORKS):
            _VERBS[verb](task)
        case ("compute", "project-info", "describe"):
            _describe_one(task, f"projects/{task.project}")
        case ("compute", "regions", "describe"):
            _describe_one(task, f"projects/{task.project}/regions/{task.line.names[0]}")
        case ("config", *_):
            _show_config(task)
        case ("help",):
            task.out.append(page(tuple(line.names)))
        case _:
            task.out.append(VERSION)


def _create(task: _Task) -> None:
    wanted = task.resource(task.line.names[0])
    body = _describe_route(task, wanted) if task.collection == "routes" else _describe_network(task, wanted)
    try:
        record = task.api.insert(wanted, body)
    except ServiceRefused as refused:
        raise _not_fetched(refused) from None
    task.err.append(f"Created [{wanted.link}].\n")
    task.show([_with_modes(record)], task.table)
    if task.collection == "networks":
        task.err.append(_UNREACHABLE.format(name=wanted.name))


def _describe_route(task: _Task, route: Reference) -> Record:
    values = task.line.values
    network = read_reference(values.get("--network") or "default", "networks", task.project)
    description = {"description": values["--description"]} if values.get("--description") else {}
    return {
        **description,
        "destRange": values["--destination-range"],
        "name": route.name,
        "network": network.link,
        "nextHopIp": values["--next-hop-address"],
        "priority": int(values.get("--priority", _DEFAULT_PRIORITY)),
    }


def _describe_network(task: _Task, network: Reference) -> Record:
    values = task.line.values
    description = {"description": values["--description"]} if values.get("--description") else {}
    return {
        "autoCreateSubnetworks": values.get(SUBNET_MODE, "auto") == "auto",
        **description,
        "name": network.name,
        "routingConfig": {"routingMode": "REGIONAL"},
    }


def _with_modes(record: Record) -> Record:
    """Add to a network what the client tells of it in its own words."""
    if record.get("kind") != "compute#network":
        return record
    return record | {
        "x_gcloud_bgp_routing_mode": record.get("routingConfig", {}).get("routingMode", ""),
        "x_gcloud_subnet_mode": "AUTO" if record.get("autoCreateSubnetworks") else "CUSTOM",
    }


def _list(task: _Task) -> None:
    line = task.line
    names = [task.resource(name).name for name in line.names]
    if names:
        task.err.append(_DEPRECATED)
    try:
        records = [_with_modes(each) for each in task.api.records(task.project, task.collection)]
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
        task.show(records, task.table)


def _describe(task: _Task) -> None:
    _describe_one(task, task.resource(task.line.names[0]).path)


def _describe_one(task: _Task, path: str) -> None:
    try:
        record = task.api.get(path)
    except ServiceRefused as refused:
        raise _not_fetched(refused) from None
    task.show([_with_modes(record)], "default", listed=False)


def _delete(task: _Task) -> None:
    """Delete one by one: what could be deleted is, and says so, before the others are named."""
    resources = [task.resource(name) for name in task.line.names]
    if not task.line.quiet and not _confirm(task, {each.name for each in resources}):
        raise Refused("Deletion aborted by user.")
    refusals = []
    for each in resources:
        try:
            task.api.delete(each)
        except ServiceRefused as refused:
            refusals.append(refused)
        else:
            task.err.append(f"Deleted [{each.link}].\n")
    if refusals:
        raise _not_fetched(*refusals)
    task.show([], "none")


def _confirm(task: _Task, names: set[str]) -> bool:
    listed = "".join(sorted(f" - [{name}]\n" for name in names))
    question = f"The following {task.collection} will be deleted:\n{listed}\nDo you want to continue (Y/n)?  "
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
    region = task.settings.get("CLOUDSDK_COMPUTE_REGION", "")
    if line.command.words[-1] == "list":
        task.out += [f"[compute]\nregion = {region}\n"] if region else []
        task.out.append(f"[core]\nproject = {task.project}\n")
        task.err.append("\nYour active configuration is: [default]\n")
    elif line.names[0] in ("project", "core/project"):
        if not task.project:
            raise Refused("The project property is set to the empty string, which is invalid.")
        task.out.append(f"{task.project}\n")
    elif line.names[0] == "compute/region":
        (task.out if region else task.err).append(f"{region or '(unset)'}\n")
    else:
        known = "only [core/project] and [compute/region]"
        raise Refused(f"the lab's gcloud has no property [{line.names[0]}], {known}")


_VERBS: dict[str, Callable[[_Task], None]] = {
    "create": _create,
    "delete": _delete,
    "describe": _describe,
    "list": _list,
}
