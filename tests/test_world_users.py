"""Worlds of two homes, of two users and of root itself do not meet."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from labctl.world.sandbox import UNPRIVILEGED_ID
from tests.lab_under_test import ROOT, run_labctl
from tests.world_probes import namespaces_of, root_of, world_of

if TYPE_CHECKING:
    from tests.lab_under_test import LabUnderTest

pytestmark = pytest.mark.machine

only_root = pytest.mark.root


def test_two_homes_do_not_see_each_other(tmp_path: Path) -> None:
    homes = [tmp_path / "one", tmp_path / "two"]
    try:
        for home in homes:
            assert run_labctl(home, "up").code == 0
        mine = [world_of(home) for home in homes]
        assert not mine[0][0] & mine[1][0]
        assert not mine[0][1] & mine[1][1]
        assert run_labctl(homes[0], "step", "0", "--apply").code == 0
        assert run_labctl(homes[1], "step", "0", "--verify").code == 1
        assert run_labctl(homes[0], "down").code == 0
        assert run_labctl(homes[1], "exec", "master", "--", "hostname").out == "master\n"
    finally:
        for home in homes:
            run_labctl(home, "down")


def _as_somebody(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run labctl as another user of this machine."""
    start = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from labctl.__main__ import main; sys.exit(main())"
    who = ("setpriv", "--reuid", "2002", "--regid", "2002", "--clear-groups")
    environment: dict[str, Any] = {**os.environ, "LABCTL_HOME": str(home), "HOME": "/"}
    command = (*who, sys.executable, "-P", "-B", "-c", start, *arguments)
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd="/")


@only_root
def test_two_users_do_not_see_each_other(lab: LabUnderTest) -> None:
    home = Path(f"/var/tmp/labctl-test-{os.getpid()}")  # noqa: S108 - made with mode 0700, fails if it is there
    home.mkdir(mode=0o700)
    os.chown(home, 2002, 2002)
    try:
        assert _as_somebody(home, "up").returncode == 0
        own, other = Path(f"/proc/{root_of(lab.home)}"), Path(f"/proc/{root_of(home)}")
        assert (own.stat().st_uid, other.stat().st_uid) == (UNPRIVILEGED_ID, 2002)
        done = _as_somebody(lab.home, "status")
        assert (done.returncode, done.stderr.count("\n")) == (5, 2)
        assert _as_somebody(home, "down").stdout == "the world is gone\n"
        assert lab.labctl("exec", "master", "--", "hostname").out == "master\n"
    finally:
        _as_somebody(home, "down")
        subprocess.run(("rm", "-r", str(home)), check=True)  # the folder that this test made


def test_privileged_is_forroot_of(home: Path) -> None:
    said = run_labctl(home, "up", "--privileged")
    if os.geteuid() != 0:
        assert (said.code, said.err) == (2, "error: up --privileged needs root\nhint: sudo labctl up --privileged\n")
        return
    try:
        assert said.code == 0
        assert "root of this machine" in said.err
        assert namespaces_of(root_of(home))["user"] == namespaces_of(os.getpid())["user"]
        assert run_labctl(home, "step", "all", "--apply", "--node", "all").code == 0
        assert run_labctl(home, "up").err == "the world stands already\n"
        assert run_labctl(home, "exec", "master", "--", "sh", "-c", "echo x > /usr/labctl-probe").code != 0
    finally:
        assert run_labctl(home, "down").out == "the world is gone\n"
