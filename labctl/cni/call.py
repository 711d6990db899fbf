"""What every command of the plug-in needs: the request, the configuration, the store, the way back."""

from __future__ import annotations

import fcntl
import os
import stat
from typing import TYPE_CHECKING

from labctl.cni.attachment import Attachment, Given
from labctl.cni.failure import BAD_VARIABLES, CniFailure
from labctl.cni.store import Store, locked
from labctl.kernel.plugin_kernel import HERE, PluginKernel
from labctl.kernel.spawn import MOST_SECONDS
from labctl.model.value import replace

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from labctl.cni.config import Configuration
    from labctl.cni.request import Request

_NETNS = "/proc/self/ns/net"
_NS_GET_NSTYPE = 0xB703
_CLONE_NEWNET = 0x40000000


class Call:
    """One call, with all that it needs to know."""

    def __init__(self, request: Request, configuration: Configuration, environment: Mapping[str, str]) -> None:
        """Nothing is done yet."""
        self.request, self.configuration, self.environment = request, configuration, environment
        self.kernel = PluginKernel(request.netns, configuration.families)
        self.files = self.kernel.files(HERE.node)

    @property
    def store(self) -> Store:
        """The store as it is now."""
        return Store(self.files, self.configuration.folder)

    def attachment(self, given: tuple[Given, ...] = (), routed: frozenset[str] = frozenset()) -> Attachment:
        """What the call is about."""
        return Attachment(self.configuration, *self.request.attachment, given, routed)

    def check_netns(self) -> None:
        """Insist on a namespace that is there and not the node's own.

        Raises:
            CniFailure: 4, naming CNI_NETNS.
        """
        path = self.request.netns
        try:
            is_own = self.is_own_netns()
            kind = os.stat(path)
        except (OSError, ValueError) as error:
            said = getattr(error, "strerror", None) or str(error)
            raise CniFailure(BAD_VARIABLES, f"CNI_NETNS is {path!r}, which cannot be looked at: {said}") from None
        if is_own:
            raise CniFailure(BAD_VARIABLES, f"CNI_NETNS is {path!r}, the node's own; expected the container's")
        if not stat.S_ISREG(kind.st_mode) or kind.st_dev != os.stat(_NETNS).st_dev or not _is_network(path):
            raise CniFailure(BAD_VARIABLES, f"CNI_NETNS is {path!r}; expected a network namespace")

    def is_own_netns(self) -> bool:
        """Tell whether the namespace of the request is the node's own.

        Raises:
            OSError, ValueError: it cannot be looked at.
        """
        return os.path.samefile(self.request.netns, _NETNS)

    def dress(self, addresses: tuple[str, ...]) -> Iterator[Given]:
        """Put prefix and gateway to addresses of the store."""
        from ipaddress import ip_address

        for each in addresses:
            for ranges in self.configuration.range_sets:
                home = next((one for one in ranges if ip_address(each) in one.subnet), None)
                if home:
                    yield Given(f"{each}/{home.subnet.prefixlen}", str(home.gateway))
                    break

    def adopt(self, result: object) -> tuple[Given, ...]:
        """Take addresses, routes and dns from what an IPAM plug-in answered (or an earlier ADD of ours)."""
        from labctl.cni.delegate import read_dns, read_given, read_routes

        dns = self.configuration.dns or read_dns(result)
        self.configuration = replace(self.configuration, routes=read_routes(result), dns=dns)
        return read_given(result)

    def delegate(self, command: str, seconds: int = MOST_SECONDS) -> object:
        """Ask the IPAM plug-in of the configuration; give what it said."""
        from labctl.cni.delegate import delegate

        return delegate(self.request, self.configuration, self.environment, command, seconds)

    def forget(self) -> None:
        """Take the attachment out of the store: its addresses are free again."""
        if os.path.isdir(self.configuration.folder):
            with locked(self.configuration.folder):
                self.store.release(self.request.attachment)


def _is_network(path: str) -> bool:
    """Tell a network namespace from those of another type (ioctl_ns(2))."""
    fd = os.open(path, os.O_RDONLY)
    try:
        return fcntl.ioctl(fd, _NS_GET_NSTYPE) == _CLONE_NEWNET
    except OSError:
        return False
    finally:
        os.close(fd)
