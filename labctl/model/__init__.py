"""Pure data: what a course, a step, a lab and a resource are. Imports nothing that touches the machine."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labctl.model.lab import INTERNET, VPC, Container, Lab, Node, Place
    from labctl.model.probe import (
        INTERNET_TCP_PORT,
        Answer,
        Ping,
        Prints,
        Probe,
        Reserved,
        Resolves,
        RouteVia,
        SeenFrom,
        Shows,
        Spread,
        Succeeds,
    )
    from labctl.model.step import Lesson, Step

# Who needs a part of it, as the CNI plug-in does at every call, imports no more than that part.
_WHERE = {
    **dict.fromkeys(("INTERNET", "VPC", "Container", "Lab", "Node", "Place"), "lab"),
    **dict.fromkeys(
        (
            *("INTERNET_TCP_PORT", "Answer", "Ping", "Prints", "Probe", "Reserved", "Resolves", "RouteVia", "SeenFrom"),
            *("Shows", "Spread", "Succeeds"),
        ),
        "probe",
    ),
    **dict.fromkeys(("Lesson", "Step"), "step"),
}


def __getattr__(name: str) -> object:
    """Import a part (PEP 562)."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(f"labctl.model.{_WHERE[name]}"), name)
    globals()[name] = found
    return found


__all__ = [
    "INTERNET",
    "INTERNET_TCP_PORT",
    "VPC",
    "Answer",
    "Container",
    "Lab",
    "Lesson",
    "Node",
    "Ping",
    "Place",
    "Prints",
    "Probe",
    "Reserved",
    "Resolves",
    "RouteVia",
    "SeenFrom",
    "Shows",
    "Spread",
    "Step",
    "Succeeds",
]
