"""The attachments of the lab's network on a node, for `labctl cni show`: how the plug-in must have been asked for each.

Nobody has listened. What is told is put together from the plug-in's store, and from what the runtime kept: in steps 4
and 8 the answer alone, in libcni (`libcni/api.go`, `cachedInfo`) an object that has the answer as its `result`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from labctl.model.store import RESULTS_FOLDER, store_folder
from labctl.resources.plugin import BIN_FOLDER

if TYPE_CHECKING:
    from labctl.engine.look import Survey
    from labctl.model.lab import Node


def find_attachments(survey: Survey, node: Node) -> list[dict[str, Any]]:
    """Each address that the plug-in gave: to whom, how it must have been asked, and the answer where it was kept."""
    found = []
    kernel_files = survey.kernel.files(node.name)
    for line in (kernel_files.read(f"{store_folder(survey.lab.network)}/reserved") or "").splitlines():
        words = line.split()
        if len(words) == 3:  # noqa: PLR2004 (ADDRESS CONTAINER INTERFACE: the plug-in's own)
            address, container, interface = words
            kept = kernel_files.read(f"{RESULTS_FOLDER}/{survey.lab.network}-{container}-{interface}")
            said = _read(kept)
            is_cached = isinstance(said.get("result"), dict)
            asked = _asked(container, interface, said if is_cached else {"result": said})
            known = {"container": container, "interface": interface, "address": address}
            found.append({**known, "asked": asked, "answer": json.dumps(said["result"]) if is_cached else kept})
    return found


def _read(kept: str | None) -> dict[str, Any]:
    """The object that was kept; empty if it is none."""
    try:
        said = json.loads(kept or "{}")
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _asked(container: str, interface: str, cached: dict[str, Any]) -> dict[str, str]:
    """The variables of the ADD. The namespace is the runtime's word where it kept one, else that of the answer."""
    told = {
        "CNI_COMMAND": "ADD",
        "CNI_CONTAINERID": container,
        "CNI_NETNS": _text(cached.get("netns")) or _sandbox(cached.get("result")),
        "CNI_IFNAME": interface,
        "CNI_PATH": BIN_FOLDER,
        "CNI_ARGS": _arguments(cached.get("cniArgs")),
    }
    return {name: value for name, value in told.items() if value}


def _sandbox(result: object) -> str:
    ends = result.get("interfaces") if isinstance(result, dict) else None
    found = (_text(each.get("sandbox")) for each in ends if isinstance(each, dict)) if isinstance(ends, list) else ()
    return next(filter(None, found), "")


def _arguments(pairs: object) -> str:
    """libcni keeps them as a list of pairs, and sends them as `KEY=VALUE;KEY=VALUE`."""
    if not isinstance(pairs, list):
        return ""
    return ";".join("=".join(map(str, each)) for each in pairs if isinstance(each, list))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
