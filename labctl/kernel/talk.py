"""One program, run to its end: what it is told, what it says, and no more of that than there is room for."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from labctl.model.values import Completed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import IO, Self

_CHUNK = 1 << 16
_MOST = 1 << 26


def talk(
    argv: Sequence[str], text: str, environment: Mapping[str, str], most: int = _MOST, seconds: float | None = None
) -> Completed:
    """Run it in `/` and a session of its own, give it `text`, and take what it says, until it ends.

    What it has started and left behind may keep its streams open: nobody waits for that. A program that says more than
    `most` bytes is killed, with what it has started (exit code -9); so is one that takes more than `seconds`.

    Raises:
        FileNotFoundError, PermissionError: there is no such program, or nobody may run it.
        TimeoutError: it took longer.
    """
    return Talk(argv, text, environment, most).finish(seconds)


class Talk:
    """A program that has been started as `talk` does; several may run side by side, and each must be finished."""

    def __init__(self, argv: Sequence[str], text: str, environment: Mapping[str, str], most: int = _MOST) -> None:
        """Start it.

        Raises:
            FileNotFoundError, PermissionError: as `talk`.
        """
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            list(argv), stdin=pipe, stdout=pipe, stderr=pipe, cwd="/", env=dict(environment), start_new_session=True
        )
        self._left, self._most = memoryview(text.encode()), most
        self._begin_to_tell()

    def _begin_to_tell(self) -> None:
        """Tell what the pipe takes: a program that waits for the end of its input need not wait for `finish`."""
        assert self._process.stdin is not None  # noqa: S101 (a pipe, and mypy cannot know)
        os.set_blocking(self._process.stdin.fileno(), False)
        self._left = _tell_some(self._process.stdin, self._left)

    def finish(self, seconds: float | None = None) -> Completed:
        """Listen until it ends.

        Raises:
            TimeoutError: as `talk`.
        """
        with self._process as process, _Conversation(process, self._left, self._most) as conversation:
            conversation.hold(seconds)
            code = process.wait()
            return Completed(code, *(bytes(said).decode("utf-8", "replace") for said in conversation.said))


def _tell_some(stream: IO[bytes], left: memoryview) -> memoryview:
    """Write what a pipe takes now, and close it if that was all; give what is left."""
    try:
        left = left[os.write(stream.fileno(), left[:_CHUNK]) :] if left else left
    except BlockingIOError:
        return left
    except BrokenPipeError:
        left = left[:0]
    if not left:
        stream.close()
    return left


class _Conversation:
    """The three streams of a program, and its end."""

    def __init__(self, process: subprocess.Popen[bytes], left: memoryview, most: int) -> None:
        self.said = (bytearray(), bytearray())
        self._process, self._left, self._most = process, left, most
        self._end = os.pidfd_open(process.pid)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._end, selectors.EVENT_READ)
        for stream, events, where in (
            (process.stdin, selectors.EVENT_WRITE, None),
            (process.stdout, selectors.EVENT_READ, self.said[0]),
            (process.stderr, selectors.EVENT_READ, self.said[1]),
        ):
            assert stream is not None  # noqa: S101 (all three are pipes, and mypy cannot know)
            if not stream.closed:  # all was told already
                os.set_blocking(stream.fileno(), False)
                self._selector.register(stream, events, where)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.returncode is None:
            self._kill()
        self._selector.close()
        os.close(self._end)

    def hold(self, seconds: float | None) -> None:
        """Until the program has ended, and all that it said is read."""
        ended, until = False, None if seconds is None else time.monotonic() + seconds
        while not ended:
            ready = self._selector.select(None if until is None else max(0, until - time.monotonic()))
            if not ready:
                raise TimeoutError
            for key, _ in ready:
                if key.fd == self._end:
                    ended = True
                elif key.data is None:
                    self._tell()
                else:
                    self._hear(key.fd, key.data)
        for key in list(self._selector.get_map().values()):
            while key.data is not None and self._hear(key.fd, key.data):
                pass

    def _tell(self) -> None:
        assert self._process.stdin is not None  # noqa: S101 (as above)
        descriptor = self._process.stdin.fileno()
        self._left = _tell_some(self._process.stdin, self._left)
        if self._process.stdin.closed:
            self._selector.unregister(descriptor)

    def _hear(self, stream: int, said: bytearray) -> bool:
        """Take a piece; False if there is none (now, or any more), or no room for it."""
        try:
            piece = os.read(stream, _CHUNK)
        except BlockingIOError:
            return False
        if not piece or len(said) > self._most:
            self._selector.unregister(stream)
            if piece:
                self._kill()
            return False
        said += piece
        return True

    def _kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
