"""The process inside: one fork of labctl that joins the world and does there what labctl asks.

labctl itself joins nothing, so it keeps its files, its ids and its threads; it may work on two worlds at once. The
agent may go from place to place (setns(2) costs 20 µs), creates files as the world's uid 0, resolves links as the
world's processes do, and opens its netlink and packet sockets where they belong. It ends when labctl does.

A request is `(door, door arguments, method, arguments)`, pickled; the answer is `(True, value)` or `(False, error)`.
Both ends are the same program, so the pickle is from no stranger.
"""

from __future__ import annotations

import gc
import os
import pickle
import signal
import socket
import struct
from typing import TYPE_CHECKING, Any

from labctl.errors import KernelRefused, LabError, WorldGone
from labctl.kernel import inside
from labctl.kernel.remote import RemoteKernel

if TYPE_CHECKING:
    from collections.abc import Callable

    from labctl.model.ports import Kernel
    from labctl.model.world import WorldRecord

_LENGTH = struct.Struct("!I")
_HELD_BACK = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


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
        self.kernel: Kernel = RemoteKernel(self.ask)
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
            # Caught and not ignored: what is ignored would be so in all that is started from here, too (signal(7)).
            signal.signal(number, _hear_nothing)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HELD_BACK)
        kept = theirs.fileno()
        # Collected here, what labctl still had open would close descriptors that are this process's by then.
        gc.freeze()
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


def _hear_nothing(_number: int, _frame: object) -> None:
    """What is for labctl is not for the agent."""


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
            answer = (False, KernelRefused(_say_refused(error), "see what stands: labctl status"))
        except Exception as error:  # noqa: BLE001 (a defect here must reach the person as an error, not as a hang)
            answer = (False, KernelRefused(f"{method} failed inside the world: {error!r}"))
        channel.send(answer)


def _say_refused(error: OSError) -> str:
    """Name the file, if it is about one, and what the kernel says."""
    said = error.strerror or str(error)
    return f"the kernel refused {error.filename}: {said}" if error.filename else f"the kernel refused: {said}"
