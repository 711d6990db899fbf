"""A container that the lab's own runtime makes on a node: a network namespace with a name, and nothing in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labctl.errors import KernelRefused
from labctl.model.lab import NETNS_FOLDER, Place
from labctl.model.resource import Absent, Foreign, Present, Seen
from labctl.model.shell import Run, Shell
from labctl.model.value import Value

if TYPE_CHECKING:
    from labctl.model.lab import Container
    from labctl.model.ports import Kernel
    from labctl.model.shell import Dialect

_LOOPBACK = "lo"


class Guest(Value):
    """What a runtime makes before it calls a plug-in (ip-netns(8): `ip netns add`)."""

    guest: Container
    loopback: bool = False
    """Whether the runtime brings its loopback interface up too, as all do that start programs in it."""

    @property
    def key(self) -> str:
        """`guest:master/e`."""
        return f"guest:{self.guest.place}"

    @property
    def path(self) -> str:
        """Its name, and what a runtime tells a plug-in as CNI_NETNS."""
        return f"{NETNS_FOLDER}/{self.guest.name}"

    def observe(self, kernel: Kernel) -> Seen:
        """Look for the name, and whether a namespace is behind it."""
        info = kernel.files(self.guest.node).info(self.path)
        if info is None:
            return Absent(f"{self.guest.node} has no container {self.guest.name} ({self.path})")
        if info.kind != "file" or not _is_namespace(kernel, self.guest):
            return Foreign(f"{self.path} on {self.guest.node} is no namespace that `ip netns add` made")
        if self.loopback and not self._loopback_is_up(kernel):
            return Present((f"lo of {self.guest.place} is down; expected up",))
        return Present()

    def _loopback_is_up(self, kernel: Kernel) -> bool:
        link = kernel.net(self.guest.place).link(_LOOPBACK)
        return link is not None and link.up

    def apply(self, kernel: Kernel) -> None:
        """Make it."""
        if isinstance(self.observe(kernel), Absent):
            _ask(kernel, self.guest, "add")
        if self.loopback:
            kernel.net(self.guest.place).set_up(_LOOPBACK)

    def revert(self, kernel: Kernel) -> None:
        """Delete it; gone already is success."""
        if isinstance(self.observe(kernel), Present):
            _ask(kernel, self.guest, "del")

    def shell(self, dialect: Dialect) -> Shell:
        """`ip netns`."""
        del dialect  # both say it alike
        name = self.guest.name
        loopback = Run(
            ("sudo", "ip", "-n", name, "link", "set", _LOOPBACK, "up"),
            "its programs will speak to each other through its loopback interface",
        )
        return Shell(
            do=(
                Run(("sudo", "ip", "netns", "add", name), f"a container {name}, as a runtime makes it: no network"),
                *((loopback,) if self.loopback else ()),
            ),
            undo=(Run(("sudo", "ip", "netns", "del", name), f"take the container {name} away"),),
            look=(Run(("ip", "netns", "list")),),
        )


def _is_namespace(kernel: Kernel, guest: Container) -> bool:
    try:
        return bool(kernel.net(guest.place).links())
    except KernelRefused:
        return False


def _ask(kernel: Kernel, guest: Container, verb: str) -> None:
    done = kernel.programs(Place(guest.node)).run(("ip", "netns", verb, guest.name))
    if done.code != 0:
        said = (done.err.strip() or f"exit code {done.code}").splitlines()[-1]
        raise KernelRefused(f"`ip netns {verb} {guest.name}` failed on {guest.node}: {said}", "labctl status")
