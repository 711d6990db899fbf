"""A container's own files in /etc, for whoever is started in it: what `ip netns exec` does (ip-netns(8)).

A container here has no mount namespace. What lies in /etc/netns/NAME on its node is bound over the files of these
names in /etc, in a mount namespace that ends with the program.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from labctl.kernel import syscalls
from labctl.model.resolver import NETNS_FILES

if TYPE_CHECKING:
    from labctl.model.lab import Place


def bind_own_files(place: Place) -> bool:
    """From a node's mount namespace, go to a new one where a container's own files stand in /etc; tell whether so.

    Where it has none, nothing changes. A file that /etc lacks is passed over, as `ip netns exec` does.
    """
    folder = f"{NETNS_FILES}/{place.container}"
    files = _list(folder) if place.container else []
    if not files:
        return False
    syscalls.unshare(syscalls.CLONE_NEWNS)
    syscalls.mount("", "/", flags=syscalls.MS_REC | syscalls.MS_SLAVE)
    for file in files:
        with suppress(OSError):
            syscalls.mount(str(file), f"/etc/{file.name}", flags=syscalls.MS_BIND)
    return True


def _list(folder: str) -> list[Path]:
    try:
        return list(Path(folder).iterdir())
    except OSError:
        return []
