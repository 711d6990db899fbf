"""The process inside: one fork of labctl that joins the world and does there what labctl asks.

labctl itself joins nothing, so it keeps its files, its ids and its threads; it may work on two worlds at once. The
agent may go from place to place (setns(2) costs 20 µs), creates files as the world's uid 0, resolves links as the
world's processes do, and opens its netlink and packet sockets where they belong. It ends when labctl does.

A request is `(door, door arguments, method, arguments)`, pickled; the answer is `(True, value)` or `(False, error)`.
Both ends are the same program, so the pickle is from no stranger.
"""

from __future__ import annotations

import os
import pickle
import signal
import socket
import struct
from typing import TYPE_CHECKING, Any, cast

from labctl.errors import KernelRefused, LabError, WorldGone
from labctl.kernel import inside

if TYPE_CHECKING:
    from collections.abc import Callable

    from labctl.model.lab import Place
    from labctl.model.ports import Cloud, Files, Firewall, Kernel, Net, Packets, Programs, Scanner
    from labctl.model.world import WorldRecord

_LENGTH = struct.Struct("!I")
_LOOKS = frozenset(
    {
        "link", "links", "addresses", "routes", "neighbours", "number_of", "route_to",
        "info", "read", "names", "same_namespace",
        "table", "other_backend", "answering", "listed",
        "forwards", "setting", "namespace_path",
    }
)  # fmt: skip  # a table of the ports' methods that look
# What these change of a namespace; any other change of one may change all of it.
_CHANGES = {
    "add_address": frozenset({"addresses", "routes", "route_to"}),
    "delete_address": frozenset({"addresses", "routes", "route_to"}),
    "forget_neighbour": frozenset({"neighbours"}),
    "add_route": frozenset({"routes", "route_to"}),
    "delete_route": frozenset({"routes", "route_to"}),
    "set_up": frozenset({"link", "links", "routes", "route_to"}),
    "set_master": frozenset({"link", "links"}),
}
_HELD_BACK = (signal.SIGINT, signal.SIGTERM)


class Channel:
    """Length-prefixed pickles over a stream socket."""

    def __init__(self, sock: socket.socket) -> None:
        """Take a connected stream socket; it is this channel's from now on."""
        self._socket = sock

    def send(self, value: object) -> None:
        """Send one value."""
        data = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
        self._socket.sendall(_LENGTH.pack(len(data)) + data)

    def receive(self) -> Any:  # noqa: ANN401 (whatever the other end sent)
        """Receive one value.

        Raises:
            EOFError: the other end is gone.
        """
        (length,) = _LENGTH.unpack(self._exactly(_LENGTH.size))
        return pickle.loads(self._exactly(length))  # noqa: S301 (from our own fork)

    def _exactly(self, count: int) -> bytes:
        parts = bytearray()
        while len(parts) < count:
            part = self._socket.recv(count - len(parts))
            if not part:
                raise EOFError
            parts += part
        return bytes(parts)

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


class Agent:
    """labctl's end: starts the process inside and asks it."""

    def __init__(self, record: WorldRecord, make_kernel: Callable[[WorldRecord], Kernel]) -> None:
        """Fork the agent into the world. `make_kernel` runs in it, once it is inside.

        Raises:
            WorldGone: the world cannot be entered.
        """
        ours, theirs = socket.socketpair()
        # Ctrl-C right after the fork would let the child run on as a second labctl.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD_BACK)
        child = os.fork()
        if child == 0:
            ours.close()
            _serve(record, theirs, make_kernel)
        theirs.close()
        self._middle = child
        self._channel = Channel(ours)
        self.kernel: Kernel = RemoteKernel(self)
        try:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            self._answer()
        except BaseException:
            self.close()
            raise

    def ask(self, door: str, door_arguments: tuple[object, ...], method: str, arguments: tuple[object, ...]) -> Any:  # noqa: ANN401 (the ports say what)
        """Have one method called inside and give its result, or raise its error."""
        # Ctrl-C in the middle would leave the answer behind for the next question.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD_BACK)
        try:
            self._channel.send((door, door_arguments, method, arguments))
            return self._answer()
        except OSError:
            raise _gone() from None
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _answer(self) -> Any:  # noqa: ANN401 (as above)
        try:
            fine, value = self._channel.receive()
        except (EOFError, OSError):
            raise _gone() from None
        if not fine:
            raise value
        return value

    def close(self) -> None:
        """Let the agent end, and wait for it."""
        self._channel.close()
        os.waitpid(self._middle, 0)


def _gone() -> WorldGone:
    return WorldGone("the world died while it was being worked on", "put the lab back: labctl reset")


def _serve(record: WorldRecord, theirs: socket.socket, make_kernel: Callable[[WorldRecord], Kernel]) -> None:
    """Be the agent. The first fork joins; only its child is in the world's pid namespace, and dies with it.

    The first waits for the second: whoever else would have to (the machine's init) may be slow, and until a dead
    process is waited for, its pid namespace does not go away.
    """
    try:
        # Ctrl-C is for labctl, which then takes back what it did, and needs the agent for that.
        os.setsid()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HELD_BACK)
        kept = theirs.fileno()
        os.closerange(3, kept)
        os.closerange(kept + 1, os.sysconf("SC_OPEN_MAX"))
        channel = Channel(theirs)
        try:
            inside.join_world(record)
            if (agent := os.fork()) != 0:
                theirs.close()
                os.waitpid(agent, 0)
                os._exit(0)
            kernel = make_kernel(record)
        except OSError as error:
            channel.send((False, WorldGone(f"the world cannot be entered: {error.strerror}", "labctl reset")))
        except LabError as error:
            channel.send((False, error))
        else:
            channel.send((True, None))
            _answer_until_hung_up(channel, kernel)
    finally:
        os._exit(0)


def _answer_until_hung_up(channel: Channel, kernel: Kernel) -> None:
    while True:
        try:
            door, door_arguments, method, arguments = channel.receive()
        except EOFError:
            return
        try:
            target: Any = getattr(kernel, door) if door else kernel
            target = target(*door_arguments) if callable(target) and door not in ("", "packets", "cloud") else target
            answer = (True, getattr(target, method)(*arguments))
        except LabError as error:
            answer = (False, error)
        except OSError as error:
            answer = (False, KernelRefused(f"the kernel refused: {error}"))
        except Exception as error:  # noqa: BLE001 (a defect here must reach the person as an error, not as a hang)
            answer = (False, KernelRefused(f"{method} failed inside the world: {error!r}"))
        channel.send(answer)


class _Door:
    """A port whose methods are called inside. What was looked up is remembered until something is changed."""

    def __init__(self, kernel: RemoteKernel, name: str, arguments: tuple[object, ...]) -> None:
        self._kernel, self._name, self._arguments = kernel, name, arguments

    def __getattr__(self, method: str) -> Callable[..., Any]:
        def call(*arguments: object) -> Any:  # noqa: ANN401 (the ports say what)
            return self._kernel.ask(self._name, self._arguments, method, arguments)

        return call


class RemoteKernel:
    """The port `Kernel`, answered by the agent."""

    def __init__(self, agent: Agent) -> None:
        """Ask through this agent."""
        self._agent = agent
        self._seen: dict[tuple[str, object], dict[tuple[str, object], object]] = {}

    def ask(self, door: str, door_arguments: tuple[object, ...], method: str, arguments: tuple[object, ...]) -> Any:  # noqa: ANN401 (the ports say what)
        """Ask, or remember: a look is asked once until something is changed."""
        # `files.link` makes one; `net.link` looks at one.
        if method not in _LOOKS or (door, method) == ("files", "link"):
            self._forget(door, door_arguments, method, arguments)
            return self._agent.ask(door, door_arguments, method, arguments)
        seen = self._seen.setdefault((door, door_arguments), {})
        if (method, arguments) not in seen:
            seen[method, arguments] = self._agent.ask(door, door_arguments, method, arguments)
        return seen[method, arguments]

    def net(self, place: Place) -> Net:
        """The network namespace of a place."""
        return cast("Net", _Door(self, "net", (place,)))

    def files(self, node: str) -> Files:
        """The files of a node."""
        return cast("Files", _Door(self, "files", (node,)))

    def programs(self, place: Place) -> Programs:
        """Programs at a place."""
        return cast("Programs", _Door(self, "programs", (place,)))

    def firewall(self, node: str) -> Firewall:
        """The packet filter of a node."""
        return cast("Firewall", _Door(self, "firewall", (node,)))

    def scanner(self, node: str) -> Scanner:
        """Nmap on a node."""
        return cast("Scanner", _Door(self, "scanner", (node,)))

    @property
    def cloud(self) -> Cloud:
        """The routes of the cloud network."""
        return cast("Cloud", _Door(self, "cloud", ()))

    @property
    def packets(self) -> Packets:
        """Real packets."""
        return cast("Packets", _Door(self, "packets", ()))

    def setting(self, place: Place, name: str) -> str | None:
        """Read a sysctl of a place."""
        return cast("str | None", self.ask("", (), "setting", (place, name)))

    def namespace_path(self, place: Place) -> str:
        """`/proc/PID/ns/net` as the world numbers it."""
        return cast("str", self.ask("", (), "namespace_path", (place,)))

    def refresh(self) -> None:
        """Forget what was read."""
        self._seen.clear()

    def _forget(self, door: str, door_arguments: tuple[object, ...], method: str, arguments: tuple[Any, ...]) -> None:
        """After a change, forget what it may have changed, and no more: looking again is what costs.

        A program may change anything, packets nothing. What nmap found is kept: a scan serves a whole run.
        """
        if door == "packets":
            return
        if door == "programs":
            self._seen = {key: seen for key, seen in self._seen.items() if key[0] == "scanner"}
        elif door != "net" or method == "delete_link":
            self._seen = {key: seen for key, seen in self._seen.items() if key[0] != door}
        else:
            changed = _CHANGES.get(method)
            places = [door_arguments, arguments[-1:]] if method == "add_veth" else [door_arguments]
            for place in places:
                seen = self._seen.pop((door, place), {})
                if changed is not None:
                    self._seen[door, place] = {key: each for key, each in seen.items() if key[0] not in changed}
