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
    """Tell whether what is imported in the world's namespaces would be found there."""
    if is_inside():
        return True
    root = f"/proc/{record.root.outside}/root"
    packages = find_spec("pyroute2")
    places = (labctl.__file__, packages and packages.origin, os.__file__)
    # Without links: the world's would be followed in the machine's own tree.
    return all(place and Path(root + os.path.realpath(place)).exists() for place in places)


def import_all() -> None:
    """Import whatever may be needed inside, which takes a third of a second."""
    for package in _NEEDED_INSIDE:
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            import_module(module.name)
    for name in _LAZY:
        import_module(name)
