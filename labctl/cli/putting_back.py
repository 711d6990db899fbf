"""`labctl reset`: the lab as after `up`, or as after a step, whatever has become of it."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

from labctl.cli.progress import Ticks, record_applied, record_standing
from labctl.cli.session import Session, tell
from labctl.cli.ticker import ticking
from labctl.engine.hands import NetlinkHands
from labctl.engine.look import Survey
from labctl.engine.report import Outcome, applied_code
from labctl.engine.runner import Runner
from labctl.engine.undoer import Undoer
from labctl.errors import KernelRefused
from labctl.world.state import world_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labctl.engine.events import Listener
    from labctl.engine.remake.picture import Picture
    from labctl.model.lab import Node
    from labctl.model.world import Session as Inside
    from labctl.world.host.world import HostWorld
    from labctl.world.sandbox import World

_MOST_NAMED = 3
_MOST_SWEPT = 40
_ALL = "put the whole lab back: labctl reset"


def put_back(session: Session, to: int | None, node: str, *, as_json: bool) -> int:
    """Make the lab as after `up`, or as after step `to`; give the exit code."""
    if to is not None:
        session.course.lesson(to)
    nodes = session.nodes(node)
    whole = nodes == session.lab.nodes
    with session.locked("reset"), ticking("putting the lab back …") as show:
        listener = Ticks(show)
        with _new_world(session) if whole else _standing_world(session) as (world, inside):
            survey = Survey(session.course, world.lab, inside.kernel)
            here = tuple(world.lab.node(each.name) for each in nodes)
            if not whole:
                _clear(session, world, survey, here, listener)
            # Probes are asked once all is done, side by side: a hundred waits cost no more than one.
            runner = Runner(survey, NetlinkHands(survey.kernel), listener, probing=False)
            lessons = survey.course.lessons(range(to + 1) if to is not None else ())
            for lesson in lessons:
                runner.apply(lesson, here)
            reports = survey.reports(lessons, here)
        if whole:
            session.note_up(world)
        steps = ((report.lesson.number, report.node) for report in reports)
        record_applied(session.journal, world_id(world), steps, "reset")
        record_standing(session.journal, world_id(world), reports)
    if as_json:
        print(json.dumps({"schema": 1, "steps": [report.as_json() for report in reports]}, indent=1))
    else:
        who = "the lab" if whole else ", ".join(each.name for each in nodes)
        print(f"{who} is as after " + ("`up`" if to is None else f"step {to}"))
        for report in reports:
            if report.made and report.outcome is Outcome.UNKNOWN:
                tell(f"warning: step {report.lesson.number} on {report.node} cannot be verified: {report.causes()[0]}")
    return applied_code(reports)


@contextmanager
def _new_world(session: Session) -> Iterator[tuple[World, Inside]]:
    """A world of the same plan, new: nothing of the old one can be left over. Until it is done, that one stands."""
    from labctl.world.topology import spread

    saved = session.state.load()
    _ = session.journal  # a journal that cannot be written is said before there is a world
    if session.on_host:
        # There is but one of this machine: it is swept, and the same lab begins anew.
        with session.host.renewed(saved, spread(None, None)) as made:
            tell_swept(session.host)
            yield made
        return
    plan = (saved.topology, saved.record.kind) if saved else (spread(None, None), "sandbox")
    with session.own_sandbox("reset").successor(*plan) as made:
        yield made


def tell_swept(world: HostWorld) -> None:
    """Say what was taken away of a machine, and what else has come since and stays."""
    swept = world.swept
    for title, found in (("taken away", swept.taken), ("left untouched", swept.left)) if swept else ():
        for each in found[:_MOST_SWEPT]:
            tell(f"{title}: {each}")
        if len(found) > _MOST_SWEPT:
            tell(f"{title}: … and {len(found) - _MOST_SWEPT} more")


@contextmanager
def _standing_world(session: Session) -> Iterator[tuple[World, Inside]]:
    world = session.world()
    inside = session.sandbox.enter(world)
    try:
        yield world, inside
    finally:
        inside.close()


def _clear(session: Session, world: World, survey: Survey, nodes: tuple[Node, ...], listener: Listener) -> None:
    """Make these nodes as after `up` in place, for the others are to be left alone.

    A bare node is looked at in a world of its own, made for that; what stands on the node and is not so goes, whoever
    made it. Then the steps of the whole lab are undone, for this node is not done any more.

    Raises:
        KernelRefused: a node cannot be made bare.
    """
    from labctl.engine.remake.bare import clear_node

    _refuse_what_only_a_new_world_cures(session, world, survey, nodes)
    for node in nodes:
        left = clear_node(survey.kernel, world.lab, node, _bare(session, world, node))
        if left:
            raise KernelRefused(f"{node.name} cannot be put back: {'; '.join(left[:_MOST_NAMED])}", _ALL)
    survey.refresh()
    Undoer(survey, NetlinkHands(survey.kernel), listener).undo_from(0, nodes)


def _refuse_what_only_a_new_world_cures(
    session: Session, world: World, survey: Survey, nodes: tuple[Node, ...]
) -> None:
    from labctl.world.furniture import BIN

    names = {node.name for node in nodes}
    for place in session.sandbox.missing_keepers(world):
        if place.partition("/")[0] in names:
            raise KernelRefused(f"the process that keeps {place} alive is gone", _ALL)
    if not survey.kernel.files(nodes[0].name).names(str(BIN)):
        raise KernelRefused(f"the lab's own programs are gone ({BIN}); the nodes share them", _ALL)


def _bare(session: Session, world: World, node: Node) -> Picture:
    """A node as it is after `up`."""
    from labctl.engine.remake.picture import only_node, take_picture

    plan = world.saved.topology
    alone = {**plan, "node": [each for each in plan["node"] if each["name"] == node.name]}
    with session.own_sandbox("reset --node").trial(alone) as (other, inside):
        return only_node(take_picture(inside.kernel, other.lab), node)
