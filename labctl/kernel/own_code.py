"""labctl's own files, as seen from inside a world.

A world shows the checkout and the Python that made it, wherever they lie. Another checkout, which works on the same
world, may lie in a folder that the world hides.
"""

from __future__ import annotations

import os
import pkgutil
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import labctl.kernel
import labctl.model
from labctl.kernel.marker import is_inside

if TYPE_CHECKING:
    from labctl.model.world import WorldRecord

_NEEDED_INSIDE = (labctl.kernel, labctl.model)
_LAZY = ("pyroute2", "encodings.ascii", "encodings.idna")


def is_seen_in(record: WorldRecord) -> bool:
    """Tell whether what is imported in the world's namespaces would be found there.

    Each host has a tree of its own, in which a person may have mounted something over it.
    """
    if is_inside():
        return True
    hosts = (keeper for place, keeper in record.keepers if "/" not in place)
    packages = find_spec("pyroute2")
    places = (labctl.__file__, packages.origin if packages else None, os.__file__)
    return all(_shows(keeper.outside, place) for keeper in (record.root, *hosts) for place in places)


def _shows(pid: int, path: str | None) -> bool:
    """Tell whether a file is there as it is spelled, and with its links followed: the world's lead elsewhere."""
    if not path:
        return False
    try:
        return all(Path(f"/proc/{pid}/root{each}").exists() for each in (path, os.path.realpath(path)))
    except OSError:
        return False


def import_all() -> None:
    """Import whatever may be needed inside, which takes a third of a second."""
    for package in _NEEDED_INSIDE:
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            import_module(module.name)
    for name in _LAZY:
        import_module(name)
