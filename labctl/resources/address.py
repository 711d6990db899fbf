"""Addresses: the bridge's, which is known beforehand, and the container's, which was reserved for it."""

from __future__ import annotations

from ipaddress import ip_interface, ip_network
from typing import TYPE_CHECKING

from labctl.model.resource import Absent, Present, Seen
from labctl.model.shell import Capture, Run, Shell, Var
from labctl.model.store import reserved_address, store_folder
from labctl.model.value import Value
from labctl.resources.links import INTERFACE, find_link

if TYPE_CHECKING:
    from labctl.model.lab import Container, Node, Place
    from labctl.model.ports import Kernel
    from labctl.model.shell import Dialect, Word
    from labctl.model.values import Address


def _observe(kernel: Kernel, place: Place, device: str, wanted: str) -> Seen:
    """Hold the addresses of a device against the wanted one; another address on it is a near miss."""
    found = _of_family(kernel.net(place).addresses(), wanted)
    if find_link(kernel, place, device) is None:
        return Absent(f"{place} has no {device}")
    on_device = [each.cidr for each in found if each.device == device]
    if wanted in on_device:
        others = [cidr for cidr in on_device if _host(cidr) == _host(wanted) and cidr != wanted]
        return Present(tuple(f"{device} of {place} has {cidr} too; expected only {wanted}" for cidr in others))
    if on_device:
        return Present((f"{device} of {place} has {', '.join(on_device)}; expected {wanted}",))
    elsewhere = [each.device for each in found if _host(each.cidr) == _host(wanted)]
    if elsewhere:
        return Present((f"{_host(wanted)} is on {elsewhere[0]} of {place}; expected on {device}",))
    return Absent(f"{device} of {place} has no address; expected {wanted}")


def _clear(kernel: Kernel, place: Place, device: str, wanted: str) -> None:
    """Take away the wanted address wherever it is, and what stands on the device in its place."""
    net = kernel.net(place)
    held = _of_family(net.addresses(), wanted)
    has_wanted = any(each.device == device and each.cidr == wanted for each in held)
    for each in held:
        if _host(each.cidr) == _host(wanted) or (each.device == device and not has_wanted):
            net.delete_address(each.device, each.cidr)


def _of_family(addresses: tuple[Address, ...], wanted: str) -> tuple[Address, ...]:
    """Leave out the other family's: they are no near misses."""
    return tuple(each for each in addresses if (":" in each.cidr) == (":" in wanted))


def _host(cidr: str) -> str:
    return cidr.partition("/")[0]


class LinkAddress(Value):
    """An address that is known beforehand, on a node's device."""

    place: Place
    device: str
    cidr: str
    cluster: str
    """The range of all nodes together: an address on the device that reaches into it, beyond `cidr`, is wrong."""

    @property
    def key(self) -> str:
        """`address:master/cni0/10.244.0.1/24`."""
        return f"address:{self.place}/{self.device}/{self.cidr}"

    def observe(self, kernel: Kernel) -> Seen:
        """Look at the device's addresses."""
        seen = _observe(kernel, self.place, self.device, self.cidr)
        strays = self._strays(kernel)
        if seen != Present() or not strays:
            return seen
        what = f"{self.device} of {self.place} has {', '.join(strays)} too, as if the pods of other nodes were on it"
        return Present((f"{what}; expected only {self.cidr}",))

    def _strays(self, kernel: Kernel) -> tuple[str, ...]:
        """The addresses by which the node takes the pods of other nodes for neighbours."""
        own, cluster = ip_interface(self.cidr).network, ip_network(self.cluster)
        return tuple(
            each.cidr
            for each in _of_family(kernel.net(self.place).addresses(), self.cidr)
            if each.device == self.device
            and _host(each.cidr) != _host(self.cidr)
            and (net := ip_interface(each.cidr).network).overlaps(cluster)
            and not (net.version == own.version and net.subnet_of(own))  # type: ignore[arg-type]  # one family: see above
        )

    def apply(self, kernel: Kernel) -> None:
        """Give it; what is wrong in its place goes first."""
        if isinstance(self.observe(kernel), Present):
            _clear(kernel, self.place, self.device, self.cidr)
            for cidr in self._strays(kernel):
                kernel.net(self.place).delete_address(self.device, cidr)
        kernel.net(self.place).add_address(self.device, self.cidr)

    def revert(self, kernel: Kernel) -> None:
        """Take it away."""
        _clear(kernel, self.place, self.device, self.cidr)

    def shell(self, dialect: Dialect) -> Shell:
        """`ip addr add`; the kernel adds the route by itself."""
        del dialect  # both say it alike
        words: tuple[Word, ...] = (self.cidr, "dev", self.device)
        return Shell(
            do=(
                Run(
                    ("sudo", "ip", "addr", "add", *words),
                    "give it an address; the kernel adds the route of the range by itself",
                ),
            ),
            undo=(Run(("sudo", "ip", "addr", "del", *words), f"take the address of {self.device} away"),),
            look=(Run(("ip", "route", "show", "dev", self.device), "the route that the kernel made"),),
        )


class ContainerAddress(Value):
    """The address that is reserved for a container, on its eth0, with the prefix of the node's pod range."""

    node: Node
    container: Container
    network: str

    @property
    def key(self) -> str:
        """`address:master/a/eth0`."""
        return f"address:{self.container.place}/{INTERFACE}"

    def _wanted(self, kernel: Kernel) -> str | None:
        address = reserved_address(kernel, self.container, self.network)
        return f"{address}/{self.node.pod_range.prefixlen}" if address else None

    def observe(self, kernel: Kernel) -> Seen:
        """Look at eth0's addresses, and at the reservation."""
        wanted = self._wanted(kernel)
        if wanted is None:
            return Absent(f"no address is reserved for {self.container.name}")
        return _observe(kernel, self.container.place, INTERFACE, wanted)

    def apply(self, kernel: Kernel) -> None:
        """Give eth0 the reserved address; another goes first."""
        wanted = self._wanted(kernel)
        if wanted is not None:
            if isinstance(self.observe(kernel), Present):
                self._clear_mistaken(kernel, wanted)
            kernel.net(self.container.place).add_address(INTERFACE, wanted)

    def _clear_mistaken(self, kernel: Kernel, wanted: str) -> None:
        """Take the wrong addresses away; the node may remember whose they were, for as long as it believes it."""
        mistaken = [each.cidr for each in kernel.net(self.container.place).addresses() if each.device == INTERFACE]
        _clear(kernel, self.container.place, INTERFACE, wanted)
        for cidr in mistaken:
            kernel.net(self.node.place).forget_neighbour(_host(cidr))

    def revert(self, kernel: Kernel) -> None:
        """Take every address of eth0 away."""
        net = kernel.net(self.container.place)
        for each in net.addresses():
            if each.device == INTERFACE:
                net.delete_address(INTERFACE, each.cidr)

    def shell(self, dialect: Dialect) -> Shell:
        """Look the reservation up, and give the address to eth0 inside the container's namespace."""
        inside = enter_container(dialect)
        cidr: Word = (Var("ADDRESS"), f"/{self.node.pod_range.prefixlen}")
        awk = (
            "awk",
            "-v",
            ("name=", Var("CNI_CONTAINERID")),
            "$2 == name {print $1}",
            f"{store_folder(self.network)}/reserved",
        )
        capture = Capture("ADDRESS", Run(awk), f"the address that step 1 reserved for {self.container.name}")
        return Shell(
            do=(
                capture,
                Run(
                    (*inside, "addr", "add", cidr, "dev", INTERFACE),
                    f"give it to {INTERFACE}, with the prefix of the pod range",
                ),
            ),
            undo=(
                Run((*inside, "addr", "flush", "dev", INTERFACE), f"take the address of {self.container.name} away"),
            ),
            look=(Run((*inside, "addr", "show", "dev", INTERFACE)),),
        )


def enter_container(dialect: Dialect) -> tuple[Word, ...]:
    """How `ip` is run in a container's namespace: `ip netns exec NAME ip …` as in the notes, or `ip -n NAME …`."""
    name = Var("CNI_CONTAINERID")
    return ("sudo", "ip", "netns", "exec", name, "ip") if dialect == "notes" else ("sudo", "ip", "-n", name)
