"""What one attachment is made of: the resources of steps 0, 2, 3, 5 and 6, for a container that a runtime made."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING
from zlib import crc32

from labctl.cni.failure import NAME_TAKEN, REFUSED, CniFailure
from labctl.cni.own import OwnAddress
from labctl.kernel.plugin_kernel import HERE, OWN_GROUP, OWN_LINK
from labctl.model.lab import Container
from labctl.model.resource import Absent, Foreign, Present, Unknown, state_of
from labctl.model.value import Value
from labctl.resources.bridge import Bridge
from labctl.resources.netns_link import NetnsLink
from labctl.resources.route import DefaultRoute
from labctl.resources.veth import VethPair

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labctl.cni.config import Configuration
    from labctl.kernel.plugin_kernel import PluginKernel
    from labctl.model.resource import Resource
    from labctl.model.values import Link

_MARK = "lab"
_LONGEST_ALIAS = 255  # IFALIASZ less its end


class Given(Value):
    """An address that a container was given, with its prefix, and the gateway that goes with it (or an empty text)."""

    cidr: str
    gateway: str


def host_end(network: str, attachment: tuple[str, str]) -> str:
    """What the node's end of an attachment's cable is called: 15 letters, the same at every call.

    DEL may know nothing but this. It is no proof of whose the cable is (`mark` is), so a checksum will do: `hashlib`
    takes longer to import than to spell this.
    """
    said = "\0".join((network, *attachment)).encode()
    return f"{_MARK}{crc32(said):08x}{crc32(said[::-1]) & 0xFFFF:04x}"


def mark(network: str, attachment: tuple[str, str]) -> str:
    """What is written on the node's end (its alias): only what bears it is deleted."""
    said = f"labnet {network} {' '.join(attachment)}"
    if len(said.encode()) <= _LONGEST_ALIAS and not {'"', "\\"} & set(said):
        return said
    return f"labnet# {_digest(network)} {_digest(*attachment)}"


def is_own_end(link: Link, marked: str) -> bool:
    """Tell whether a link of the node is the end of the attachment whose name it has, and whose mark is given."""
    return link.alias == marked or is_unmarked(link)


def is_unmarked(link: Link) -> bool:
    """Tell an end of ours that was made, but not marked yet when everything stopped: only its group says so."""
    return link.kind == "veth" and link.group == OWN_GROUP and not link.alias


def network_marks(network: str) -> tuple[str, str]:
    """With what it begins for all of a network's cables: plain, and where that would be too long."""
    return f"labnet {network} ", f"labnet# {_digest(network)} "


def _digest(*words: str) -> str:
    import hashlib

    return hashlib.sha256("\0".join(words).encode()).hexdigest()


class Attachment(Value):
    """One interface of one container in one network.

    `routed` are destinations that a route of another interface leads to: that one was there first, and stays.
    """

    configuration: Configuration
    container_id: str
    interface: str
    given: tuple[Given, ...]
    routed: frozenset[str] = frozenset()

    @cached_property
    def container(self) -> Container:
        """The container as the resources see it."""
        return Container(self.container_id, HERE.node)

    @property
    def families(self) -> tuple[int, ...]:
        """Of which families its addresses are."""
        return tuple(sorted({6 if ":" in each.cidr else 4 for each in self.given}))

    @property
    def link(self) -> NetnsLink:
        """The name by which `ip netns` finds it."""
        return NetnsLink(self.container)

    @property
    def cable(self) -> VethPair:
        """The cable, whose end on the node sends back what came in by it: a pod may call itself by a Service."""
        return VethPair(
            self.container,
            self.configuration.bridge,
            interface=self.interface,
            called=host_end(self.configuration.name, (self.container_id, self.interface)),
            hairpin=True,
            alone=False,
        )

    def of_node(self) -> tuple[Resource, ...]:
        """What all containers of the network share: the bridge, its addresses, the rules."""
        bridge = self.configuration.bridge
        prefixes = [(each.gateway, each.cidr.rpartition("/")[2]) for each in self.given if each.gateway]
        addresses = tuple(OwnAddress(HERE, bridge, f"{gateway}/{prefix}") for gateway, prefix in prefixes)
        return (Bridge(HERE.node, bridge), *addresses, *self.rules())

    def rules(self) -> tuple[Resource, ...]:
        """The rules of steps 5 and 6, for each family of the configuration."""
        from labctl.cni.rules import make_rules

        return make_rules(self.configuration, self.given)

    def routes(self) -> tuple[DefaultRoute, ...]:
        """The routes that the configuration asks for; without any, everything goes to the bridge."""
        gateways = {":" in each.gateway: each.gateway for each in reversed(self.given) if each.gateway}
        wanted = self.configuration.routes
        if not wanted and not self.configuration.ipam:  # another IPAM plug-in's routes are all that is wanted
            wanted = tuple(("::/0" if six else "0.0.0.0/0", "") for six in sorted(gateways))
        made = []
        for destination, via in wanted:
            gateway = via or gateways.get(":" in destination, "")
            if gateway and destination not in self.routed:
                spelled = "default" if destination in ("0.0.0.0/0", "::/0") else destination
                made.append(DefaultRoute(self.container, gateway, spelled))
        return tuple(made)

    def of_container(self) -> tuple[Resource, ...]:
        """What is this container's alone, in the order in which it is made."""
        addresses = tuple(OwnAddress(self.container.place, self.interface, each.cidr) for each in self.given)
        return (self.link, self.cable, *addresses, *self.routes())


def spell_destination(destination: str, gateway: str) -> str:
    """A destination as a result has it, where `ip` says `default`."""
    if destination != "default":
        return destination
    return "::/0" if ":" in gateway else "0.0.0.0/0"


def forget_name(attachment: Attachment, kernel: PluginKernel) -> None:
    """Remove the name of the namespace if it is a link of ours; what others made, or `ip netns add`, stays."""
    info = kernel.files(HERE.node).info(attachment.link.path)
    if info and info.kind == "link" and info.target.startswith(OWN_LINK):
        kernel.files(HERE.node).remove(attachment.link.path)


def ensure_shared(resources: Sequence[Resource], kernel: PluginKernel) -> None:
    """Make what the node's containers share, where it is missing; what others have put beside or before it stays.

    Raises:
        CniFailure: 100 if the bridge's name is taken, 102 if something is not as it should be and not ours to change.
    """
    for resource in resources:
        seen = resource.observe(kernel.port)
        match seen:
            case Foreign(why):
                raise CniFailure(NAME_TAKEN, why)
            case Unknown(why):
                raise CniFailure(REFUSED, why)
            case Absent() | Present(drift=(_, *_)):
                resource.apply(kernel.port)


def is_shared_there(resources: Sequence[Resource], kernel: PluginKernel) -> bool:
    """Tell whether nothing has to be made of what containers share; then nobody has to wait for anybody."""
    seen = (resource.observe(kernel.port) for resource in resources)
    return all(isinstance(each, Present) and not each.drift for each in seen)


def pull_cable(attachment: Attachment, kernel: PluginKernel) -> bool:
    """Delete the node's end if it is this attachment's; the other end goes with it, with addresses and routes.

    Gives whether there was one.
    """
    node, name = kernel.net(HERE), attachment.cable.host_name
    node.expect(name, attachment.configuration.bridge)
    link = node.link(name)
    if link and is_own_end(link, mark(attachment.configuration.name, (attachment.container_id, attachment.interface))):
        node.delete_link(name)
        return True
    return False


def faults_of(resources: Sequence[Resource], kernel: PluginKernel) -> tuple[str, ...]:
    """What is missing or wrong, a sentence each, the first cause first."""
    said = []
    for resource in resources:
        state, why = state_of(resource.observe(kernel.port))
        if state != "present":
            said.append(why or f"{resource.key} is {state}")
    return tuple(said)
