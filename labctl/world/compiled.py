"""Compiles what the CNI plug-in imports, before a node sees it.

The plug-in starts anew for every call, and cannot keep what Python compiles: the code is read-only in there, and may be
anywhere else. Without this, compiling would be half of what a call takes.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

_PACKAGES = ("*.py", "cni/*.py", "kernel/*.py", "model/*.py", "resources/**/*.py")


def ensure_compiled(code: Path) -> None:
    """Compile what has changed below the folder that holds labctl; where nothing may be written, nothing is."""
    for pattern in _PACKAGES:
        for source in code.glob(f"labctl/{pattern}"):
            cache = Path(importlib.util.cache_from_source(str(source)))
            is_fresh = cache.exists() and cache.stat().st_mtime >= source.stat().st_mtime
            if not is_fresh and not _compile(source, cache):
                return


def _compile(source: Path, cache: Path) -> bool:
    """Tell whether it could be kept."""
    import py_compile

    try:
        py_compile.compile(str(source), str(cache), doraise=True)
    except (OSError, py_compile.PyCompileError):
        return False
    return True
