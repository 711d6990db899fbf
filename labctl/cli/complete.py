"""What the shell offers at Tab: steps, nodes, containers, topics. Looks only at what is written down; makes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labctl.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from labctl.cli.session import Session


def steps(incomplete: str) -> list[str]:
    """Numbers of steps, ranges that begin with one, and `all`."""
    session = _session()
    if session is None:
        return []
    numbers = session.course.numbers
    first, dash, _ = incomplete.partition("-")
    if dash and first.isdecimal():
        return _fitting(incomplete, (f"{first}-{last}" for last in numbers if last >= int(first)))
    return _fitting(incomplete, (*map(str, numbers), "all"))


def nodes(incomplete: str) -> list[str]:
    """Names of nodes, and `all`."""
    session = _session()
    return _fitting(incomplete, (*(node.name for node in session.lab.nodes), "all")) if session else []


def places(incomplete: str) -> list[str]:
    """Nodes, their containers once a slash is typed, and the outer hosts."""
    session = _session()
    if session is None:
        return []
    lab = session.lab
    if "/" in incomplete:
        return _fitting(incomplete, (str(container.place) for container in lab.containers))
    return _fitting(incomplete, (*(node.name for node in lab.nodes), *sorted(map(str, lab.outer))))


def topics(incomplete: str) -> list[str]:
    """Topics of `labctl explain`."""
    session = _session()
    return _fitting(incomplete, session.course.topics) if session else []


def checkpoints(incomplete: str) -> list[str]:
    """Names of checkpoints."""
    session = _session()
    return _fitting(incomplete, session.checkpoints.names()) if session else []


def _session() -> Session | None:
    from labctl.cli.session import Session

    try:
        session = Session()
        _ = session.lab
    except (LabError, OSError):
        return None
    return session


def _fitting(incomplete: str, offers: Iterable[str]) -> list[str]:
    return [offer for offer in offers if offer.startswith(incomplete)]
