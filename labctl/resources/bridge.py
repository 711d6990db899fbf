"""A bridge on a node, up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labctl.model.lab import Place
from labctl.model.resource import Absent, Foreign, Present, Seen
from labctl.model.shell import Run, Shell
from labctl.model.value import Value
from labctl.resources.links import find_link

if TYPE_CHECKING:
    from labctl.model.ports import Kernel
    from labctl.model.shell import Dialect


class Bridge(Value):
    """A bridge of that name, and up."""

    node: str
    name: str

    @property
    def key(self) -> str:
        """`bridge:master/cni0`."""
        return f"bridge:{self.node}/{self.name}"

    def observe(self, kernel: Kernel) -> Seen:
        """Look for the name, the kind, and whether it is up."""
        link = find_link(kernel, Place(self.node), self.name)
        if link is None:
            return Absent(f"{self.node} has no {self.name}")
        if link.kind != "bridge":
            return Foreign(f"{self.name} on {self.node} is not a bridge but {_kind(link.kind)}")
        return Present() if link.up else Present((f"{self.name} on {self.node} is down; expected up",))

    def apply(self, kernel: Kernel) -> None:
        """Make it, if need be, and bring it up."""
        net = kernel.net(Place(self.node))
        if find_link(kernel, Place(self.node), self.name) is None:
            net.add_bridge(self.name)
        net.set_up(self.name)

    def revert(self, kernel: Kernel) -> None:
        """Delete it; its ports stay, without a bridge."""
        if not isinstance(self.observe(kernel), Foreign):
            kernel.net(Place(self.node)).delete_link(self.name)

    def bystanders(self, kernel: Kernel) -> tuple[str, ...]:
        """Name what is plugged in: it stays, without a bridge."""
        place = Place(self.node)
        bridge = find_link(kernel, place, self.name)
        links = kernel.net(place).links() if bridge else ()
        ports = [link.name for link in links if bridge and link.master == bridge.index]
        return (f"{', '.join(ports)} on {self.node}, a port of {self.name} until now",) if ports else ()

    def shell(self, dialect: Dialect) -> Shell:
        """`brctl` as in the notes, or `ip link` alone."""
        up = Run(("sudo", "ip", "link", "set", self.name, "up"), "a new interface is down; bring it up")
        look = (Run(("ip", "link", "show", self.name)),)
        if dialect == "notes":
            return Shell(
                do=(
                    Run(
                        ("sudo", "brctl", "addbr", self.name),
                        f"make the bridge {self.name}, a switch inside the kernel",
                    ),
                    up,
                ),
                undo=(
                    Run(
                        ("sudo", "ip", "link", "set", self.name, "down"), "brctl deletes a bridge only when it is down"
                    ),
                    Run(("sudo", "brctl", "delbr", self.name), f"delete the bridge {self.name}"),
                ),
                look=look,
            )
        return Shell(
            do=(
                Run(
                    ("sudo", "ip", "link", "add", self.name, "type", "bridge"),
                    f"make the bridge {self.name}, a switch inside the kernel",
                ),
                up,
            ),
            undo=(Run(("sudo", "ip", "link", "del", self.name), f"delete the bridge {self.name}"),),
            look=look,
        )


def _kind(kind: str) -> str:
    return f"a {kind} interface" if kind else "an interface of another kind"
