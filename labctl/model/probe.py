"""A probe: a claim about behaviour, checked with packets or a real client, before and after a step."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from labctl.model.value import Value

if TYPE_CHECKING:
    from labctl.model.lab import Container, Place


class Ping(Value):
    """Does an ICMP echo request from `source` to `target` come back?

    A container as target means the address that is reserved for it, looked up when asked.
    """

    source: Place
    target: Container | str


class RouteVia(Value):
    """Does the kernel at `source` send packets for `target` out through `device`?"""

    source: Place
    target: str
    device: str


class Succeeds(Value):
    """Does this command, run at `source`, exit with 0?"""

    source: Place
    argv: tuple[str, ...]


class Prints(Value):
    """Does this command, run at `source`, exit with 0 and print this line, and nothing else?"""

    source: Place
    argv: tuple[str, ...]
    line: str


class SeenFrom(Value):
    """Does a TCP connection from `source` to `target`:`port` work, and did the far end see `address`?"""

    source: Place
    target: str
    port: int
    address: str


class Reserved(Value):
    """Has `container` a well-formed reservation in its node's store, and answers nobody but itself for it?"""

    source: Place
    container: Container


Question: TypeAlias = Ping | RouteVia | Succeeds | Prints | SeenFrom | Reserved

INTERNET_TCP_PORT = 5000
"""Where the internet host says, over bare TCP, from which address it saw the caller come."""


class Probe(Value):
    """A question, the claim it checks, and the answers expected before and after the step.

    `until` is the number of the later step that changes the answer: once any of that step stands, this is not asked.
    `through_firewall` marks packets between two ports of a bridge: the packet filter sees them only while the sysctl
    net.bridge.bridge-nf-call-iptables is 1, and while it is not, an answer proves nothing.
    `blame` says where to look when the answer is not the expected one.
    """

    claim: str
    question: Question
    before: bool
    after: bool
    until: int | None = None
    through_firewall: bool = False
    blame: str = ""


class Answer(Value):
    """What came back: yes, no, or that it could not be measured (`None`), with what was seen."""

    yes: bool | None
    why: str = ""
    hint: str = ""
