"""A container and an interface of it in a network, and what a plug-in said of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labctl.cni.conformance.call import Answer
    from labctl.cni.conformance.network import Network


@dataclass(frozen=True)
class Attachment:
    """A container and an interface of it, in a network."""

    network: Network
    container: str
    netns: str
    interface: str = "eth0"


@dataclass(frozen=True)
class Attached:
    """An attachment that stands, and what the plug-in said of it."""

    attachment: Attachment
    answer: Answer

    @property
    def result(self) -> dict[str, Any]:
        """The result, as a runtime hands it on in prevResult."""
        return self.answer.fields

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses of the result, without prefix."""
        ips = self.result.get("ips")
        found = (
            (str(each.get("address", "")) for each in ips if isinstance(each, dict)) if isinstance(ips, list) else ()
        )
        return tuple(each.partition("/")[0] for each in found if each)

    @property
    def host_interfaces(self) -> tuple[str, ...]:
        """The interfaces of the result that lie on the node."""
        listed = self.result.get("interfaces")
        entries = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
        return tuple(str(each.get("name")) for each in entries if not each.get("sandbox"))
