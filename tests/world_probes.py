"""What the tests of the world share: looking at it from outside, trying things inside, and cutting labctl short."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.lab_under_test import ROOT

if TYPE_CHECKING:
    from tests.lab_under_test import LabUnderTest, Said

PYTHON = str(Path(sys._base_executable).resolve())  # type: ignore[attr-defined]  # typeshed lacks it
KINDS = ("mnt", "net", "pid", "user", "uts", "ipc")


def python_inside(lab: LabUnderTest, place: str, script: str, *arguments: str) -> Any:  # noqa: ANN401 - JSON
    """Run a script by Python inside, first making sure that it is inside; give what it printed as JSON."""
    outside = str(Path("/proc/self/ns/mnt").readlink())
    guard = f"import os, sys\nif os.readlink('/proc/self/ns/mnt') == {outside!r}: sys.exit('this is not the world')\n"
    said = lab.labctl("exec", place, "--", PYTHON, "-I", "-c", guard + script, *arguments)
    assert said.code == 0, said.err
    return json.loads(said.out)


def shell_inside(lab: LabUnderTest, place: str, script: str) -> Said:
    """Run lines of sh inside, first making sure that they are."""
    outside = str(Path("/proc/self/ns/mnt").readlink())
    guard = f'[ "$(readlink /proc/self/ns/mnt)" != "{outside}" ] || exit 99\n'
    return lab.labctl("exec", place, "--", "sh", "-c", guard + script)


def record_of(home: Path) -> dict[str, Any]:
    """The record in world.json."""
    record: dict[str, Any] = json.loads((home / "world.json").read_text())["record"]
    return record


def pids() -> list[int]:
    return [int(each.name) for each in Path("/proc").iterdir() if each.name.isdecimal()]


def namespaces_of(pid: int) -> dict[str, str]:
    with suppress(OSError):
        return {kind: str(Path(f"/proc/{pid}/ns/{kind}").readlink()) for kind in KINDS}
    return {}


def members_of(pid_namespace: str) -> dict[int, str]:
    """The processes in a pid namespace: their number outside, and their command line."""
    members = {}
    for pid in pids():
        with suppress(OSError):
            if str(Path(f"/proc/{pid}/ns/pid").readlink()) == pid_namespace:
                line = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").replace(b"\0", b" ")
                members[pid] = line.decode()
    return members


def namespaces_in_use() -> set[str]:
    """Every namespace that a process we may look at is in, or, we ourselves aside, keeps open."""
    used = {name for pid in pids() for name in namespaces_of(pid).values()}
    for pid in set(pids()) - {os.getpid()}:
        with suppress(OSError):
            used |= {str(each.readlink()) for each in Path(f"/proc/{pid}/fd").iterdir()}
    return used


def root_of(home: Path) -> int:
    """The pid of a world's first process."""
    return int(record_of(home)["root"]["outside"])


def world_of(home: Path) -> tuple[set[int], set[str]]:
    """The processes of a world, and the namespaces that are its own."""
    members = set(members_of(namespaces_of(root_of(home))["pid"]))
    own = {name for pid in members for name in namespaces_of(pid).values()}
    return members, own - set(namespaces_of(os.getpid()).values())


@dataclass(frozen=True)
class Cut:
    """How a labctl ended that was cut short. `calls` are the functions that it had entered until then."""

    code: int
    out: str
    err: str
    calls: list[str]
    stood: bool


def cut_labctl(home: Path, action: str, where: str, *arguments: str, dies: bool = True) -> Cut:
    """Run labctl and cut it short at a call; see tests/cut_labctl.py. With `dies`, wait until no process is left."""
    done = subprocess.run(
        (
            sys.executable,
            "-P",
            str(ROOT / "tests/cut_labctl.py"),
            action,
            where,
            "dies" if dies else "stays",
            *arguments,
        ),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LABCTL_HOME": str(home), "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    return Cut(**json.loads(done.stdout))
