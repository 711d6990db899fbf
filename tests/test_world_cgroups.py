"""A privileged world has control groups of its own, shows no others, and leaves none, however it ends."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, NoReturn

import pytest

from labctl.errors import KernelRefused
from labctl.kernel import cgroups
from labctl.kernel.identity import identify, kill_and_wait
from tests.lab_under_test import LabUnderTest, labctl_command, run_labctl
from tests.world_probes import cut_labctl, members_of, namespaces_of, root_of

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.machine,
    pytest.mark.root,
    pytest.mark.skipif(not os.access("/sys/fs/cgroup", os.W_OK), reason="the control groups here are read-only"),
]

# As a runtime does: groups below groups, a process in the last. One of version 1's cpuset has no processors yet.
_RUN = """
sleep infinity </dev/null >/dev/null 2>&1 &
find /sys/fs/cgroup -name lab -type d | while read -r lab; do
  mkdir -p "${lab%/lab}/pod/container" && echo $! > "${lab%/lab}/pod/container/cgroup.procs"
done 2>/dev/null
[ -z "$1" ] || find /sys/fs/cgroup -path '*/pod/container/freezer.state' | while read -r state; do
  echo FROZEN > "$state"
done
"""


def _groups(home: Path) -> list[Path]:
    """The parents that the world of a home has on the machine."""
    name = cgroups._name(str(home.resolve()))
    return [each.top / name for each in cgroups.find_hierarchies() if (each.top / name).exists()]


def _run_like_a_runtime(home: Path, *, paused: bool = False) -> None:
    said = run_labctl(home, "exec", "master", "--", "bash", "-c", _RUN, "bash", "paused" if paused else "")
    assert said.code == 0, said.err
    made = [group for group in _groups(home) if (group / "pod/container").is_dir()]
    assert len(made) == len(cgroups.find_hierarchies())
    assert any((group / "pod/container/cgroup.procs").read_text() for group in made)


def test_a_privileged_world_sees_its_own_groups_and_no_others(home: Path) -> None:
    with LabUnderTest(home, kind="privileged") as lab:
        for place in ("master", "worker", "vpc"):
            said = lab.labctl("exec", place, "--", "cat", "/proc/self/cgroup").out.splitlines()
            assert {line.split(":", 2)[2] for line in said} == {"/lab"}
            folders = lab.type(place, "find /sys/fs/cgroup -mindepth 1 -type d").out.split()
            tops = {str(each.top) for each in cgroups.find_hierarchies()}
            assert set(folders) - tops == {f"{top}/lab" for top in tops}
        assert lab.type("master", "cat /proc/self/cgroup | cut -d: -f3 | sort -u").out == "/lab\n"
        # All that lives in the world is in there, and nothing else.
        members = set(members_of(namespaces_of(root_of(home))["pid"]))
        for group in _groups(home):
            held = {int(line) for line in (group / "lab/cgroup.procs").read_text().split()}
            assert members <= held
            assert not (group / "cgroup.procs").read_text()
        lab.type("master", "find /sys/fs/cgroup -name lab -type d | while read -r lab; do mkdir ${lab%/lab}/made; done")
        assert all((group / "made").is_dir() for group in _groups(home))
    assert not _groups(home)


@pytest.mark.parametrize("paused", [False, True], ids=["running", "paused"])
def test_down_takes_what_a_runtime_made_along(home: Path, *, paused: bool) -> None:
    assert run_labctl(home, "up", "--privileged").code == 0
    _run_like_a_runtime(home, paused=paused)
    assert run_labctl(home, "down").out == "the world is gone\n"
    assert not _groups(home)


@pytest.mark.parametrize("arguments", [("down",), ("up",), ("up", "--privileged")], ids=" ".join)
def test_the_groups_of_a_killed_world_go_with_the_next_up_or_down(home: Path, arguments: tuple[str, ...]) -> None:
    assert run_labctl(home, "up", "--privileged").code == 0
    _run_like_a_runtime(home)
    root = identify(root_of(home))
    assert root
    assert kill_and_wait(root)
    assert _groups(home)
    assert run_labctl(home, *arguments).code == 0
    assert not [group for group in _groups(home) if (group / "pod").exists()]
    assert bool(_groups(home)) == (arguments[-1] == "--privileged")
    run_labctl(home, "down")
    assert not _groups(home)


@pytest.mark.parametrize("name", ["furnish", "_hold_host"])
def test_a_world_that_dies_while_it_is_made_leaves_no_groups(home: Path, name: str) -> None:
    cut = cut_labctl(home, "raise", name, "up", "--privileged")
    assert (cut.code, cut.stood) == (5, False)
    assert not _groups(home)


def test_groups_that_do_not_go_hide_no_failure(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse_to_go(folder: Path) -> NoReturn:
        raise KernelRefused(f"{folder} does not go", "")

    def refuse_to_mount(*_: object) -> NoReturn:
        raise OSError(1, "no mount for you")

    with monkeypatch.context() as patch:
        patch.setattr(cgroups, "_remove_one", refuse_to_go)
        patch.setattr(cgroups, "mount_view", refuse_to_mount)
        with pytest.raises(KernelRefused, match="no mount for you"):
            LabUnderTest(home, kind="privileged").__enter__()
    assert _groups(home)
    assert run_labctl(home, "down").code == 0
    assert not _groups(home)


def test_down_while_a_command_runs_inside(home: Path) -> None:
    assert run_labctl(home, "up", "--privileged").code == 0
    argv = (*labctl_command(), "exec", "master", "--", "sh", "-c", "echo here; exec sleep infinity")
    environment = {**os.environ, "LABCTL_HOME": str(home)}
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout
        assert process.stdout.readline() == "here\n"
        assert run_labctl(home, "down").out == "the world is gone\n"
        assert not _groups(home)
        assert process.wait(60) == 137


def test_a_sandbox_world_has_no_groups(home: Path) -> None:
    with LabUnderTest(home) as lab:
        assert not _groups(home)
        assert lab.type("master", "ls /sys/fs/cgroup").out == ""
