"""labnet that dies: its own executable, told at which of its operations on the machine to kill itself.

An operation is a program that it starts, or a change to a file. Runs on a node, in labnet's place.
"""

from __future__ import annotations

from pathlib import Path

from labctl.world.furniture import plugin_launcher
from tests.lab_under_test import ROOT

_HOOK = """
import os, signal

def doomed(do, before):
    def call(*words, **named):
        global left
        left -= 1
        if left == 0 and before:
            os.kill(os.getpid(), signal.SIGKILL)
        done = do(*words, **named)
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return done
    return call

left, before = int(os.environ["AT"]), os.environ["WHEN"] == "before"
for name in ("posix_spawn", "replace", "symlink", "unlink", "makedirs", "chmod"):
    setattr(os, name, doomed(getattr(os, name), before))
"""


def cut_labnet() -> str:
    """The text of the executable. `AT` says at which operation it dies (from 1), `WHEN` if `before` it or after."""
    first, rest = plugin_launcher(Path(ROOT)).split("\n", 1)
    start = "from labctl.cni.plugin import run\n"
    assert start in rest
    return f"{first}\n{rest.replace(start, start + _HOOK)}"
