"""`labctl up`, `down`, `status`, `reset` and `demo`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labctl.cli import complete
from labctl.cli.session import Session, tell
from labctl.cli.ticker import ticking
from labctl.errors import LabError, UsageError
from labctl.world.state import world_id

if TYPE_CHECKING:
    from collections.abc import Iterable

    from labctl.model.lab import Container, Node
    from labctl.model.world import Kind
    from labctl.world.sandbox import World
    from labctl.world.topology import Document

_MOST_NAMES = 5
_Json = Annotated[bool, typer.Option("--json", help="Answer as JSON.")]


def up(
    nodes: Annotated[int | None, typer.Option(help="How many nodes (1 to 50).")] = None,
    containers: Annotated[int | None, typer.Option(help="How many containers on each (1 to 200).")] = None,
    topology: Annotated[Path | None, typer.Option(metavar="FILE", help="An address plan of your own (TOML).")] = None,
    seed: Annotated[
        str | None, typer.Option(metavar="NAME", help="Draw addresses and names from it: a plan for one learner.")
    ] = None,
    *,
    privileged: Annotated[bool, typer.Option("--privileged", help="Root only: without a user namespace.")] = False,
    cloud: Annotated[
        str,
        typer.Option(
            "--cloud", metavar="static|gcloud", show_default=False, help="With --world host: who keeps the routes."
        ),
    ] = "",
    name: Annotated[
        str, typer.Option("--as", metavar="NAME", show_default=False, help="With --world host: which node this is.")
    ] = "",
    as_json: _Json = False,
) -> None:
    """Make the world, if it is not there yet.

    With --world host this machine itself is a node, and needs root. What was there before is written down first, and
    never changed: a step that meets it is refused. `labctl down` takes away what is the lab's, and nothing else.

    Examples:
        labctl up
        labctl up --nodes 5 --containers 20
        labctl up --topology class.toml
        labctl up --seed anna
        labctl up --world host --topology class.toml
        labctl up --world host --as worker --cloud gcloud
    """
    document = _plan(topology, nodes, containers, seed)
    session = Session()
    session.outside_only("up")
    if (cloud or name) and not session.on_host:
        raise UsageError("--cloud and --as go with --world host only", "labctl up --world host --as NAME")
    asked = any(each is not None for each in (topology, nodes, containers, seed))
    with session.locked("up"):
        world = session.sandbox.find()
        if world is None:
            kind: Kind = "privileged" if privileged else "host" if session.on_host else "sandbox"
            world = _make(session, document, asked=asked, kind=kind, host=(name, cloud))
        else:
            asked_node = (name or world.saved.node, cloud or world.saved.cloud) != (world.saved.node, world.saved.cloud)
            _check_same(world, document, asked=asked, privileged=privileged, otherwise=asked_node)
            gone = session.sandbox.missing_keepers(world)
            if gone:
                raise LabError(f"the world stands, but {', '.join(gone)} is gone", "put the lab back: labctl reset")
            tell("the world stands already")
    print(json.dumps({"schema": 1, "world": _world_json(world)}) if as_json else _describe(world))
    if privileged:
        tell("privileged: uid 0 inside is root of this machine; files are protected, the kernel's own settings are not")


def _describe(world: World) -> str:
    lab = world.lab
    if world.record.kind == "host":
        (node,) = lab.nodes
        return f"this machine is {node.name} ({node.address}), with containers {', '.join(_names(node.containers))}"
    names = f": {', '.join(_names(lab.nodes))}" if len(lab.nodes) <= _MOST_NAMES else ""
    return f"{len(lab.nodes)} nodes, {len(lab.containers)} containers{names}"


def _names(things: Iterable[Node | Container]) -> list[str]:
    return [each.name for each in things]


def _plan(topology: Path | None, nodes: int | None, containers: int | None, seed: str | None) -> Document:
    from labctl.world.seed import draw
    from labctl.world.topology import read_file, spread

    if topology is None:
        document = spread(nodes, containers)
        return document if seed is None else draw(seed, document)
    if any(each is not None for each in (nodes, containers, seed)):
        raise UsageError("--topology excludes --nodes, --containers and --seed", "say it in the file")
    return read_file(topology)


def _make(session: Session, document: Document, *, asked: bool, kind: Kind, host: tuple[str, str]) -> World:
    lost = session.sandbox.lost()
    node, cloud = host
    if lost is not None and not asked:
        tell("the world was gone (a reboot?); it comes back empty: labctl reset --to N brings steps back")
        document, node, cloud = lost.topology, node or lost.node, cloud or lost.cloud
    _ = session.journal  # a journal that cannot be written is said before there is a world
    count = sum(len(node["containers"]) for node in document["node"])
    with ticking(f"making the world: {len(document['node'])} nodes, {count} containers …"):
        up = session.sandbox.up
        world = session.host.up(document, kind, node, cloud) if session.on_host else up(document, kind)
    session.note_up(world)
    return world


def _check_same(world: World, document: Document, *, asked: bool, privileged: bool, otherwise: bool) -> None:
    if (asked and document != world.saved.topology) or (privileged and world.record.kind != "privileged") or otherwise:
        raise UsageError("a world of another kind stands already", "take it away first: labctl down")


def down(*, as_json: _Json = False) -> None:
    """Take the world away, everything of it; the journal stays.

    Examples:
        labctl down
    """
    session = Session()
    session.outside_only("down")
    with session.locked("down"):
        try:
            world = session.sandbox.find()
        except LabError:
            # What stands in its place cannot be read; forgetting it is all that can be done.
            world = None
            session.state.forget()
        stood = session.sandbox.down()
        if world is not None:
            session.journal.add(world_id(world), "down")
    if session.on_host:
        from labctl.cli.putting_back import tell_swept

        tell_swept(session.host)
    if as_json:
        print(json.dumps({"schema": 1, "stood": stood}))
    elif session.on_host:
        print("the lab is gone from this machine" if stood else "there was no lab on this machine")
    else:
        print("the world is gone" if stood else "there was no world")


def status(*, as_json: _Json = False) -> None:
    """Look every step up, on every node (exit 0: all are done).

    Examples:
        labctl status
        labctl status --json
    """
    from labctl.cli.overview import show_status

    raise typer.Exit(show_status(Session(), as_json=as_json))


def reset(
    to: Annotated[
        int | None, typer.Option("--to", metavar="N", help="Put every node in the state after step N.")
    ] = None,
    node: Annotated[
        str, typer.Option("--node", metavar="NAME|all", help="Only this node.", autocompletion=complete.nodes)
    ] = "all",
    *,
    as_json: _Json = False,
) -> None:
    """Put the lab back: as after `up`, or as after step N.

    Shells that are open in the lab end.

    Examples:
        labctl reset
        labctl reset --to 3
        labctl reset --to 3 --node worker
    """
    from labctl.cli.putting_back import put_back

    session = Session()
    session.outside_only("reset")
    raise typer.Exit(put_back(session, to, node, as_json=as_json))


def demo(
    *,
    slow: Annotated[bool, typer.Option("--slow", help="Pause for reading between steps.")] = False,
) -> None:
    """Walk through all steps on a world of its own, then take it down.

    Examples:
        labctl demo
        labctl demo --slow
    """
    from labctl.cli.demo import play

    session = Session()
    session.outside_only("demo")
    raise typer.Exit(play(slow=slow))


def _world_json(world: World) -> dict[str, object]:
    return {
        "kind": world.record.kind,
        "up": True,
        "pid": world.record.root.outside,
        "nodes": _names(world.lab.nodes),
    }
