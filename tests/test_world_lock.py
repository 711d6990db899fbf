"""One command at a time: the lock, who holds it, and what happens to it."""

from __future__ import annotations

import fcntl
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.lab_under_test import labctl_command
from tests.world_probes import shell_inside

if TYPE_CHECKING:
    from tests.lab_under_test import LabUnderTest

pytestmark = pytest.mark.machine

HOLDER = """
import fcntl, sys
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
print("labctl test (pid 1)", file=file, flush=True)
print("held", flush=True)
input()
"""


def test_the_second_command_waits_and_says_for_whom(lab: LabUnderTest) -> None:
    environment = {**os.environ, "LABCTL_HOME": str(lab.home)}
    lock = lab.home / "shared/lock"
    with subprocess.Popen(
        ("python3", "-c", HOLDER, lock), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        second = subprocess.Popen(
            (*labctl_command(), "down"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )
        with second:
            assert second.stderr
            assert second.stderr.readline() == "waiting for another labctl: labctl test (pid 1)\n"
            assert second.poll() is None
            holder.kill()  # the lock dies with its holder
            assert second.communicate()[0] == "the world is gone\n"


def test_a_lock_deleted_inside_still_locks(lab: LabUnderTest) -> None:
    with lab.session.locked("test"):
        shell_inside(lab, "master", "rm -f /opt/labctl/shared/lock")
    with lab.session.locked("test"), (lab.home / "shared/lock").open() as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert shell_inside(lab, "master", "labctl status").code == 1
