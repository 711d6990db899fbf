"""Two ways to act on a resource: through the kernel's own interfaces, or by running the printed commands."""

from __future__ import annotations

import shlex
from ipaddress import ip_network
from itertools import groupby
from typing import TYPE_CHECKING, Protocol

from labctl.engine.events import Typing
from labctl.engine.script import do_statements, undo_statements
from labctl.errors import KernelRefused
from labctl.model.resource import Action, AsksRange, HasBystanders, Present, StartsProgram, own_view
from labctl.model.shell import Assign, Capture, Statement, render_command

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from labctl.engine.events import Listener
    from labctl.engine.planner import Item
    from labctl.model.lab import Node, Place
    from labctl.model.ports import Kernel
    from labctl.model.resource import Resource, Seen
    from labctl.model.shell import Dialect

_MOST_AT_ONCE = 4096  # addresses of a range


class Hands(Protocol):
    """How a resource of a node is acted on: through netlink, or by the printed commands."""

    def prepare(self, resources: Iterable[Resource]) -> None:
        """Have side by side what they would each have to wait for when they are made."""

    def gather(self, items: Sequence[Item]) -> Iterable[Sequence[Item]]:
        """Part what is to be done, in its order, into what is done together and what is done alone."""

    def make(self, items: Sequence[Item], node: Node) -> None:
        """Create or repair what is done together."""

    def unmake(self, resource: Resource, seen: Seen, node: Node) -> None:
        """Take it away."""


class NetlinkHands:
    """Act through the resource itself."""

    def __init__(self, kernel: Kernel) -> None:
        """Act on this world."""
        self._kernel = kernel

    def prepare(self, resources: Iterable[Resource]) -> None:
        """Ask the ranges of several nodes at once: nmap waits for silence."""
        wanted = dict.fromkeys(each.asked for each in resources if isinstance(each, AsksRange))
        # Side by side, large ones would take longer than a look may.
        asks = tuple(each for each in wanted if ip_network(each[1]).num_addresses <= _MOST_AT_ONCE)
        if len(asks) > 1:
            self._kernel.scan_all(asks)

    def gather(self, items: Sequence[Item]) -> Iterable[Sequence[Item]]:
        """Programs that are started one after the other are started together: each is mostly waited for."""
        for is_start, some in groupby(items, _is_start):
            together = tuple(some)
            yield from [together] if is_start else [(each,) for each in together]

    def make(self, items: Sequence[Item], node: Node) -> None:
        """Start several programs, or create or repair one thing."""
        del node  # a resource knows where it is, and brings itself from absent or drifted to present
        if len(items) == 1:
            items[0].resource.apply(self._kernel)
        else:
            self._kernel.start_all([each.resource.starts for each in items if isinstance(each.resource, StartsProgram)])

    def unmake(self, resource: Resource, seen: Seen, node: Node) -> None:
        """Take it away."""
        del seen, node
        resource.revert(own_view(self._kernel))


def _is_start(item: Item) -> bool:
    return item.action is Action.CREATE and isinstance(item.resource, StartsProgram)


class ShellHands:
    """Run the printed commands, one by one, on the resource's node.

    The commands make a thing from nothing, and unmake what they made. What was made otherwise (drift, another name)
    is mended or unmade by the resource itself, and the listener is told.
    """

    def __init__(self, kernel: Kernel, dialect: Dialect, listener: Listener) -> None:
        """Run them in this world."""
        self._kernel, self._dialect, self._listener = kernel, dialect, listener

    def prepare(self, resources: Iterable[Resource]) -> None:
        """Nothing: each command is typed when its time has come."""

    def gather(self, items: Sequence[Item]) -> Iterable[Sequence[Item]]:
        """One after the other, as a person would."""
        return [(each,) for each in items]

    def make(self, items: Sequence[Item], node: Node) -> None:
        """Create it by its commands."""
        for item in items:
            if item.action is Action.REPAIR:
                self._listener(Typing(f"# {item.resource.key} is mended in place; the commands only make it anew"))
                item.resource.apply(self._kernel)
            else:
                self._run(do_statements((item.resource,), self._dialect, node.name), node.place)

    def unmake(self, resource: Resource, seen: Seen, node: Node) -> None:
        """Take it away by its commands."""
        plain = isinstance(seen, Present) and not seen.drift and (seen.as_printed or not seen.note)
        if isinstance(seen, Present) and seen.shared:
            # On a real machine it may have been there before, and the commands do not know.
            self._listener(Typing(f"# {resource.key} may be others' too: it goes only if nothing else is in it"))
        elif plain and not (isinstance(resource, HasBystanders) and resource.bystanders(own_view(self._kernel))):
            self._run(undo_statements((resource,), self._dialect, node.name), node.place)
        else:
            self._listener(Typing(f"# {resource.key} is not as the commands make it; it is taken away in place"))
        # The commands take away what they made; if anything counts that is called otherwise, this does.
        resource.revert(own_view(self._kernel))

    def _run(self, statements: tuple[Statement, ...], place: Place) -> None:
        """Run statements in order; what one captures is there for the next, as in one script."""
        variables: dict[str, str] = {}
        for statement in statements:
            command = render_command(statement)
            self._listener(Typing(command))
            script = "".join(f"{name}={shlex.quote(value)}\n" for name, value in variables.items()) + command
            if isinstance(statement, Capture | Assign):
                script += f'\nprintf %s "${statement.name}"'
            done = self._kernel.programs(place).run(("bash", "-e", "-c", script))
            if done.code != 0:
                said = (done.err.strip() or f"exit code {done.code}").splitlines()[-1]
                raise KernelRefused(f"`{command}` failed: {said}", "see: labctl status")
            if isinstance(statement, Capture | Assign):
                variables[statement.name] = done.out
