"""The other way round of what a snapshot does to names: from `<mac of master/a eth0>` to what it is in this world."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from labctl.engine.remake.picture import place_of
from labctl.errors import KernelRefused

if TYPE_CHECKING:
    from labctl.model.lab import Lab
    from labctl.model.ports import Kernel

_NETNS = re.compile(r"<netns of ([^\s>]+)>")
_MAC = re.compile(r"<mac of (\S+) ([^\s>]+)(?: or a port of it)?>")


class Spelled:
    """Reads a snapshot's texts for one world."""

    def __init__(self, kernel: Kernel, lab: Lab) -> None:
        """Ask this world."""
        self._kernel = kernel
        self._containers = {each.name: each for each in lab.containers}

    def text(self, text: str) -> str:
        """Put this world's paths and MACs in; what it does not have stays as it is spelled."""
        return _MAC.sub(self._mac, _NETNS.sub(self._netns, text))

    def pid_of(self, text: str) -> str:
        """The process that holds the namespace of which the text speaks, and of nothing else; empty if none does."""
        found = _NETNS.fullmatch(text)
        return self._netns(found).split("/")[2] if found and found[1] in self._containers else ""

    def _netns(self, found: re.Match[str]) -> str:
        container = self._containers.get(found[1])
        return self._kernel.namespace_path(container.place) if container else found[0]

    def _mac(self, found: re.Match[str]) -> str:
        # Of a bridge and its ports one is as good as another: which one a bridge borrows differs from world to world.
        try:
            link = self._kernel.net(place_of(found[1])).link(found[2])
        except KernelRefused:
            return found[0]
        return link.mac if link else found[0]
