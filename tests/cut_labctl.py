"""Runs labctl and cuts it short when it enters its n-th function; no test of its own (`tests/world_probes.py` runs it).

    cut_labctl.py ACTION WHERE dies|stays ARGUMENTS…

ACTION is KILL, INT or TERM (a signal to labctl itself when it enters its WHERE-th function), `raise` (whoever enters
the function called WHERE, a child too, gets an OSError), `vanish` (it exits on the spot) or `count` (nothing).

All descendants that outlive labctl become children of this process (PR_SET_CHILD_SUBREAPER, prctl(2)), which with
`dies` waits until the last of them is gone: no test needs to sleep, and a world that stays makes the test time out.
Prints one JSON object.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from types import FrameType

FILES = ("kernel/boot.py", "kernel/agent.py", "kernel/identity.py", "kernel/inside.py", "kernel/machine.py",
         "world/sandbox.py", "world/state.py", "engine/runner.py", "engine/hands.py", "engine/journal.py",
         "cli/session.py")  # fmt: skip  # where labctl makes, keeps and changes things
PR_SET_CHILD_SUBREAPER = 36


def watch(action: str, where: str, log: Path) -> None:
    """Count the calls of labctl's own functions in this process, and act at one of them."""
    own, calls = os.getpid(), [0]
    roots = tuple(str(Path(__file__).parent.parent / "labctl" / name) for name in FILES)
    children = tuple(
        str(Path(__file__).parent.parent / "labctl" / name) for name in ("kernel/boot.py", "kernel/mounts.py")
    )
    file = log.open("a", buffering=1)

    def hook(frame: FrameType, event: str, _argument: object) -> None:
        if event != "call":
            return
        path, name = frame.f_code.co_filename, frame.f_code.co_name
        if action in ("raise", "vanish") and name == where and path.startswith(children):
            if action == "vanish":
                os._exit(1)
            raise OSError(1, f"refused in {name}")
        if os.getpid() == own and path.startswith(roots):
            calls[0] += 1
            if action == "count" or str(calls[0]) == where:
                file.write(f"{name}\n")
            if action in ("KILL", "INT", "TERM") and str(calls[0]) == where:
                os.kill(own, getattr(signal, f"SIG{action}"))

    sys.setprofile(hook)


def run_labctl(arguments: list[str], action: str, where: str, log: Path) -> NoReturn:
    from labctl.__main__ import main as labctl

    sys.argv = ["labctl", *arguments]
    watch(action, where, log)
    code = 1
    try:
        code = labctl()
    finally:
        sys.setprofile(None)
        sys.stdout.flush()
        os._exit(code)


def main() -> None:
    action, where, fate, *arguments = sys.argv[1:]
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    with tempfile.TemporaryDirectory() as folder:
        names = [Path(folder, name) for name in ("out", "err", "log")]
        for name in names:
            name.touch()
        child = os.fork()
        if child == 0:
            for number, name in enumerate(names[:2], 1):
                os.dup2(os.open(name, os.O_WRONLY | os.O_APPEND), number)
            run_labctl(arguments, action, where, names[2])
        _, status = os.waitpid(child, 0)
        stood = Path(os.environ["LABCTL_HOME"], "world.json").exists()
        if fate == "dies":
            with suppress(ChildProcessError):
                while True:
                    os.wait()
        out, err, log = (name.read_text() for name in names)
    code = os.waitstatus_to_exitcode(status)
    sys.stdout.write(json.dumps({"code": code, "out": out, "err": err, "calls": log.split(), "stood": stood}))


if __name__ == "__main__":
    main()
    # What still stands (a world that was to stay) is handed on to the machine's init.
    sys.stdout.flush()
    os._exit(0)
