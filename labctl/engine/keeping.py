"""What of a lab a checkpoint can keep, and making a lab from one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labctl.engine.checkpoint import Kept
from labctl.engine.course import nodes_of, where
from labctl.engine.hands import NetlinkHands
from labctl.engine.remake.lines import ROUTE
from labctl.engine.remake.remake import remake
from labctl.engine.runner import Runner
from labctl.engine.snapshot import NETNS
from labctl.engine.todo import add_needed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labctl.engine.checkpoint import Checkpoint
    from labctl.engine.events import Listener
    from labctl.engine.look import Survey
    from labctl.engine.remake.picture import Picture

_MOST_CHARACTERS = 1 << 20
_KINDS = ("", "bridge", "veth")


def standing_steps(survey: Survey) -> tuple[Kept, ...]:
    """The steps of which something stands: they make again what they made; what has changed since is taken back."""
    reports = (
        survey.bare(lesson, node)
        for lesson in survey.course.lessons()
        for node in nodes_of(lesson, survey.lab, survey.lab.nodes)
    )
    return tuple(Kept(each.lesson.number, each.node, each.made) for each in reports if each.stands)


def restore(survey: Survey, listener: Listener, checkpoint: Checkpoint) -> tuple[str, ...]:
    """Make a bare world as the checkpoint has it; say what could not be made the same, a line each.

    Steps first, for only they know how to start what they start; then what differs, which is the learner's own.
    """
    lab = survey.lab
    steps = []
    for kept in checkpoint.steps:
        lesson = survey.course.lesson(kept.step)
        steps += [(lesson, each) for each in nodes_of(lesson, lab, lab.nodes) if where(lesson, each) == kept.node]
    runner = Runner(survey, NetlinkHands(survey.kernel), listener, probing=False)
    for lesson, nodes in add_needed(survey, steps).items():
        runner.apply(lesson, nodes)
    left = remake(survey.kernel, lab, checkpoint.picture)
    survey.refresh()
    return left


def find_unkept(picture: Picture) -> tuple[str, ...]:
    """Name what would not be the same again, although a snapshot could not tell; a sentence each."""
    snapshot = picture["snapshot"]
    found = [f"{place}: {why}" for place, body in snapshot["places"].items() for why in _of_place(body)]
    for node, body in snapshot["nodes"].items():
        found += [f"{node}: {why}" for why in _of_node(body)]
        for table, each in picture["rules"][node].items():
            if any(ord(letter) < ord(" ") for _, words in each["rules"] for word in words for letter in word):
                found.append(f"{node}: a rule of the table {table} has a line break in it")
    return tuple(found)


def _of_place(body: dict[str, Any]) -> Iterator[str]:
    for name, link in body["links"].items():
        if link["kind"] not in _KINDS or (link["kind"] == "" and name != "lo"):
            yield f"the interface {name} is a {link['kind'] or 'device'}, neither bridge nor veth"
        elif link["kind"] == "veth" and (link["peer"] in (None, "elsewhere") or link["peer"].endswith(" ?")):
            yield f"the other end of {name} is in a namespace that is not the lab's"
    for line in body["routes"]:
        route = ROUTE.fullmatch(line)
        if route is None or (route["kind"] == "unicast" and route["via"] == route["dev"] == "-"):
            yield f"the route {line.partition(' via ')[0]} has more than one next hop"


def _of_node(body: dict[str, Any]) -> Iterator[str]:
    if body["other_iptables"]:
        yield "there are rules in both backends of iptables (nft and legacy)"
    for path, text in body["files"].items():
        if text == "<other>":
            yield f"{path} is neither file nor folder nor link"
        elif "\ufffd" in text:
            yield f"{path} is not text"
        elif len(text) >= _MOST_CHARACTERS:
            yield f"{path} is larger than 1 MB"
        elif path.startswith(f"{NETNS}/") and not path.endswith("/") and not text.startswith(("-> ", "<netns of ")):
            yield f"{path} is a namespace that is not the lab's"
