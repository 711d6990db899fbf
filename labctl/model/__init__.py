"""Pure data: what a course, a step, a lab and a resource are. Imports nothing that touches the machine."""

from labctl.model.lab import INTERNET, VPC, Container, Lab, Node, Place
from labctl.model.probe import INTERNET_TCP_PORT, Answer, Ping, Probe, Reserved, RouteVia, SeenFrom, Succeeds
from labctl.model.step import Lesson, Step

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
    "Probe",
    "Reserved",
    "RouteVia",
    "SeenFrom",
    "Step",
    "Succeeds",
]
