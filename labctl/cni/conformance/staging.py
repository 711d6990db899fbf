"""Brings the plug-in under test, and the IPAM plug-in that its configuration names, into the world."""

from __future__ import annotations

import base64
import hashlib
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labctl.errors import KernelRefused, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from labctl.model.ports import Programs

_FOLDER = "/opt/cni/bin"


@dataclass(frozen=True)
class Staged:
    """Where the plug-in lies inside the world, and the IPAM plug-in of its configuration, if one was given."""

    path: str
    ipam: str = ""

    @property
    def folders(self) -> tuple[str, ...]:
        """What CNI_PATH is."""
        return tuple(dict.fromkeys(each.rpartition("/")[0] for each in (self.path, self.ipam) if each))


def stage(programs: Programs, plugin: Path, ipam: Path | None) -> Staged:
    """Use the files where they lie if the world sees them there, or else a copy.

    The world sees the machine's files read-only, but for folders such as /home, /root and /tmp: it has its own. What
    the machine does not have, and the world does (labnet), is used there.

    Raises:
        UsageError: there is no such file, or nobody may run it.
    """
    return Staged(_bring(programs, plugin), _bring(programs, ipam) if ipam else "")


def _bring(programs: Programs, file: Path) -> str:
    file = file.absolute()
    if not file.exists() and programs.run(("test", "-x", str(file))).code == 0:
        return str(file)
    if file.exists() and not file.is_file():
        raise UsageError(f"{file} is no program", "name the plug-in's executable: /usr/lib/cni/bridge")
    try:
        content = file.read_bytes()
        runs = bool(file.stat().st_mode & 0o111)
    except OSError as error:
        raise UsageError(
            f"{file} cannot be read: {error.strerror}", "labctl cni conformance /usr/lib/cni/bridge"
        ) from None
    if not runs:
        raise UsageError(f"{file} is no program", f"if it is the plug-in: chmod +x {shlex.quote(str(file))}")
    seen = programs.run(("sh", "-c", 'test -x "$1" && sha256sum < "$1"', "sh", str(file)))
    if seen.code == 0 and seen.out.startswith(hashlib.sha256(content).hexdigest()):
        return str(file)
    path = f"{_FOLDER}/{file.name}"
    script = f'mkdir -p {_FOLDER} && base64 -d > "$1" && chmod 755 "$1"'
    copied = programs.run(("sh", "-c", script, "sh", path), base64.b64encode(content).decode())
    if copied.code != 0:
        raise KernelRefused(f"{file} could not be copied into the world: {copied.err.strip()}")
    return path
