"""labctl without the time that a process of it takes to start: forks of one that has imported all of it.

Half of what the suite costs was the same imports again and again. A fork runs the same `main` on the same streams, with
the environment, the folder and the arguments that it was given; what a start itself does is asked of
`lab_under_test.labctl_command`.

Run as a program it is the process that is forked: it listens on the socket that is its standard input.
"""

from __future__ import annotations

import array
import atexit
import fcntl
import gc
import json
import os
import pkgutil
import signal
import socket
import struct
import subprocess
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_ROOT = Path(__file__).resolve().parent.parent
_MOST_BYTES = 1 << 20
_STREAMS = 3


class Forks:
    """The process that is forked, started when the first is asked for; it ends with this one."""

    def __init__(self) -> None:
        """Nothing is started yet."""
        self._address: str | None = None
        self._lock = Lock()

    def run(
        self, arguments: Sequence[str], environment: Mapping[str, str], text: str = "", program: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run `labctl ARGUMENTS` in the current folder, with this text on its standard input.

        `program` is run in its place, as by `python -c`.
        """
        with self._lock:  # two threads may be the first to ask
            address = self._address or self._start()
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as asked:
            asked.connect(address)
            streams = [_file(text), _file(), _file()]
            asked_for = {
                "arguments": list(arguments),
                "environment": dict(environment),
                "folder": str(Path.cwd()),
                "program": program,
            }
            rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", streams))
            asked.sendmsg([json.dumps(asked_for).encode()], [rights])
            code = int(asked.recv(64) or b"-1")
            out, err = (_take(fd) for fd in streams[1:])
            os.close(streams[0])
        return subprocess.CompletedProcess(["labctl", *arguments], code, out, err)

    def _start(self) -> str:
        # A name without a file; each process of the suite has its own.
        address = f"\0labctl-forks-{os.getpid()}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
            listening.bind(address)
            listening.listen(16)
            argv = (sys.executable, "-P", __file__)
            started = subprocess.Popen(argv, stdin=listening, cwd="/")
        atexit.register(_end, started)
        self._address = address
        return address


def _end(started: subprocess.Popen[bytes]) -> None:
    started.kill()
    started.wait()


def _file(text: str = "") -> int:
    fd = os.memfd_create("stream")
    os.write(fd, text.encode())
    os.lseek(fd, 0, os.SEEK_SET)
    # Who opens the stream once more by its path writes after what is there, as in a pipe.
    fcntl.fcntl(fd, fcntl.F_SETFL, os.O_APPEND)
    return fd


def _take(fd: int) -> str:
    """All that was written, wherever the one who wrote is."""
    with open(fd, "rb") as file:
        file.seek(0)
        return file.read().decode()


def _serve() -> NoReturn:
    sys.path.insert(0, str(_ROOT))
    import pyroute2  # noqa: F401 (for the agents)

    import labctl

    for module in pkgutil.walk_packages(labctl.__path__, "labctl."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    # Collected in a fork, what was made before would be copied page by page.
    gc.collect()
    gc.freeze()
    listening = socket.socket(fileno=0)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        asked, _ = listening.accept()
        if _is_ours(asked) and os.fork() == 0:
            listening.detach()
            _answer(asked)
        asked.close()


def _is_ours(asked: socket.socket) -> bool:
    """Tell whether the same user asks: a name without a file has no permissions, and the suite may be root's."""
    _, uid, _ = struct.unpack("3i", asked.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    return bool(uid == os.geteuid())


def _answer(asked: socket.socket) -> NoReturn:
    """Have a fork do what was asked for, and say how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    message, fds, *_ = socket.recv_fds(asked, _MOST_BYTES, _STREAMS)
    child = os.fork()
    if child == 0:
        asked.close()
        _become_labctl(json.loads(message), fds)
    with suppress(OSError):
        _, status = os.waitpid(child, 0)
        asked.send(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _become_labctl(asked_for: dict[str, object], streams: list[int]) -> NoReturn:
    for number, fd in enumerate(streams):
        os.dup2(fd, number)
        os.close(fd)
    os.chdir(str(asked_for["folder"]))
    os.environ.clear()
    os.environ.update(asked_for["environment"])  # type: ignore[call-overload]  # it came as a mapping of texts
    sys.argv = ["-c", *asked_for["arguments"]]  # type: ignore[misc]  # and this as texts
    code = _run(str(asked_for["program"]))
    # Not by way of Python's own end, which takes apart all that was imported: three times as long as all else. What
    # the run itself has left open is closed as it would be there.
    gc.collect()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


def _run(program: str) -> int:
    if not program:
        from labctl.__main__ import main

        return main()
    try:
        exec(compile(program, "-c", "exec"), {"__name__": "__main__"})  # noqa: S102 (as `python -c` would)
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


if __name__ == "__main__":
    _serve()
