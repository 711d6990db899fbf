"""`labctl cni install`, `uninstall` and `show`: the plug-in on the lab's nodes, outside of the course."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labctl.cli import complete
from labctl.cli.session import Session
from labctl.engine.look import look_at
from labctl.engine.planner import make_plan
from labctl.errors import UsageError
from labctl.model.resource import Foreign, Present, state_of
from labctl.resources.plugin import BIN_FOLDER, CONF_FOLDER, SOURCE, PluginConfiguration, PluginExecutable
from labctl.world.state import world_id

if TYPE_CHECKING:
    from labctl.engine.look import Survey
    from labctl.model.lab import Node
    from labctl.model.resource import Resource

_BinFolder = Annotated[str, typer.Option("--bin-dir", metavar="DIR", help="Where runtimes look for plug-ins.")]
_ConfFolder = Annotated[str, typer.Option("--conf-dir", metavar="DIR", help="Where runtimes look for networks.")]
_Node = Annotated[
    str, typer.Option("--node", metavar="NAME|all", help="On which node (all).", autocompletion=complete.nodes)
]
_Json = Annotated[bool, typer.Option("--json", help="Answer as JSON.")]


def install(
    bin_dir: _BinFolder = BIN_FOLDER,
    conf_dir: _ConfFolder = CONF_FOLDER,
    node: _Node = "all",
    *,
    as_json: _Json = False,
) -> None:
    """Install labnet on nodes: the executable, and last the configuration that makes a runtime use it.

    A file that is not labctl's is never written over: exit code 4, and nothing is changed anywhere.

    Examples:
        labctl cni install
        labctl cni install --node worker --conf-dir /etc/cni/other.d
    """
    session, done = Session(), []
    folders, nodes = _folders(bin_dir, conf_dir), session.nodes(node)
    with session.survey("cni install") as survey:
        world = world_id(session.world())
        plans = {each: make_plan(_looked_up(survey, each, folders)) for each in nodes}
        for plan in plans.values():
            plan.refuse()
        for each, plan in plans.items():
            for item in plan.pending:
                session.journal.add(world, "doing", what=f"{item.action} {item.resource.key}")
                item.resource.apply(survey.kernel)
                session.journal.add(world, "did", what=f"{item.action} {item.resource.key}")
            done.append(
                (
                    each.name,
                    "installed" if plan.pending else "is there already",
                    [_path(item.resource) for item in plan.items],
                )
            )
    _tell(done, as_json=as_json)


def uninstall(
    bin_dir: _BinFolder = BIN_FOLDER,
    conf_dir: _ConfFolder = CONF_FOLDER,
    node: _Node = "all",
    *,
    as_json: _Json = False,
) -> None:
    """Take labnet from nodes again: the configuration first, so that no runtime calls what is no longer there.

    What is not labctl's stays, and is named. Containers keep the network that they have.

    Examples:
        labctl cni uninstall
        labctl cni uninstall --node worker
    """
    session, done = Session(), []
    folders, nodes = _folders(bin_dir, conf_dir), session.nodes(node)
    with session.survey("cni uninstall") as survey:
        world = world_id(session.world())
        for each in nodes:
            said, removed = "uninstalled", []
            for resource, seen in reversed(_looked_up(survey, each, folders)):
                if isinstance(seen, Foreign):
                    said = f"left untouched: {seen.why}"
                elif isinstance(seen, Present):
                    session.journal.add(world, "doing", what=f"revert {resource.key}")
                    resource.revert(survey.kernel)
                    session.journal.add(world, "did", what=f"revert {resource.key}")
                    removed.append(_path(resource))
            done.append((each.name, said if removed or said != "uninstalled" else "was not installed", removed))
    _tell(done, as_json=as_json)


def show(node: _Node = "all", *, as_json: _Json = False) -> None:
    """Show the plug-in: its executable, the configuration on each node, and what it was asked and answered there.

    Nobody has listened: what it was asked is put together from its store, and from what the runtime kept.

    Examples:
        labctl cni show
        labctl cni show --node master --json
    """
    session = Session()
    plugin = _executable(session)
    chosen, nodes = session.nodes(node), list[dict[str, Any]]()
    if session.sandbox.find() is not None:
        with session.survey("cni show") as survey:
            nodes = [_describe(survey, each) for each in chosen]
    if as_json:
        print(json.dumps({"schema": 1, "plugin": plugin, "nodes": nodes}, indent=1))
        return
    from labctl.cli.screen.page import Screen
    from labctl.cli.screen.plugin import show_plugin

    show_plugin(Screen(), plugin, nodes)


def _folders(bin_dir: str, conf_dir: str) -> tuple[str, str]:
    for option, folder in (("--bin-dir", bin_dir), ("--conf-dir", conf_dir)):
        if not folder.startswith("/") or "\0" in folder:
            raise UsageError(f"{option} {folder} is not an absolute path", f"for example: {option} {CONF_FOLDER}")
    return bin_dir.rstrip("/") or "/", conf_dir.rstrip("/") or "/"


def _looked_up(survey: Survey, node: Node, folders: tuple[str, str]) -> tuple[tuple[Any, Any], ...]:
    resources = (PluginExecutable(node.name, folders[0]), PluginConfiguration(survey.lab, node, folders[1]))
    return tuple((each, look_at(each, survey.kernel)) for each in resources)


def _path(resource: Resource) -> str:
    return resource.path if isinstance(resource, PluginExecutable | PluginConfiguration) else resource.key


def _tell(done: list[tuple[str, str, list[str]]], *, as_json: bool) -> None:
    if as_json:
        nodes = [{"node": node, "said": said, "files": files} for node, said, files in done]
        print(json.dumps({"schema": 1, "nodes": nodes}, indent=1))
        return
    for node, said, files in done:
        print(f"{node}: {said}" + (f" ({', '.join(files)})" if files else ""))


def _executable(session: Session) -> str:
    """Where the plug-in is that may be run from here; outside the world a file of the home, written when asked for."""
    if session.inside:
        return SOURCE
    from labctl.world.furniture import plugin_launcher
    from labctl.world.sandbox import CODE

    session.state.prepare()
    path, text = session.state.home / "labnet", plugin_launcher(CODE)
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        beside = path.with_suffix(f".{os.getpid()}")
        beside.write_text(text, encoding="utf-8")
        beside.chmod(0o755)
        beside.replace(path)
    return str(path)


def _describe(survey: Survey, node: Node) -> dict[str, Any]:
    """The plug-in on a node: its files, and the attachments in the network's store."""
    from labctl.cli.attachments import find_attachments

    files = []
    for resource, seen in _looked_up(survey, node, (BIN_FOLDER, CONF_FOLDER)):
        state, why = state_of(seen)
        files.append({"path": resource.path, "state": state, "why": why})
    configuration = PluginConfiguration(survey.lab, node)
    text = survey.kernel.files(node.name).read(configuration.path)
    return {"node": node.name, "files": files, "configuration": text, "attachments": find_attachments(survey, node)}
