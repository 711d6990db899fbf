"""The node's store of reserved addresses, and a container's line in it.

The store is a text file, `ADDRESS OWNER` a line. Everyone who changes it locks its folder (flock(1) takes folders): no
lock file is left over when the store goes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from labctl.errors import KernelRefused
from labctl.model.resource import Absent, Foreign, Present, Seen
from labctl.model.shell import Capture, Pipe, Redirect, Run, Shell, Var
from labctl.model.store import ASK_FAST, read_reservations, store_folder
from labctl.model.value import Value
from labctl.resources.links import reservation_faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from labctl.model.lab import Container, Lab, Node
    from labctl.model.ports import Kernel
    from labctl.model.shell import Dialect, Word

_TRIES = 100
_NAMES = Run(("awk", "/^Nmap scan report/ {print $NF}"))


class AddressStore(Value):
    """The file of reserved addresses. It keeps three from ever being given away: network, bridge, broadcast."""

    lab: Lab
    node: Node

    @property
    def key(self) -> str:
        """`store:master/k8s`."""
        return f"store:{self.node.name}/{self.lab.network}"

    @property
    def path(self) -> str:
        """Where it is."""
        return f"{store_folder(self.lab.network)}/reserved"

    def _kept(self) -> tuple[tuple[str, str], ...]:
        pod_range = self.node.pod_range
        return (
            (str(pod_range.network_address), "network"),
            (str(self.node.bridge_address), self.lab.bridge),
            (str(pod_range.broadcast_address), "broadcast"),
        )

    def observe(self, kernel: Kernel) -> Seen:
        """Look for the file and its three lines."""
        info = kernel.files(self.node.name).info(self.path)
        if info is None:
            return Absent(f"{self.node.name} has no {self.path}")
        if info.kind != "file":
            return Foreign(f"{self.path} on {self.node.name} is a {info.kind}, not a file")
        pairs = read_reservations(kernel, self.node.name, self.lab.network)
        held = {address for address, _ in pairs}
        lacking = [f"{address} ({whose})" for address, whose in self._kept() if address not in held]
        why = f"{self.path} on {self.node.name} does not keep {', '.join(lacking)} from being given away"
        if pairs and len(self._others(pairs)) == len(pairs):
            return Absent(why)  # whoever else keeps a list there, it is not this one
        return Present((f"{why}; expected the three lines",) if lacking else ())

    def _others(self, pairs: tuple[tuple[str, str], ...]) -> list[str]:
        """The reservations that are nobody's of this lab."""
        kept = {address for address, _ in self._kept()}
        own = {container.name for container in self.node.containers}
        return [f"{address} ({whose})" for address, whose in pairs if address not in kept and whose not in own]

    def apply(self, kernel: Kernel) -> None:
        """Write the lines that are missing, before whatever is there."""
        pairs = dict(read_reservations(kernel, self.node.name, self.lab.network))
        lines = "".join(f"{address} {whose}\n" for address, whose in self._kept() if address not in pairs)
        _change(kernel, self.node.name, self.lab.network, lambda text: lines + text)

    def revert(self, kernel: Kernel) -> None:
        """Drop the three lines, and the file if nothing else is in it."""
        files = kernel.files(self.node.name)
        info = files.info(self.path)
        if info is None or info.kind != "file":
            return
        kept = {address for address, _ in self._kept()}

        def drop(text: str) -> str:
            lines = text.splitlines(keepends=True)
            return "".join(line for line in lines if not kept & set(line.split()[:1]))

        if drop(files.read(self.path) or "").strip():
            _change(kernel, self.node.name, self.lab.network, drop)
        else:
            files.remove(self.path)

    def bystanders(self, kernel: Kernel) -> tuple[str, ...]:
        """Name the reservations that are nobody's of this lab."""
        others = self._others(read_reservations(kernel, self.node.name, self.lab.network))
        return (f"{self.path} on {self.node.name} keeps {', '.join(others)}",) if others else ()

    def shell(self, dialect: Dialect) -> Shell:
        """`printf` and `tee`."""
        del dialect  # both say it alike
        lines = tuple(f"{address} {whose}" for address, whose in self._kept())
        write = Pipe((Run(("printf", r"%s\n", *lines)), Run(("sudo", "tee", self.path))))
        return Shell(
            do=(
                Redirect(
                    write, "/dev/null", comment="addresses that are never given away: network, bridge and broadcast"
                ),
            ),
            undo=(Run(("sudo", "rm", "-f", self.path), "remove the list"),),
            look=(Run(("cat", self.path)),),
        )


class Reservation(Value):
    """One address for one container: labctl takes the lowest that nobody has reserved and nobody answers for."""

    lab: Lab
    node: Node
    container: Container

    @property
    def key(self) -> str:
        """`reservation:master/a`."""
        return f"reservation:{self.container.place}"

    @property
    def asked(self) -> tuple[str, str]:
        """Who answers in the node's range?"""
        return self.node.name, str(self.node.pod_range)

    def observe(self, kernel: Kernel) -> Seen:
        """Look for the container's line; any free address of the range is as good as the lowest."""
        pairs = read_reservations(kernel, self.node.name, self.lab.network)
        own = [address for address, whose in pairs if whose == self.container.name]
        if not own:
            return Absent(f"no address is reserved for {self.container.name}")
        drift = reservation_faults(kernel, self.node, self.container, self.lab.network)
        return Present(drift, note=f"it is {own[0]}", as_printed=True)

    def apply(self, kernel: Kernel) -> None:
        """Drop what was wrong, then take the lowest free address, under the lock."""
        self.revert(kernel)
        listed = kernel.scanner(self.node.name).listed(str(self.node.pod_range))
        answering = set(kernel.scanner(self.node.name).answering(str(self.node.pod_range)))
        kept = {str(self.node.pod_range[0]), str(self.node.bridge_address), str(self.node.pod_range[-1])}

        def reserve(text: str) -> str:
            reserved = {line.split()[0] for line in text.splitlines() if line.strip()}
            free = next((each for each in listed if each not in reserved | answering | kept), None)
            if free is None:
                raise KernelRefused(
                    f"no address of {self.node.pod_range} is free on {self.node.name}",
                    (
                        f"see who holds them: labctl exec {self.node.name} -- cat "
                        f"{store_folder(self.lab.network)}/reserved"
                    ),
                )
            # Somebody's editor may have left the last line without its end.
            return f"{text}{'' if text.endswith(chr(10)) or not text else chr(10)}{free} {self.container.name}\n"

        _change(kernel, self.node.name, self.lab.network, reserve)

    def revert(self, kernel: Kernel) -> None:
        """Drop the container's lines, and no other's."""
        path = f"{store_folder(self.lab.network)}/reserved"
        if kernel.files(self.node.name).info(path) is None:
            return

        def drop(text: str) -> str:
            lines = text.splitlines(keepends=True)
            return "".join(line for line in lines if line.split()[1:2] != [self.container.name])

        _change(kernel, self.node.name, self.lab.network, drop)

    def shell(self, dialect: Dialect) -> Shell:
        """Nmap's list, less the reserved, less those who answer; then one line under flock(1)."""
        del dialect  # both say it alike
        folder, pod_range = store_folder(self.lab.network), str(self.node.pod_range)
        scan = Pipe((Run(("sudo", "nmap", "-n", "-sn", *ASK_FAST, pod_range)), _NAMES))
        subtract = Run(("grep", "-vxF", "-e", Var("RESERVED"), "-e", Var("ANSWERING")))
        listed = Pipe((Run(("nmap", "-n", "-sL", pod_range)), _NAMES, subtract, Run(("head", "-n", "1"))))
        # Asked again under the lock: two at once must not take the same.
        append = f'! grep -q "^$0 " {folder}/reserved && echo "$0 $1" >> {folder}/reserved'
        line: tuple[Word, ...] = (Var("ADDRESS"), Var("CNI_CONTAINERID"))
        drop = ("sed", "-i", ("/^[^ ]* ", Var("CNI_CONTAINERID"), "$/d"), f"{folder}/reserved")
        return Shell(
            do=(
                Capture("ANSWERING", scan, f"{self.container.name}: who answers in {pod_range}?"),
                Capture(
                    "RESERVED", Run(("cut", "-d", " ", "-f", "1", f"{folder}/reserved")), "what is given away already"
                ),
                Capture("ADDRESS", listed, "all addresses, less those, less who answers: the first is free"),
                Run(
                    ("sudo", "flock", folder, "sh", "-c", append, *line),
                    f"write down that it is {self.container.name}'s, unless somebody was quicker",
                ),
            ),
            undo=(Run(("sudo", "flock", folder, *drop), f"give the address of {self.container.name} back"),),
            look=(Run(("cat", f"{folder}/reserved")),),
        )


def _change(kernel: Kernel, node: str, network: str, change: Callable[[str], str]) -> None:
    """Change the store's text under its lock, again where somebody else was quicker."""
    path, lock = f"{store_folder(network)}/reserved", store_folder(network)
    for _ in range(_TRIES):
        text = kernel.files(node).read(path) or ""
        new = change(text)
        if new == text or kernel.files(node).exchange(path, lock, text, new):
            return
        kernel.refresh()
    raise KernelRefused(f"{path} on {node} keeps changing under us", "who else writes it? see: labctl exec … -- ps ax")
