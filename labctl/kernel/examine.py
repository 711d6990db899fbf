"""Looks at the machine itself, outside of any world: its tools, its settings, its folders; and runs what mends it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from labctl.kernel.process import PATH
from labctl.model.trial import UNREADABLE, FoundTool, Trial

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from labctl.model.tools import Tool
    from labctl.model.trial import Rights

_SECONDS = 10.0
# The first number with a dot in it (6.1.0), or a date (iputils of Debian 12: 20221126).
_VERSION = re.compile(r"\d+(?:\.\d+)+[a-z]?\d*|\b\d{8}\b")
_BLOCK = 4096


def system_path(environment: Mapping[str, str]) -> str:
    """Where the programs of the system lie, for the lab's world as for `./lab` (LAB_SYSTEM_PATHS)."""
    default = ":".join(folder for folder in PATH.split(":") if not folder.startswith("/opt/labctl/"))
    return environment.get("LAB_SYSTEM_PATHS", default)


def read_os_release() -> str:
    """The text of os-release(5); empty where there is none."""
    for name in ("/etc/os-release", "/usr/lib/os-release"):
        try:
            return Path(name).read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
    return ""


def read_sysctls(names: Iterable[str]) -> dict[str, str]:
    """Those of these settings that exist; UNREADABLE where only root may read one."""
    values = {}
    for name in names:
        try:
            values[name] = Path("/proc/sys", *name.split(".")).read_text().strip()
        except PermissionError:
            values[name] = UNREADABLE
        except OSError:
            continue
    return values


def find_rights(path: str) -> Rights:
    """How this user may run commands of root's."""
    if os.geteuid() == 0:
        return "root"
    return "sudo" if shutil.which("sudo", path=path) else "su"


def try_writing(folder: Path) -> Trial:
    """Write into a folder, or, where it is yet to be made, into the one that it will be made in; nothing is left."""
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(bytes(_BLOCK))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return Trial("state", works=False, said=error.strerror or str(error), stage=str(place), errno=error.errno or 0)
    return Trial("state", works=True, said=str(folder))


def find_tools(tools: Iterable[Tool], path: str, callers_path: str) -> tuple[FoundTool, ...]:
    """Find programs and ask them for their versions, all at once."""
    found = [_find(tool, path, callers_path) for tool in tools]
    asked = [_ask(tool, each.path) for tool, each in zip(tools, found, strict=True)]
    return tuple(
        FoundTool(each.name, each.path, _read_version(process), each.elsewhere)
        for each, process in zip(found, asked, strict=True)
    )


def _find(tool: Tool, path: str, callers_path: str) -> FoundTool:
    program = _find_program(tool, f"{Path(sys.executable).parent}{os.pathsep}{path}" if tool.wheel else path)
    elsewhere = "" if program else _find_program(tool, callers_path)
    if tool.outside:
        return FoundTool(tool.name, program or elsewhere)
    return FoundTool(tool.name, program, elsewhere=elsewhere)


def _find_program(tool: Tool, path: str) -> str:
    """Find a program as `./lab` does: an applet of busybox is too small to count."""
    busybox = shutil.which("busybox", path=path)
    for folder in path.split(os.pathsep):
        program = shutil.which(tool.name, path=folder)
        if program and (tool.applet or not busybox or not Path(program).samefile(busybox)):
            return program
    return ""


def _ask(tool: Tool, program: str) -> subprocess.Popen[str] | None:
    if not program or not tool.version:
        return None
    try:
        return subprocess.Popen(
            (program, *tool.version),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={"PATH": os.defpath, "LC_ALL": "C"},
            start_new_session=True,
        )
    except OSError:
        return None


def _read_version(process: subprocess.Popen[str] | None) -> str:
    if process is None:
        return ""
    with process:
        try:
            said, _ = process.communicate(timeout=_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            return ""
    match = _VERSION.search(said)
    return match[0] if match and process.returncode == 0 else ""


def spell_out(argv: Sequence[str], path: str) -> tuple[str, ...]:
    """The whole command by which this user runs one of root's, through sudo if need be."""
    command = tuple(argv)
    if command[0] == "apt-get":
        # It is kept from asking, and from giving up while the system updates itself.
        command = ("/usr/bin/env", "DEBIAN_FRONTEND=noninteractive", *command, "-o", "DPkg::Lock::Timeout=120")
    if find_rights(path) == "root":
        return command
    # sudo asks for a password at its terminal; where there is none, it shall not wait for one.
    return ("sudo", *command) if sys.stdin.isatty() and sys.stderr.isatty() else ("sudo", "-n", *command)


def run_visibly(command: Sequence[str], path: str) -> int:
    """Run a command to its end, all that it says on stderr; its exit code, 127 if it is not installed."""
    program = shutil.which(command[0], path=path)
    if program is None:
        return 127
    environment = {**os.environ, "PATH": path}
    done = subprocess.run(
        (program, *command[1:]), check=False, stdin=subprocess.DEVNULL, stdout=sys.stderr.fileno(), env=environment
    )
    return done.returncode
