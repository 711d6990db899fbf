"""The agent's feet: goes from place to place inside the world, and knows where it stands."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from labctl.errors import WorldGone
from labctl.kernel import syscalls
from labctl.kernel.inside import open_keeper
from labctl.model.lab import Place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labctl.model.world import WorldRecord

_HOST = syscalls.CLONE_NEWNS | syscalls.CLONE_NEWUTS


class Places:
    """Moves the calling process, which must be inside the world and have one thread."""

    def __init__(self, record: WorldRecord) -> None:
        """Start where the process stands."""
        self._keepers = dict(record.keepers)
        self._fds: dict[Place, int] = {}
        self._host: str | None = None
        self._net: Place | None = None

    def pid(self, place: Place) -> int:
        """The pid of a place's keeper as the world numbers it.

        Raises:
            WorldGone: there is no such place, or its keeper is gone.
        """
        self._fd(place)
        return self._keepers[str(place)].inside

    def go(self, place: Place) -> None:
        """Be in the mount and uts namespace of a place's host, and in the place's network namespace."""
        if self._host != place.node:
            syscalls.setns(self._fd(Place(place.node)), _HOST)
            self._host = place.node
        self.go_net(place)

    def go_net(self, place: Place) -> None:
        """Be in the network namespace of a place; files stay where they are."""
        if self._net != place:
            syscalls.setns(self._fd(place), syscalls.CLONE_NEWNET)
            self._net = place

    @contextmanager
    def at(self, place: Place) -> Iterator[None]:
        """Open sockets in a place's network namespace; they stay there when the block ends."""
        self.go_net(place)
        yield

    def _fd(self, place: Place) -> int:
        """A pidfd of the place's keeper; asked again each time, for a keeper may have died since."""
        keeper = self._keepers.get(str(place))
        if keeper is None:
            raise WorldGone(f"this world has no {place}", "put the lab back: labctl reset")
        if place in self._fds and Path(f"/proc/{keeper.inside}/ns/net").exists():
            return self._fds[place]
        if place in self._fds:
            os.close(self._fds.pop(place))
        self._fds[place] = open_keeper(keeper, place, inside=True)
        return self._fds[place]
