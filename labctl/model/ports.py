"""What the rest of labctl may ask of the machine. `labctl.kernel` implements these; nothing else touches it.

Everything that goes in or comes out is a value (strings, tuples, frozen dataclasses), because the machine is asked
through a process that lives inside the world (`kernel/agent.py`).
All methods may raise `labctl.errors.KernelRefused` (or `WorldGone`, `ToolMissing` below it).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from labctl.errors import KernelRefused
    from labctl.model.lab import Place
    from labctl.model.values import (
        Address,
        CloudNetwork,
        CloudRoute,
        Completed,
        EchoResult,
        FileInfo,
        Heard,
        Link,
        Listener,
        MachineFacts,
        NameAnswer,
        NameAsk,
        Neighbour,
        Route,
        Ruleset,
        Standing,
    )


class Net(Protocol):
    """The network namespace of one place. Looking is remembered until something is changed or `Kernel.refresh`."""

    def links(self) -> tuple[Link, ...]:
        """All interfaces."""

    def link(self, name: str) -> Link | None:
        """One interface by its name; None if there is none."""

    def link_names(self) -> Mapping[int, str]:
        """What the interfaces are called, by index: much cheaper than all that `links` tells of hundreds."""

    def addresses(self) -> tuple[Address, ...]:
        """All IPv4 addresses."""

    def routes(self) -> tuple[Route, ...]:
        """The IPv4 routes of all tables but local."""

    def neighbours(self) -> tuple[Neighbour, ...]:
        """The permanent neighbour entries."""

    def forget_neighbour(self, address: str) -> None:
        """Drop what ARP remembers of an address, unless a person made it permanent; nothing there is success."""

    def number_of(self, place: Place) -> int | None:
        """Tell the number under which this namespace knows that of `place` (RTM_GETNSID), None where it has none."""

    def route_to(self, address: str) -> Route | None:
        """Ask which way a packet would take (`ip route get`); None if there is none."""

    def listeners(self) -> tuple[Listener, ...]:
        """Who waits for connections (TCP) or for packets (UDP, below the ephemeral ports)."""

    def add_bridge(self, name: str) -> None:
        """Make a bridge; it is down. EEXIST is refused."""

    def add_veth(self, name: str, peer: str, peer_place: Place) -> None:
        """Make a veth pair, one end here, the other already in place there; both down."""

    def delete_link(self, name: str) -> None:
        """Take a link away; gone already is success."""

    def set_up(self, name: str) -> None:
        """Bring a link up."""

    def set_master(self, name: str, bridge: str) -> None:
        """Make a link a port of a bridge; an empty `bridge` releases it."""

    def set_hairpin(self, name: str) -> None:
        """Let a port of a bridge send back what came in by it: a container may reach itself by a Service."""

    def clear_hairpin(self, name: str) -> None:
        """Let it not send anything back any more."""

    def add_address(self, device: str, cidr: str) -> None:
        """Give a link an address; there already is success."""

    def delete_address(self, device: str, cidr: str) -> None:
        """Take an address away; gone already is success."""

    def add_route(self, destination: str, via: str, device: str = "") -> None:
        """Add or replace a route in the main table."""

    def delete_route(self, destination: str, via: str = "") -> None:
        """Take a route of the main table away; gone already is success."""


class Files(Protocol):
    """The files of one node, seen as its processes see them. Paths are absolute, inside the node."""

    def info(self, path: str) -> FileInfo | None:
        """Tell what is there, without following a link; None for nothing."""

    def read(self, path: str) -> str | None:
        """Read a text file; None if there is none."""

    def names(self, path: str) -> tuple[str, ...]:
        """List a folder, sorted; empty if there is none."""

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a text file whole, or not at all (written beside it, then renamed)."""

    def exchange(self, path: str, lock: str, old: str, new: str) -> bool:
        """Under flock(2) on the file or folder `lock`, make `path` hold `new` if it holds `old`; tell whether so.

        Its mode stays as it is.
        """

    def make_folder(self, path: str) -> None:
        """Make a folder and its parents; there already is success."""

    def link(self, path: str, target: str) -> None:
        """Make a symbolic link, or turn an existing one (as `ln -sfT`)."""

    def remove(self, path: str) -> None:
        """Remove a file, a link or an empty folder (unmounted first where it is a mount); gone already is success."""

    def same_namespace(self, path: str, place: Place) -> bool:
        """Tell whether `path` (links followed) is the network namespace of `place`."""


class Runs(Protocol):
    """Runs programs."""

    def run(self, argv: Sequence[str], text: str = "") -> Completed:
        """Run one to its end with `text` as its standard input.

        Raises:
            ToolMissing: it is not installed.
        """


class Programs(Runs, Protocol):
    """Programs at one place, in all of its namespaces, as uid 0 of the world."""

    def look(self, argv: Sequence[str], text: str = "") -> Completed:
        """Run one that changes nothing; what it said is remembered until something is changed or `Kernel.refresh`.

        One that takes more than 30 seconds is ended, and that is an error.
        """

    def call(
        self, argv: Sequence[str], text: str, environment: Sequence[tuple[str, str]], seconds: float
    ) -> Completed | None:
        """Run one with this environment, and nothing else in it but the world's mark, where it has one.

        `argv[0]` is a path. None if it took longer than so many seconds: it was killed, and what is in its process
        group. One that is not there ends with 127, one that cannot be run with 126.
        """

    def start(self, argv: Sequence[str], protocol: str, port: int) -> None:
        """Start one that goes on running, detached; done once somebody here listens on the port.

        Raises:
            ToolMissing: it is not installed.
        """

    def end(self, listener: Listener) -> None:
        """End the process that listens, and wait until it is gone; gone already is success."""

    def attend(self, argv: Sequence[str], port: int, places: Sequence[Place]) -> None:
        """Start one for each caller of a TCP port of `places`' loopback address, its input and output the connection.

        Done once they listen; where they do already, nothing is done. A place where another has the port is left out,
        unless it is the program's own.

        Raises:
            ToolMissing: it is not installed.
        """


class Firewall(Protocol):
    """The packet filter of one node, through `iptables -w` (whichever backend the node's `iptables` is)."""

    def table(self, name: str) -> Ruleset:
        """Read one table; remembered until something is changed or `Kernel.refresh`."""

    def has(self, table: str, chain: str, words: Sequence[str]) -> bool:
        """Ask for one rule (`-C`), in any spelling; it can be asked for where the table cannot be read."""

    def saved(self) -> str:
        """All tables as `iptables-save` prints them, for who compares thousands of lines; remembered likewise.

        Raises:
            KernelRefused: a table holds what nft put there and iptables cannot say.
        """

    def append(self, table: str, chain: str, words: Sequence[str]) -> None:
        """Append a rule at the end of a chain (`-A`)."""

    def insert(self, table: str, chain: str, words: Sequence[str]) -> None:
        """Insert a rule at the head of a chain (`-I`)."""

    def delete(self, table: str, chain: str, words: Sequence[str]) -> None:
        """Delete one rule (`-D`); gone already is success."""

    def restore(self, text: str) -> None:
        """Do all that `iptables-restore --noflush` reads from `text`, table by table as one transaction."""

    def set_policy(self, chain: str, policy: str) -> None:
        """Set the policy of a built-in chain of the filter table (`-P`)."""

    def other_backend(self) -> str:
        """What the backend that `iptables` is not holds (`iptables-save` text); empty if nothing."""


class Cloud(Protocol):
    """The routes of the cloud network."""

    def routes(self) -> tuple[CloudRoute, ...]:
        """All routes, in the order of their names."""

    def forwards(self, route: CloudRoute) -> bool:
        """Tell whether the vpc's kernel really holds this route."""

    def create(self, route: CloudRoute) -> None:
        """Create a route; the name must be free."""

    def delete(self, name: str) -> None:
        """Delete a route; gone already is success."""


class Networks(Protocol):
    """The networks that somebody made in the cloud, beside those that are there from the beginning."""

    def networks(self) -> tuple[CloudNetwork, ...]:
        """All of them, in the order of their names."""

    def create(self, network: CloudNetwork) -> None:
        """Create one; the name must be free."""

    def delete(self, name: str) -> None:
        """Delete one; gone already is success."""


class Scanner(Protocol):
    """nmap on one node."""

    def answering(self, pod_range: str) -> tuple[str, ...]:
        """Ask a range who answers (`nmap -sn`); remembered until `Kernel.refresh`."""

    def listed(self, pod_range: str) -> tuple[str, ...]:
        """List the addresses of a range (`nmap -sL -n`), network and broadcast included."""


class Packets(Protocol):
    """Real packets, many at once."""

    def ping(self, asks: Sequence[tuple[Place, str]]) -> tuple[EchoResult, ...]:
        """Ping from each place to each address, all side by side; same order as asked."""

    def converse_all(self, asks: Sequence[tuple[Place, str, int]]) -> tuple[str | KernelRefused, ...]:
        """Open TCP connections (from, to, port) side by side.

        Gives the first line that each heard, empty where none came about, and an error where that could not be told.
        """

    def fetch_all(self, asks: Sequence[tuple[Place, str, int]]) -> tuple[Heard | KernelRefused, ...]:
        """Ask HTTP servers (from, to, port) side by side, each by a new connection; gives what each answered (`GET /`).

        An error stands for what could not be told.
        """

    def ask_names(self, asks: Sequence[NameAsk]) -> tuple[NameAnswer | KernelRefused, ...]:
        """Ask nameservers over UDP, side by side; an error where it could not be told whether one answers."""


ProgramLook: TypeAlias = "tuple[Place, tuple[str, ...], str]"
"""Where a program that changes nothing is run, its words, and its standard input."""


ProgramStart: TypeAlias = "tuple[Place, tuple[str, ...], str, int]"
"""Where a program that goes on running is started, its words, and the protocol and port on which it will listen."""


class Kernel(Protocol):
    """All of it, place by place."""

    def net(self, place: Place) -> Net:
        """The network namespace of a place."""

    def files(self, node: str) -> Files:
        """The files of a node."""

    def programs(self, place: Place) -> Programs:
        """Programs at a place."""

    def look_all(self, asks: Sequence[ProgramLook]) -> tuple[Completed | KernelRefused, ...]:
        """Run programs that change nothing side by side, each at its place; an error stands for what it is about."""

    def look_ahead(self, asks: Sequence[ProgramLook]) -> None:
        """Run them so, and remember what they said, as `Programs.look` does, which then has nothing to wait for."""

    def start_all(self, asks: Sequence[ProgramStart]) -> None:
        """Start programs that go on running, side by side, as `Programs.start` does each.

        Raises:
            ToolMissing: one is not installed.
            KernelRefused: one does not listen; the others do.
        """

    def firewall(self, node: str, family: int = 4) -> Firewall:
        """The packet filter of a node, for IPv4 or IPv6."""

    def scanner(self, node: str) -> Scanner:
        """nmap on a node."""

    def scan_all(self, asks: Sequence[tuple[str, str]]) -> tuple[tuple[str, ...] | None, ...]:
        """Ask who answers in the range of each node (node, range), side by side; `Scanner.answering` then remembers.

        None stands for what could not be told.
        """

    @property
    def cloud(self) -> Cloud:
        """The routes of the cloud network."""

    @property
    def packets(self) -> Packets:
        """Real packets."""

    def setting(self, place: Place, name: str) -> str | None:
        """Read a sysctl (`net.ipv4.ip_forward`) of a place's network namespace; None if it does not exist."""

    def namespace_path(self, place: Place) -> str:
        """`/proc/PID/ns/net` of a place's first process, as the world numbers it (a runtime's `CNI_NETNS`)."""

    def standings(self, places: Sequence[Place]) -> tuple[Standing | None, ...]:
        """Look at the network namespaces of many places in one go; None for each that is not there."""

    def began(self, pid: int) -> float | None:
        """When a process began, in seconds since 1970; None where it is gone."""

    def machine(self) -> MachineFacts:
        """What machine this is."""

    def refresh(self) -> None:
        """Forget what was read; the next look asks the kernel."""
