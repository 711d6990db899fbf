"""Has a program stand by that starts another one for each caller (`inetd.py`), on sockets of many namespaces."""

from __future__ import annotations

import errno
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING

from labctl.kernel import daemon

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from labctl.kernel.places import Places
    from labctl.model.lab import Place

ATTENDANT = "attend"
"""The program's name on the world's PATH."""
_ADDRESS = "127.0.0.1"


def attend(  # noqa: PLR0913, PLR0917 (where, for whom, and with what)
    places: Places, own: Place, others: Sequence[Place], port: int, argv: Sequence[str], environment: Mapping[str, str]
) -> None:
    """Listen on the loopback address of `own` and of `others`, and have each caller's program run at `own`.

    Where somebody has the port of `own` already, this is done; another place whose port is taken is left out.

    Raises:
        OSError: no such program; or the namespace has no loopback address.
    """
    with ExitStack() as stack:
        sockets = []
        for place in (own, *(each for each in others if each != own)):
            try:
                with places.at(place):
                    sockets.append(stack.enter_context(socket.create_server((_ADDRESS, port))))
            except OSError as error:
                if place == own and error.errno == errno.EADDRINUSE:
                    return
                if place == own:
                    raise
        for each in sockets:
            each.set_inheritable(True)
        places.go_to_start(own)
        numbers = (str(each.fileno()) for each in sockets)
        daemon.start((ATTENDANT, *numbers, "--", *argv), environment, "tcp", port)
