"""A probe: a claim about behaviour, checked with packets or a real client, before and after a step."""

from __future__ import annotations

from math import ceil, floor, sqrt
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


class Shows(Value):
    """Does this command, run at `source`, exit with 0 and print the addresses that these containers really have?"""

    source: Place
    argv: tuple[str, ...]
    containers: tuple[Container, ...]


class SeenFrom(Value):
    """Does a TCP connection from `source` to `target`:`port` work, and did the far end see `address`?"""

    source: Place
    target: str
    port: int
    address: str


class Spread(Value):
    """Do so many HTTP connections from `source` to `target`:`port` all get an answer, each from one of `among`?

    With several connections, each of them must get its share, as far as chance allows (`share_bounds`).
    """

    source: Place
    target: str
    port: int
    among: tuple[str, ...]
    connections: int = 1


_DEVIATIONS = 5.5
"""In standard deviations: a fair share falls outside once in 25 million times."""


def share_bounds(connections: int, among: int) -> tuple[int, int]:
    """How many of so many connections may come to one of so many endpoints, if each is as likely (binomial)."""
    mean = connections / among
    width = _DEVIATIONS * sqrt(mean * (1 - 1 / among))
    return max(0, floor(mean - width)), min(connections, ceil(mean + width))


class Reserved(Value):
    """Has `container` a well-formed reservation in its node's store, and answers nobody but itself for it?"""

    source: Place
    container: Container


class Resolves(Value):
    """Does DNS give these answers, and no others, for a name as `source` would ask for it (resolv.conf(5))?

    `expected` is the data of the records as a zone file has it; a container means its reserved address. With `code`
    NXDOMAIN there are none. That nobody answers is a no.
    """

    source: Place
    name: str
    kind: str = "A"
    expected: tuple[Container | str, ...] = ()
    code: str = "NOERROR"


Question: TypeAlias = Ping | RouteVia | Succeeds | Prints | Shows | SeenFrom | Spread | Reserved | Resolves

INTERNET_TCP_PORT = 5000
"""Where the internet host says, over bare TCP, from which address it saw the caller come."""


class Probe(Value):
    """A question, the claim it checks, and the answers expected before and after the step.

    `until` is the number of the later step that changes the answer: once any of that step stands, this is not asked.
    `through_firewall` marks packets between two ports of a bridge: the packet filter sees them only while the sysctl
    net.bridge.bridge-nf-call-iptables is 1, and while it is not, an answer proves nothing. Where replies must be
    translated back on their way (`Spread`), it is the lack of one that proves nothing.
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
