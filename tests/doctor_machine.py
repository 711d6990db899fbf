"""The doctor on this machine, or on a part of it: with few programs, as another user, with fewer namespaces allowed."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from labctl.model.tools import TOOLS
from tests.lab_checkout import write_program
from tests.lab_under_test import Said, labctl_command

SYSTEM = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_BACKENDS = ("iptables-nft", "iptables-legacy")
# Neither this machine's root nor a user that it knows, whoever runs the tests.
ORDINARY = ("unshare", "--map-user=1234", "--map-group=1234", "--keep-caps")
ROOT_OF_A_CONTAINER = ("unshare", "--map-root-user")


@contextmanager
def make_base() -> Iterator[Path]:
    """A folder that the trials see as well: as root's they are made by an id that nobody has."""
    with tempfile.TemporaryDirectory(prefix="labctl-doctor-") as name:
        base = Path(name)
        base.chmod(0o755)
        yield base


def lay_out_programs(base: Path) -> Path:
    """All the programs of the system that labctl knows; a stand-in for each that this machine lacks."""
    programs = base / "programs"
    programs.mkdir()
    for name in (*(tool.name for tool in TOOLS), *_BACKENDS):
        if found := shutil.which(name, path=SYSTEM):
            (programs / name).symlink_to(found)
        else:
            write_program(programs / name, "echo 1.0")
    return programs


def doctor(base: Path, *arguments: str, by: tuple[str, ...] = (), programs: Path | None = None) -> Said:
    """Run it to its end; with `programs`, these are all that the machine has."""
    return labctl(base, "doctor", *arguments, by=by, programs=programs)


def labctl(base: Path, *arguments: str, by: tuple[str, ...] = (), programs: Path | None = None) -> Said:
    done = subprocess.run(
        (*by, *labctl_command(), *arguments),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env=environment(base, programs),
    )
    assert "Traceback" not in done.stderr
    return Said(done.returncode, done.stdout, done.stderr)


def environment(base: Path, programs: Path | None = None) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LAB", "XDG_"))}
    only = {"LAB_SYSTEM_PATHS": str(programs)} if programs else {}
    return {**kept, "LABCTL_HOME": str(base / "home"), **only}


def read(said: Said) -> dict[str, Any]:
    """The checks of a JSON answer, by their ids."""
    answer = json.loads(said.out)
    assert (answer["schema"], answer["ok"]) == (1, said.code == 0)
    checks = {check["id"]: check for check in answer["checks"]}
    assert len(checks) == len(answer["checks"])
    return checks


def limit(kind: str, count: int) -> tuple[str, ...]:
    """Start something where no more than so many namespaces of a kind may be made."""
    return ("sh", "-c", f'echo {count} >/proc/sys/user/max_{kind}_namespaces; exec "$@"', "sh")
