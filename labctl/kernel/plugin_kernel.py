"""The part of the port `Kernel` that the CNI plug-in uses, and no more: where it runs, and one container beside it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, cast

from labctl.errors import KernelRefused
from labctl.kernel import spawn
from labctl.kernel.files import NodeFiles
from labctl.kernel.firewall import IptablesFirewall
from labctl.kernel.ip_batch import IpNet
from labctl.model.lab import Place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labctl.kernel.places import Places
    from labctl.model.ports import Kernel
    from labctl.model.values import Completed

OWN_LINK = "/./"
"""With what the target of a link that the plug-in made begins: it leads to the same place, and tells whose it is."""
OWN_GROUP = "27745"
"""The group of links (ip-link(8)) of the node's ends of its cables: known from the moment at which one is made."""
HERE = Place("node")
"""The node that the plug-in was called on: its own namespaces."""


class _Here:
    """Stands in for `Places`: the plug-in is where it works already."""

    def go(self, place: Place) -> None:
        """Stay."""


class _HereFiles(NodeFiles):
    """The node's files; a container's namespace is known by the path that the runtime gave."""

    def __init__(self, netns: str) -> None:
        super().__init__(cast("Places", _Here()), HERE.node)
        self._netns = netns

    def same_namespace(self, path: str, place: Place) -> bool:
        """Compare device and inode of the two namespace files (namespaces(7))."""
        try:
            return os.path.samefile(path, self._netns or "/proc/self/ns/net") if place.container else False
        except OSError:
            return False


class _HerePrograms:
    """Programs on the node."""

    def run(self, argv: Sequence[str], text: str = "") -> Completed:
        """Run one to its end."""
        return spawn.run(argv, text)

    def look(self, argv: Sequence[str], text: str = "") -> Completed:
        """Run one that changes nothing."""
        return spawn.run(argv, text)


class _Firewall(IptablesFirewall):
    """The node's packet filter, without the aside about the backend that `iptables` is not: that is for learners."""

    def other_backend(self) -> str:
        """Not asked: it would cost more than all the rest."""
        return ""


class PluginKernel:
    """What a resource may ask while the plug-in works on one container, whose namespace the runtime calls `netns`."""

    def __init__(self, netns: str, families: Sequence[int]) -> None:
        """Nothing is asked yet."""
        self.netns, self._families = netns, families
        self._nets: dict[Place, IpNet] = {}
        self._files = _HereFiles(netns)
        self._firewalls = {family: _Firewall(_HerePrograms(), family) for family in (4, 6)}

    @property
    def port(self) -> Kernel:
        """This, as what resources take; whatever is not here, none of the plug-in's resources asks for."""
        return cast("Kernel", self)

    def net(self, place: Place) -> IpNet:
        """A network namespace; the changes that wait elsewhere are carried out first, for the order matters."""
        flushed = [other for other, net in self._nets.items() if other != place and net.flush()]
        if flushed:
            for other, net in self._nets.items():  # a cable made or taken away there has an end here
                if other != flushed[-1]:  # what was watched there was looked at behind all changes
                    net.forget()
        if place not in self._nets:
            self._nets[place] = IpNet(lambda each: each.container, self._families, place.container, OWN_GROUP)
        return self._nets[place]

    def files(self, node: str) -> NodeFiles:
        """The node's files."""
        del node
        return self._files

    def programs(self, place: Place) -> _HerePrograms:
        """Programs on the node."""
        del place
        return _HerePrograms()

    def firewall(self, node: str, family: int = 4) -> IptablesFirewall:
        """The node's packet filter, of one family."""
        del node
        return self._firewalls[family]

    def setting(self, place: Place, name: str) -> str | None:
        """Read a sysctl of the node."""
        del place
        return self._files.read(_sysctl(name))

    def has_own_mac(self, bridge: str) -> bool:
        """Tell whether somebody has given a bridge its MAC (sysfs-class-net, addr_assign_type: NET_ADDR_SET)."""
        return (self._files.read(f"/sys/class/net/{bridge}/addr_assign_type") or "").strip() == "3"

    def is_off(self, name: str) -> bool:
        """Tell whether a sysctl of the node is 0."""
        return (self.setting(HERE, name) or "").strip() == "0"

    def set_setting(self, name: str, value: str) -> None:
        """Write a sysctl of the node.

        Raises:
            KernelRefused: it may not be written.
        """
        try:
            with open(_sysctl(name), "w", encoding="ascii") as file:
                file.write(value)
        except OSError as error:
            raise KernelRefused(f"{name} cannot be set to {value}: {error.strerror}") from None

    def enable_ipv6(self, container: Place, interface: str) -> None:
        """Have a container's link, and its `lo`, speak IPv6 where its namespace has it turned off (ip-sysctl.rst).

        Container runtimes turn it off in a new namespace (Docker does); who gives the link an address of IPv6 wants it.

        Raises:
            KernelRefused: it may not be written, or the kernel has no IPv6.
        """
        self.net(container)  # what waits on the node goes first: the link has to be there
        paths = [f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6" for name in ("lo", interface)]
        done = spawn.run(("ip", "netns", "exec", container.container, "tee", *paths), "0")
        if done.code != 0:
            said = next(iter(done.err.splitlines()), f"exit code {done.code}")
            raise KernelRefused(f"{interface} of {container} cannot be made to speak IPv6: {said}")

    def namespace_path(self, place: Place) -> str:
        """Whatever the runtime calls it."""
        del place
        return OWN_LINK + os.path.abspath(self.netns).lstrip("/")

    def drop(self) -> None:
        """Leave undone what waits: something else has failed."""
        for net in self._nets.values():
            net.drop()

    def refresh(self) -> None:
        """Carry out what waits; look anew from now on."""
        for net in self._nets.values():
            net.flush()
            net.forget()
        for firewall in self._firewalls.values():
            firewall.forget()


def forwarding(families: Sequence[int]) -> tuple[str, ...]:
    """The sysctls without which a node forwards nothing of these families."""
    names = {4: "net.ipv4.ip_forward", 6: "net.ipv6.conf.all.forwarding"}
    return tuple(names[family] for family in families)


def _sysctl(name: str) -> str:
    return "/proc/sys/" + name.replace(".", "/")
