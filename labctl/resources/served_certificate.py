"""The certificate that a server shows its callers, beside the one on disk: it reads that once, when it starts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labctl.model.lab import Place
    from labctl.model.ports import Kernel

_SECONDS = "5"
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", re.DOTALL)


def find_other_certificate(kernel: Kernel, place: Place, address: str, port: int, path: str) -> str:
    """Say that who listens there shows another certificate than `path` holds first; empty: the same, or none on disk.

    A server that hangs shows none (openssl-s_client(1) ends with its empty input, after the handshake).
    """
    held = _first(kernel.files(place.node).read(path) or "")
    if not held:
        return ""  # what is wrong with the file is for the resource that makes it to say
    ask = ("timeout", _SECONDS, "openssl", "s_client", "-connect", f"{address}:{port}")
    shown = _first(kernel.programs(place).look(ask).out)
    if shown == held:
        return ""
    return f"shows {'another' if shown else 'no'} certificate; expected that of {path}"


def _first(text: str) -> str:
    found = _PEM.search(text)
    return "".join(found.group(1).split()) if found else ""
