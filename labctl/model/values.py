"""What goes through the ports, as values: links, addresses, routes, files, rules, answers.

Apart from the ports themselves, which only the type checker needs: the CNI plug-in starts anew for every call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from labctl.model.value import Value

if TYPE_CHECKING:
    from labctl.model.lab import Place


class Link(Value):
    """A network interface. `kind` is rtnetlink's (`bridge`, `veth`, …; empty for lo and hardware).

    `peer_index` is the index of the other end (IFLA_LINK), in the namespace that `peer_netns` numbers
    (IFLA_LINK_NETNSID; None means this one). `group` is that of links (ip-link(8)); empty where it was not looked at.
    """

    index: int
    name: str
    kind: str
    up: bool
    mac: str
    master: int | None = None
    peer_index: int | None = None
    peer_netns: int | None = None
    hairpin: bool = False
    alias: str = ""
    group: str = ""


class Address(Value):
    """An IPv4 address of a link, as `address/prefix`."""

    device: str
    cidr: str


class Route(Value):
    """An IPv4 route; `destination` is `default` or `network/prefix`; empty strings where a part is not set."""

    destination: str
    via: str = ""
    device: str = ""
    source: str = ""
    table: int = 254
    kind: str = "unicast"
    protocol: str = ""
    metric: int = 0


class Neighbour(Value):
    """A permanent ARP entry."""

    device: str
    address: str
    mac: str


class FileInfo(Value):
    """What is at a path: `file`, `folder`, `link` or `other`; what a link says, and if a file may be run.

    `owner` is a uid as the world numbers it, `size` a file's in bytes.
    """

    kind: str
    target: str = ""
    executable: bool = False
    owner: int = 0
    size: int = 0


class Completed(Value):
    """A program that has ended."""

    code: int
    out: str
    err: str


class Listener(Value):
    """A socket that waits for whoever comes: TCP that listens, or UDP that is bound and talks to nobody in particular.

    `protocol` is `tcp` or `udp`; `pid` is the process, as the world numbers it, 0 where that cannot be told; `argv` are
    the words with which it was started.
    """

    protocol: str
    address: str
    port: int
    pid: int
    argv: tuple[str, ...]


class Rule(Value):
    """One rule as `iptables-save` spells it: the words after `-A CHAIN`."""

    chain: str
    words: tuple[str, ...]


class Ruleset(Value):
    """One table: the policy of each built-in chain (`-` for the user's own), and the rules in order."""

    policies: tuple[tuple[str, str], ...] = ()
    rules: tuple[Rule, ...] = ()

    def policy(self, chain: str) -> str:
        """The policy of a chain; ACCEPT where the kernel has no such table yet."""
        return dict(self.policies).get(chain, "ACCEPT")

    def of(self, chain: str) -> tuple[Rule, ...]:
        """The rules of one chain, in order."""
        return tuple(rule for rule in self.rules if rule.chain == chain)


CLOUD_MARK = "made by labctl"
"""The description of a route that the lab made in a real cloud: only such a one is deleted again."""


class CloudRoute(Value):
    """A route of the vpc."""

    name: str
    network: str
    destination: str
    next_hop: str
    priority: int = 1000
    description: str = ""


class CloudNetwork(Value):
    """A network of the cloud; `auto`: with a subnet in each region, as Google makes one unless told otherwise."""

    name: str
    auto: bool = True
    description: str = ""


class Heard(Value):
    """What came of talking to a server: what it said (empty: nothing), and the error that ended it, if one did."""

    text: str
    why: str = ""
    refused: bool = False


class EchoResult(Value):
    """What came of a ping: answered, silence (believed only after a control was answered), or an error at once."""

    answered: bool
    why: str = ""
    measured: bool = True


class NameAsk(Value):
    """A question to a nameserver: `names`, complete ones, are asked in order until one has such records."""

    source: Place
    server: str
    names: tuple[str, ...]
    kind: str


class NameAnswer(Value):
    """What a nameserver said: the code (RFC 1035, section 4.1.1) and the records' data, as a zone file has them.

    Without an answer the code is empty, and `why` says what came instead.
    """

    code: str
    data: tuple[str, ...] = ()
    why: str = ""


class Standing(Value):
    """A network namespace that stands: its number (an inode of nsfs), since when, and the address of its eth0.

    `born` is in seconds since 1970: when the process that keeps it began, or, of one that has only a name, when it got
    that name. `address` is empty where eth0 is missing or has none.
    """

    namespace: int
    born: float
    address: str = ""


class MachineFacts(Value):
    """What a node says of itself: all nodes of a lab are the same machine. `memory` is in KiB."""

    release: str
    system: str
    architecture: str
    processors: int
    memory: int
    boot: str
