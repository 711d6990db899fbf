"""Which steps of a course need what of the machine, read off their commands and probes: nobody writes it down."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labctl.engine.course import probes_of, resources_of
from labctl.model.probe import Ping, Prints, Shows, Succeeds
from labctl.model.shell import DIALECTS, Assign, Capture, Daemon, HereDocument, Pipe, Redirect, Run

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from labctl.engine.course import Course
    from labctl.model.lab import Lab
    from labctl.model.probe import Probe
    from labctl.model.shell import Statement

PINGS = "pings"
"""What steps need whose probes ping."""
BRIDGE_FIREWALL = "bridge firewall"
"""What steps need whose probes cross a bridge, and are to be seen by the packet filter all the same."""


def find_needs(course: Course, lab: Lab) -> dict[str, tuple[int, ...]]:
    """For each word of the steps' commands (`jq`, `veth`, `MASQUERADE`), and for the two above, the steps that need it.

    Raises:
        UsageError: the course is malformed.
    """
    needs: dict[str, set[int]] = {}
    node = lab.nodes[0]
    for lesson in course.lessons():
        words = _words_of_probes(probes_of(lesson, lab, node))
        for resource in resources_of(lesson, lab, node):
            for dialect in DIALECTS:
                shell = resource.shell(dialect)
                words |= set(_words(shell.do + shell.undo))
        for word in words:
            needs.setdefault(word, set()).add(lesson.number)
    return {word: tuple(sorted(numbers)) for word, numbers in needs.items()}


def _words(statements: Iterable[Statement]) -> Iterator[str]:
    for statement in statements:
        match statement:
            case Run(argv):
                yield from (word for word in argv if isinstance(word, str))
            case Pipe(stages):
                yield from _words(stages)
            case Daemon(command) | HereDocument(command) | Redirect(command) | Capture(_, command):
                yield from _words((command,))
            case Assign():
                pass


def _words_of_probes(probes: Iterable[Probe]) -> set[str]:
    words: set[str] = set()
    for probe in probes:
        if probe.through_firewall:
            words.add(BRIDGE_FIREWALL)
        match probe.question:
            case Ping():
                words.add(PINGS)
            case Succeeds(_, argv) | Prints(_, argv) | Shows(_, argv):
                words |= set(argv)
            case _:
                pass
    return words
