"""The agent's feet: goes from place to place inside the world, and knows where it stands."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from labctl.errors import KernelRefused, WorldGone
from labctl.kernel import syscalls
from labctl.kernel.inside import open_keeper
from labctl.kernel.netns_files import bind_own_files
from labctl.model.lab import NETNS_FOLDER, Place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labctl.model.world import WorldRecord

_HOST = syscalls.CLONE_NEWNS | syscalls.CLONE_NEWUTS


class Places:
    """Moves the calling process, which must be inside the world and have one thread.

    A place has a keeper since the world was made; or it is a container that a runtime made later, whose namespace the
    node has under a name (ip-netns(8)).
    """

    def __init__(self, record: WorldRecord) -> None:
        """Start where the process stands."""
        self._keepers = dict(record.keepers)
        self._fds: dict[Place, int] = {}
        self._host: str | None = None
        self._net: Place | None = None

    def namespace_path(self, place: Place) -> str:
        """The path of a place's network namespace, as a process on its node sees it.

        Raises:
            WorldGone: there is no such place, or its keeper is gone.
        """
        if self._is_named(place):
            return f"{NETNS_FOLDER}/{place.container}"
        self._fd(place)
        return f"/proc/{self._keepers[str(place)].inside}/ns/net"

    def started(self, place: Place) -> int | None:
        """When the keeper of a place began, in clock ticks since boot; None for a place that has only a name."""
        keeper = self._keepers.get(str(place))
        return keeper.started if keeper else None

    def identity(self, place: Place) -> int:
        """A number that is another one when the place's namespace is: its inode.

        Raises:
            WorldGone: the keeper is gone.
            KernelRefused: there is no such container.
        """
        with self.opened(place) as fd:
            return os.fstat(fd).st_ino

    def go(self, place: Place) -> None:
        """Be in the mount and uts namespace of a place's host, and in the place's network namespace."""
        self._go_host(place.node)
        self.go_net(place)

    def go_to_start(self, place: Place) -> None:
        """Be where a program that is started at a place finds itself: in a container, with its own files in /etc."""
        self.go(place)
        if bind_own_files(place):
            self._host = None  # this mount namespace is the program's: who goes on from here joins the node's again

    def go_net(self, place: Place) -> None:
        """Be in the network namespace of a place; of a container made later, also where its node's files are."""
        if self._is_named(place):
            self._net = None
            with self.opened(place) as fd:
                try:
                    syscalls.setns(fd, syscalls.CLONE_NEWNET)
                except OSError as error:
                    raise KernelRefused(f"{place} cannot be entered: {error.strerror}", "labctl status") from None
        elif self._net != place:
            syscalls.setns(self._fd(place), syscalls.CLONE_NEWNET)
            self._net = place

    @contextmanager
    def at(self, place: Place) -> Iterator[None]:
        """Open sockets in a place's network namespace; they stay there when the block ends."""
        self.go_net(place)
        yield

    @contextmanager
    def opened(self, place: Place) -> Iterator[int]:
        """A descriptor of a place's network namespace.

        Raises:
            WorldGone: the keeper is gone.
            KernelRefused: there is no such container.
        """
        path = self.namespace_path(place)
        if self._is_named(place):
            self._go_host(place.node)
        try:
            fd = os.open(path, os.O_RDONLY)
        except OSError:
            raise _no_container(place) from None
        try:
            yield fd
        finally:
            os.close(fd)

    def _is_named(self, place: Place) -> bool:
        return bool(place.container) and str(place) not in self._keepers and place.node in self._keepers

    def _go_host(self, node: str) -> None:
        if self._host != node:
            syscalls.setns(self._fd(Place(node)), _HOST)
            self._host = node

    def _fd(self, place: Place) -> int:
        """A pidfd of the place's keeper; asked again each time, for a keeper may have died since."""
        keeper = self._keepers.get(str(place))
        if keeper is None:
            raise WorldGone(f"this world has no {place}", "put the lab back: labctl reset")
        if place in self._fds and os.path.exists(f"/proc/{keeper.inside}/ns/net"):  # noqa: PTH110 (asked at each look)
            return self._fds[place]
        if place in self._fds:
            os.close(self._fds.pop(place))
        self._fds[place] = open_keeper(keeper, place, inside=True)
        return self._fds[place]


def _no_container(place: Place) -> KernelRefused:
    return KernelRefused(
        f"{place.node} has no container {place.container}", "which step makes it, and what stands: labctl status"
    )
