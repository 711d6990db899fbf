"""Where the vpc's compute service is to be found: a port of the loopback address of every machine of the world."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labctl.model.values import Listener

ADDRESS, PORT = "127.0.0.1", 8128
"""As the nodes' range, 10.128.0.0; no Kubernetes component has it."""


def is_compute(listener: Listener) -> bool:
    """Tell whether a listener is the vpc's: its process lives there, and so cannot be seen from a node."""
    return (listener.protocol, listener.address, listener.port, listener.pid) == ("tcp", ADDRESS, PORT, 0)
