"""The veth pair of a container: eth0 in its namespace, the other end a port of the node's bridge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labctl.model.lab import Place
from labctl.model.resource import Absent, Foreign, Present, Seen
from labctl.model.shell import Run, Shell, Var
from labctl.model.value import Value
from labctl.resources.address import enter_container
from labctl.resources.links import INTERFACE, find_host_end, find_link

if TYPE_CHECKING:
    from labctl.model.lab import Container
    from labctl.model.ports import Kernel
    from labctl.model.shell import Dialect
    from labctl.model.values import Link


class VethPair(Value):
    """Two ends of a virtual cable, both up. What the node's end is called is free; labctl calls it vethNAME.

    A learner's container has this cable only: whatever other is in it was meant to be this one. Not so if `alone` is
    false, for a runtime may plug in several.
    """

    container: Container
    bridge: str
    interface: str = INTERFACE
    called: str = ""
    hairpin: bool = False
    alone: bool = True

    @property
    def key(self) -> str:
        """`veth:master/a`."""
        return f"veth:{self.container.place}"

    @property
    def host_name(self) -> str:
        """What labctl calls the node's end."""
        return self.called or f"veth{self.container.name}"

    @property
    def _node(self) -> Place:
        return Place(self.container.node)

    def observe(self, kernel: Kernel) -> Seen:
        """Follow the cable from eth0 to the node, wherever it was made and whatever the far end is called."""
        name = self.container.name
        end = find_link(kernel, self.container.place, self.interface)
        if end is None:
            return self._observe_without_eth0(kernel)
        if end.kind != "veth":
            return Foreign(f"{self.interface} of {name} is not a veth but {end.kind or 'of another kind'}")
        host_end = find_host_end(kernel, self.container, end, self.host_name)
        if host_end is None:
            return Present((f"the other end of {self.interface} of {name} is not on {self._node}; expected there",))
        drift = self._drift(kernel, end, host_end)
        note = f"its end on {self._node} is called {host_end.name}, which is as good"
        return Present(drift, "" if drift or host_end.name == self.host_name else note)

    def _drift(self, kernel: Kernel, end: Link, host_end: Link) -> tuple[str, ...]:
        bridge = find_link(kernel, self._node, self.bridge)
        drift = []
        if bridge is None or host_end.master != bridge.index:
            drift.append(f"{host_end.name} on {self._node} is not a port of {self.bridge}; expected to be one")
        if not host_end.up:
            drift.append(f"{host_end.name} on {self._node} is down; expected up")
        if self.hairpin and not host_end.hairpin:
            drift.append(f"{host_end.name} on {self._node} sends nothing back where it came from; expected hairpin")
        if not end.up:
            drift.append(f"{self.interface} of {self.container.name} is down; expected up")
        return tuple(drift)

    def _observe_without_eth0(self, kernel: Kernel) -> Seen:
        """Name the usual near misses: the end in the container kept its own name, or never went there."""
        name = self.container.name
        for link in kernel.net(self.container.place).links():
            if link.kind == "veth" and self.alone:
                return Present((f"{name} has an interface {link.name}; expected it to be called {self.interface}",))
        left = find_link(kernel, self._node, self.host_name)
        if left is None:
            return Absent(f"{name} has no {self.interface}")
        if left.kind != "veth":
            return Foreign(f"{self.host_name} on {self._node} is not a veth but {left.kind or 'of another kind'}")
        return Present(
            (f"{left.name} is on {self._node}, but its other end is not in {name}; expected {self.interface} there",)
        )

    def apply(self, kernel: Kernel) -> None:
        """Make the pair in place, or mend what is wrong; a cable that leads elsewhere is made anew."""
        net = kernel.net(self._node)
        end = find_link(kernel, self.container.place, self.interface)
        host_end = find_host_end(kernel, self.container, end, self.host_name) if end else None
        if host_end is None:
            # A half that was left on the way is in the way.
            self.revert(kernel)
            net.add_veth(self.host_name, self.interface, self.container.place)
        host_name = host_end.name if host_end else self.host_name
        net.set_master(host_name, self.bridge)
        if self.hairpin:
            net.set_hairpin(host_name)
        net.set_up(host_name)
        kernel.net(self.container.place).set_up(self.interface)

    def revert(self, kernel: Kernel) -> None:
        """Delete the pair (either end takes the other along), and a half of one that was left on the way."""
        inside = kernel.net(self.container.place)
        for link in inside.links():
            if link.kind == "veth" and (self.alone or link.name == self.interface):
                inside.delete_link(link.name)
        left = find_link(kernel, self._node, self.host_name)
        if left is not None and left.kind == "veth":
            kernel.net(self._node).delete_link(self.host_name)

    def shell(self, dialect: Dialect) -> Shell:
        """`ip link add … netns …`: nothing appears in between, nothing has to be moved."""
        inside = enter_container(dialect)
        name = self.container.name
        pair = ("sudo", "ip", "link", "add", self.host_name, "type", "veth", "peer", "name", self.interface, "netns")
        plug = (
            ("sudo", "brctl", "addif", self.bridge, self.host_name)
            if dialect == "notes"
            else ("sudo", "ip", "link", "set", self.host_name, "master", self.bridge)
        )
        return Shell(
            do=(
                Run(
                    (*pair, Var("CNI_CONTAINERID")),
                    f"a virtual cable: {self.host_name} here, {self.interface} in the namespace of {name}",
                ),
                Run(plug, f"plug our end into the bridge {self.bridge}"),
                Run(("sudo", "ip", "link", "set", self.host_name, "up"), "bring both ends up"),
                Run((*inside, "link", "set", self.interface, "up")),
            ),
            undo=(
                Run(
                    ("sudo", "ip", "link", "del", self.host_name),
                    f"pull the cable of {name}: one end takes the other along",
                ),
            ),
            look=(Run((*inside, "-br", "link")), Run(("bridge", "link", "show"))),
        )
