"""A throw-away network namespace, and programs in it: the port `Programs` for tests that ask the real iptables.

A child below `unshare` runs what it is told over a pipe. Its network namespace is made after the uid map is written,
or iptables-legacy-save would fail for an ordinary user. Nothing outside changes; its end takes it all away.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from labctl.errors import ToolMissing
from labctl.model.values import Completed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
_UNSHARE = ("unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "--kill-child", "unshare", "--net")
# A `/run` of its own holds the lock of xtables, and `iptables` as the backend that was asked for.
_SETUP = """
set -e
mount -t tmpfs run /run
mkdir /run/bin
for tool in iptables iptables-save iptables-restore; do
    ln -s "$(command -v "$tool" | sed "s/iptables/iptables-$1/")" "/run/bin/$tool"
done
PATH=/run/bin:$PATH exec "$2" -c "$3"
"""
_CHILD = """
import json, subprocess, sys
print("ready", flush=True)
for line in sys.stdin:
    argv, text = json.loads(line)
    try:
        done = subprocess.run(argv, input=text, capture_output=True, text=True)
        print(json.dumps([done.returncode, done.stdout, done.stderr]), flush=True)
    except FileNotFoundError:
        print(json.dumps(None), flush=True)
"""


class Namespace:
    """The port `Programs`, in a namespace of its own."""

    def __init__(self, backend: str) -> None:
        """`backend` says what `iptables` is in there: `nft` or `legacy`."""
        self._process = subprocess.Popen(
            (*_UNSHARE, "sh", "-c", _SETUP, "sh", backend, sys.executable, _CHILD),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PATH": PATH},
        )
        if self._answer() != "ready\n":
            with self._process as process:
                why = process.communicate()[1]
            pytest.skip(f"no user namespace to try iptables in: {why}")

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def run(self, argv: Sequence[str], text: str = "") -> Completed:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([list(argv), text]) + "\n")
        self._process.stdin.flush()
        done = json.loads(self._answer())
        if done is None:
            raise ToolMissing(f"{argv[0]} is not installed")
        return Completed(*done)

    def must(self, command: str) -> str:
        """Run a line that a person would type."""
        done = self.run(("sh", "-ec", command))
        assert done.code == 0, done.err
        return done.out

    def __enter__(self) -> Namespace:  # noqa: PYI034 (nothing inherits from it)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._process as process:
            process.communicate()
