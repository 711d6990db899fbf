"""The port `Kernel` as it is inside the world: puts the parts together, place by place.

Parts are imported when first asked for: pyroute2 alone costs 130 ms, and making a world needs none of it.
"""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from labctl.kernel.cloud import NoCloud, VpcCloud
from labctl.kernel.files import NodeFiles
from labctl.kernel.identity import mark_of
from labctl.kernel.places import Places
from labctl.kernel.process import PlacePrograms, look_all, start_all
from labctl.model.lab import INTERNET, VPC, Place
from labctl.model.values import Completed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labctl.errors import KernelRefused
    from labctl.kernel.firewall import IptablesFirewall
    from labctl.kernel.netlink import PlaceNet, Sockets
    from labctl.kernel.packets import SidePackets
    from labctl.kernel.scan import NodeScanner
    from labctl.model.lab import Lab
    from labctl.model.ports import Cloud, ProgramLook, ProgramStart
    from labctl.model.values import MachineFacts, Standing
    from labctl.model.world import WorldRecord


class LocalKernel:
    """Everything at hand. Lives in the agent."""

    def __init__(self, record: WorldRecord, lab: Lab) -> None:
        """Stand in the world's first process; go from there."""
        self._places = Places(record)
        self._lab = lab
        # Where there is no pid namespace to end them, what is started has to be found by its environment.
        self._marks = mark_of(record.root.inside) if record.kind == "host" else {}

    @cached_property
    def cloud(self) -> Cloud:
        """The cloud network: the world's own, Google's, or none at all."""
        if VPC in self._lab.outer:
            return VpcCloud(self.files(str(VPC)), self.programs(VPC), self._lab.network)
        if self._lab.cloud == "gcloud":
            from labctl.kernel.google import GoogleCloud

            return GoogleCloud(self._lab.network)
        return NoCloud()

    @cached_property
    def _sockets(self) -> Sockets:
        from labctl.kernel.netlink import Sockets

        return Sockets(self._places)

    @cached_property
    def packets(self) -> SidePackets:
        """Real packets; a host that pings itself is the control."""
        from labctl.kernel.packets import SidePackets

        nodes = [node.place for node in self._lab.nodes]
        if VPC not in self._lab.outer:
            return SidePackets(self._places.at, control=(nodes[0], "127.0.0.1"), through=nodes)
        return SidePackets(self._places.at, control=(INTERNET, str(self._lab.internet)), through=[VPC, *nodes])

    def net(self, place: Place) -> PlaceNet:
        """The network namespace of a place."""
        from labctl.kernel.netlink import PlaceNet

        return PlaceNet(self._sockets, self._places, place)

    def files(self, node: str) -> NodeFiles:
        """The files of a node."""
        return NodeFiles(self._places, node)

    def programs(self, place: Place) -> PlacePrograms:
        """Programs at a place."""
        return PlacePrograms(self._places, place, self._marks)

    def look_all(self, asks: Sequence[ProgramLook]) -> tuple[Completed | KernelRefused, ...]:
        """Programs that look, side by side."""
        return look_all([(self.programs(place), argv, text) for place, argv, text in asks])

    def look_ahead(self, asks: Sequence[ProgramLook]) -> None:
        """Nothing: who remembers is at the other end."""

    def start_all(self, asks: Sequence[ProgramStart]) -> None:
        """Start programs that go on running, side by side."""
        start_all([(self.programs(place), argv, protocol, port) for place, argv, protocol, port in asks])

    def firewall(self, node: str, family: int = 4) -> IptablesFirewall:
        """The packet filter of a node."""
        from labctl.kernel.firewall import IptablesFirewall

        return IptablesFirewall(self.programs(Place(node)), family)

    def scanner(self, node: str) -> NodeScanner:
        """Nmap on a node."""
        from labctl.kernel.scan import NodeScanner

        return NodeScanner(self.programs(Place(node)))

    def scan_all(self, asks: Sequence[tuple[str, str]]) -> tuple[tuple[str, ...] | None, ...]:
        """Who answers in the range of each node, asked side by side; None where that could not be told."""
        from labctl.kernel.scan import asking, read_answering

        done = self.look_all([(Place(node), asking(pod_range), "") for node, pod_range in asks])
        return tuple(read_answering(each) if isinstance(each, Completed) and each.code == 0 else None for each in done)

    def setting(self, place: Place, name: str) -> str | None:
        """Read a sysctl; /proc/sys/net shows the namespace of whoever reads."""
        if not re.fullmatch(r"net(\.[a-zA-Z0-9_-]+)+", name):
            return None
        self._places.go(place)
        try:
            return Path("/proc/sys", *name.split(".")).read_text().strip()
        except FileNotFoundError:
            return None

    def namespace_path(self, place: Place) -> str:
        """`/proc/PID/ns/net` as the world numbers it, or the name that the node has for it."""
        return self._places.namespace_path(place)

    def standings(self, places: Sequence[Place]) -> tuple[Standing | None, ...]:
        """Look at the network namespaces of many places in one go."""
        from labctl.kernel.standings import look_at_namespace

        return tuple(look_at_namespace(self._places, place) for place in places)

    def began(self, pid: int) -> float | None:
        """When a process began, in seconds since 1970."""
        from labctl.kernel.standings import began

        return began(pid)

    def machine(self) -> MachineFacts:
        """What machine this is."""
        from labctl.kernel.standings import read_machine

        return read_machine()

    def refresh(self) -> None:
        """Nothing is remembered here."""
