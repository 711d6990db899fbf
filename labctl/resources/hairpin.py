"""A container's port of the bridge sends back what came in by it: so the container reaches itself through a Service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labctl.model.lab import Place
from labctl.model.resource import Absent, Present, Seen
from labctl.model.shell import Run, Shell
from labctl.model.value import Value
from labctl.resources.links import INTERFACE, find_host_end, find_link

if TYPE_CHECKING:
    from labctl.model.lab import Container
    from labctl.model.ports import Kernel
    from labctl.model.shell import Dialect
    from labctl.model.values import Link


class Hairpin(Value):
    """A bridge never sends a frame out by the port it came in by, unless that port is in hairpin mode (bridge(8))."""

    endpoint: Container
    bridge: str

    @property
    def key(self) -> str:
        """`hairpin:master/b`."""
        return f"hairpin:{self.endpoint.place}"

    @property
    def at(self) -> str:
        """The node on which its commands are typed."""
        return self.endpoint.node

    @property
    def _port(self) -> str:
        return f"veth{self.endpoint.name}"

    def _find_port(self, kernel: Kernel) -> Link | None:
        end = find_link(kernel, self.endpoint.place, INTERFACE)
        return find_host_end(kernel, self.endpoint, end, self._port) if end else None

    def observe(self, kernel: Kernel) -> Seen:
        """Find the port, whatever it is called, and look at its mode."""
        port = self._find_port(kernel)
        if port is None:
            return Absent(f"{self.endpoint.name} has no cable to {self.endpoint.node}")
        if not port.hairpin:
            return Absent(f"{port.name} on {self.endpoint.node} sends nothing back where it came from")
        return Present()

    def apply(self, kernel: Kernel) -> None:
        """Switch it on."""
        if port := self._find_port(kernel):
            kernel.net(Place(self.endpoint.node)).set_hairpin(port.name)

    def revert(self, kernel: Kernel) -> None:
        """Switch it off."""
        port = self._find_port(kernel)
        if port is not None and port.hairpin:
            kernel.net(Place(self.endpoint.node)).clear_hairpin(port.name)

    def shell(self, dialect: Dialect) -> Shell:
        """`brctl hairpin`, or `ip link set … type bridge_slave`."""

        def switch(word: str) -> tuple[str, ...]:
            if dialect == "notes":
                return ("sudo", "brctl", "hairpin", self.bridge, self._port, word)
            return ("sudo", "ip", "link", "set", self._port, "type", "bridge_slave", "hairpin", word)

        name = self.endpoint.name
        return Shell(
            do=(Run(switch("on"), f"let the bridge send back to {name} what {name} sends to itself by the Service"),),
            undo=(Run(switch("off"), f"nothing goes back to {name} by the port it came from"),),
            look=(Run(("bridge", "-d", "link", "show", "dev", self._port)),),
        )
