"""The person's terminal, given back as it was: a shell that is killed puts nothing back itself."""

from __future__ import annotations

import os
import signal
import termios
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_STDIN = 0


def lend_terminal() -> Callable[[], None]:
    """Note how the terminal on standard input is, if it is one; give what puts it back so.

    An interactive shell switches the echo off while it waits for a line, and makes itself the foreground process group
    (termios(3), tcsetpgrp(3)).
    """
    try:
        modes, group = termios.tcgetattr(_STDIN), os.tcgetpgrp(_STDIN)
    except (OSError, termios.error):
        return lambda: None

    def put_back() -> None:
        # Whoever is not in the foreground is stopped by this signal when it changes the terminal.
        before = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        with suppress(OSError, termios.error):
            os.tcsetpgrp(_STDIN, group)
            termios.tcsetattr(_STDIN, termios.TCSADRAIN, modes)
        signal.signal(signal.SIGTTOU, before)

    return put_back
