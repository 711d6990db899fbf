"""The same labctl inside the world: what it can do there, what it leaves to the outside, wherever its code lies."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from labctl.kernel import own_code
from tests.lab_under_test import ROOT, run_labctl
from tests.world_probes import shell_inside

if TYPE_CHECKING:
    from tests.lab_under_test import LabUnderTest

pytestmark = pytest.mark.machine


@pytest.mark.parametrize(
    "command", ["up", "down", "reset", "reset --to 3", "demo", "up --nodes 3", "checkpoint save monday"]
)
def test_what_takes_away_the_ground_is_refused_inside(lab: LabUnderTest, command: str) -> None:
    said = shell_inside(lab, "master", f"labctl {command}")
    assert said.code == 2
    name = command.split(maxsplit=1)[0]
    assert said.err == f"error: labctl {name} belongs outside the lab's world\nhint: type `exit` first\n"
    assert lab.labctl("exec", "master", "--", "true").code == 0


def test_steps_can_be_done_and_looked_at_from_inside(lab: LabUnderTest) -> None:
    for place in ("worker", "worker/c"):
        said = shell_inside(lab, place, "labctl step 0 --apply; labctl step 0 --verify; labctl exec master -- hostname")
        assert (said.code, said.out.splitlines()[-1]) == (0, "master"), said.err
    # It was done where the shell is, not on the first node; and the outside knows.
    assert lab.labctl("step", "0", "--verify", "--node", "worker").code == 0
    assert lab.labctl("step", "0", "--verify", "--node", "master").code == 1
    said = shell_inside(
        lab, "worker", "labctl status --json | jq -c '[.steps[] | select(.outcome == \"done\") | [.step, .node]]'"
    )
    assert said.out == '[[0,"worker"]]\n'
    assert shell_inside(lab, "vpc", "labctl status >/dev/null; labctl step 1 --explain | wc -l").code == 0


@pytest.mark.parametrize("place", ["master", "worker", "worker/c", "internet", "vpc"])
def test_gcloud_works_from_everywhere(lab: LabUnderTest, place: str) -> None:
    route = "k8s-master --destination-range 10.244.0.0/24 --network k8s --next-hop-address 10.128.0.2"
    said = shell_inside(lab, place, f"gcloud compute routes create {route}")
    assert said.code == 0, said.err
    assert "10.244.0.0/24" in lab.labctl("exec", "vpc", "--", "ip", "route").out
    assert shell_inside(lab, place, "gcloud compute routes delete k8s-master --quiet").code == 0
    assert "10.244.0.0/24" not in lab.labctl("exec", "vpc", "--", "ip", "route").out


def _copied_labctl(folder: Path) -> tuple[str, ...]:
    for name in ("labctl", "steps"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    start = f"import sys; sys.path.insert(0, {str(folder)!r}); from labctl.__main__ import main; sys.exit(main())"
    return (sys.executable, "-P", "-B", "-c", start)


@pytest.mark.parametrize("where", ["home", "/tmp", "/var/tmp"])  # noqa: S108 - folders with safe names in them
def test_a_checkout_in_a_hidden_place_works_inside(home: Path, where: str) -> None:
    """Below a folder that only its owner may enter, in places that the world's own folders hide; a quote."""
    parent = Path.home() if where == "home" else Path(where)
    with tempfile.TemporaryDirectory(dir=parent, prefix="it's labctl ") as private:
        folder = Path(private, "checkout")
        labctl = _copied_labctl(folder)
        environment = {**os.environ, "LABCTL_HOME": str(home)}
        script = "labctl step 0 --apply && labctl step 3 --verify; echo $?; labctl exec worker -- hostname; "
        script += "labctl status; echo $?"
        command = (*labctl, "exec", "master", "--", "sh", "-c", script)
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        try:
            lines = done.stdout.splitlines()
            assert "3" in lines, done.stderr
            assert "worker" in lines
            assert lines[-1] == "1"
            script = f"touch '{folder}/new' || echo refused".replace("'s", "'\\''s")
            done = subprocess.run(
                (*labctl, "exec", "master", "--", "sh", "-c", script),
                capture_output=True,
                text=True,
                check=False,
                env=environment,
            )
            assert done.stdout == "refused\n"
            assert not Path(folder, "new").exists()
        finally:
            assert run_labctl(home, "down").code == 0


def test_the_checkout_that_made_the_world_is_seen_in_it(lab: LabUnderTest) -> None:
    assert own_code.is_seen_in(lab.world.record)
    # A learner is root there, and may mount something over it on one node.
    assert lab.type("worker", f"mount -t tmpfs mine {shlex.quote(str(ROOT))}").code == 0
    assert not own_code.is_seen_in(lab.world.record)


@pytest.mark.anybody
def test_another_checkout_that_the_world_hides_works_on_it_too(home: Path, tmp_path: Path) -> None:
    """The world shows the checkout that made it; of another one, in /tmp, nothing can be imported in there."""
    other, environment = _copied_labctl(tmp_path / "other"), {**os.environ, "LABCTL_HOME": str(home)}

    def run(*arguments: str) -> str:
        done = subprocess.run((*other, *arguments), capture_output=True, text=True, check=False, env=environment)
        assert (done.returncode, done.stderr.partition("made the lab's world")[0]) == (0, ""), arguments
        return done.stdout

    assert run_labctl(home, "up").code == 0
    try:
        everywhere = ("--node", "all")
        run("step", "all", "--apply", *everywhere)
        run("status")
        assert json.loads(run("snapshot"))["nodes"]
        run("step", "0", "--undo", "--cascade", *everywhere)
    finally:
        assert run_labctl(home, "down").code == 0


@pytest.mark.parametrize("where", ["/tmp", "/var/tmp", "home"])  # noqa: S108 - as above
def test_the_state_may_lie_anywhere(where: str) -> None:
    parent = Path.home() if where == "home" else Path(where)
    with tempfile.TemporaryDirectory(dir=parent, prefix="a state ") as folder:
        home = Path(folder, "deep/labctl")
        try:
            assert run_labctl(home, "step", "all", "--apply", "--node", "all").code == 0
            assert run_labctl(home, "exec", "worker", "--", "labctl", "status").code == 0
        finally:
            assert run_labctl(home, "down").code == 0


def test_xdg_state_home_is_where_the_state_is(tmp_path: Path) -> None:
    environment = {"LABCTL_HOME": "", "XDG_STATE_HOME": str(tmp_path / "state")}
    assert run_labctl(tmp_path, "up", environment=environment).code == 0
    assert (tmp_path / "state/labctl/world.json").exists()
    assert run_labctl(tmp_path, "down", environment=environment).out == "the world is gone\n"


@pytest.mark.parametrize("home", ["/", "/usr/sbin", "/nonexistent", "/etc", "/proc"])
def test_a_person_whose_home_is_part_of_the_system_gets_a_world_too(tmp_path: Path, home: str) -> None:
    environment = {"HOME": home}
    try:
        assert run_labctl(tmp_path, "step", "0", "--apply", environment=environment).code == 0
    finally:
        assert run_labctl(tmp_path, "down", environment=environment).code == 0
