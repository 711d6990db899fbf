"""A terminal for a test: a pseudo-terminal with labctl on it, typed at and read from."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import termios
from typing import TYPE_CHECKING, Self

from tests.lab_under_test import labctl_command

if TYPE_CHECKING:
    from pathlib import Path

# The new session has no terminal yet; the one on its stdin becomes it (tty_ioctl(4)).
_TAKE_TERMINAL = """\
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execvp(sys.argv[1], sys.argv[1:])
"""


class Terminal:
    """labctl on a terminal of its own, 80 columns wide."""

    def __init__(self, home: Path, *arguments: str, environment: dict[str, str] | None = None) -> None:
        self._ours, theirs = pty.openpty()
        os.set_blocking(self._ours, True)
        given = {"TERM": "xterm-256color", "COLUMNS": "80", "LINES": "50", "LABCTL_HOME": str(home)}
        self.process = subprocess.Popen(
            (sys.executable, "-c", _TAKE_TERMINAL, *labctl_command(), *arguments),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            env={**os.environ, **given, **(environment or {})},
        )
        os.close(theirs)
        self.seen = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        os.close(self._ours)

    def read_until(self, text: str) -> str:
        """Read on until this is shown; give what was read."""
        read = ""
        while text not in read:
            part = self._read()
            assert part, f"the terminal was closed before {text!r}: {self.seen!r}"
            read += part
        return read

    def read_rest(self) -> str:
        """Read until labctl has ended."""
        while self._read():
            pass
        return self.seen

    def type(self, text: str) -> None:
        """Type at it."""
        os.write(self._ours, text.encode())

    def echoes(self) -> bool:
        """Tell whether what is typed at it shows."""
        flags: int = termios.tcgetattr(self._ours)[3]
        return bool(flags & termios.ECHO)

    def _read(self) -> str:
        try:
            part = os.read(self._ours, 65536).decode(errors="replace")
        except OSError:  # EIO: nobody has it open any more (pty(7))
            return ""
        self.seen += part
        return part
