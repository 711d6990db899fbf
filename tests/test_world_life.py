"""A world comes whole or not at all, and goes without a trace, however labctl or the world itself ends."""

from __future__ import annotations

import os
import select
import signal
import subprocess
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from labctl.errors import KernelRefused
from tests.lab_under_test import labctl_command, run_labctl
from tests.world_probes import (
    KINDS,
    cut_labctl,
    members_of,
    namespaces_in_use,
    namespaces_of,
    record_of,
    root_of,
    shell_inside,
    world_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.lab_under_test import LabUnderTest

pytestmark = pytest.mark.machine

POINTS = 9


def _kill(pid: int) -> None:
    """SIGKILL, and wait until the process is gone."""
    fd = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(fd, signal.SIGKILL)
        poller = select.poll()
        poller.register(fd, select.POLLIN)
        assert poller.poll(60_000)
    finally:
        os.close(fd)


@contextmanager
def _must_go(home: Path) -> Iterator[None]:
    """What there is of a world before must not be there after.

    Its namespaces are held open meanwhile: else their numbers are soon those of another test's world.
    """
    mounts = Path("/proc/self/mountinfo").read_text()
    members, own = world_of(home)
    with ExitStack() as held:
        for pid in members:
            for kind in KINDS:
                held.callback(os.close, os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY))
        assert len(own) >= 4 + 3 * 4
        assert own <= namespaces_in_use()
        yield
        assert not own & namespaces_in_use()
    assert Path("/proc/self/mountinfo").read_text() == mounts


def test_down_leaves_nothing_but_the_journal(home: Path) -> None:
    assert run_labctl(home, "up").code == 0
    shell = "mount -t tmpfs none /mnt; ip netns add left; setsid sleep infinity >/dev/null 2>&1 & echo x > /run/left"
    assert run_labctl(home, "exec", "master", "--", "sh", "-c", shell).code == 0
    with _must_go(home):
        assert run_labctl(home, "down").out == "the world is gone\n"
    assert {str(path.relative_to(home)) for path in home.rglob("*")} == {
        "journal.sqlite", "shared", "shared/journal.sqlite", "shared/lock",
    }  # fmt: skip
    assert run_labctl(home, "down").out == "there was no world\n"


def test_a_machine_with_named_namespaces_of_its_own(home: Path) -> None:
    """ip-netns(8) mounts /run/netns on itself: under the node's own /run it is still listed, and is nobody's here."""
    hidden = "mount -t tmpfs none /run && mkdir /run/netns && mount --bind /run/netns /run/netns"
    apart = ("unshare", "--mount", *(() if os.geteuid() == 0 else ("--user", "--map-root-user")))
    argv = (*apart, "sh", "-c", f'{hidden} && exec "$@"', "sh", *labctl_command(), "up")
    subprocess.run(argv, check=True, capture_output=True, env={**os.environ, "LABCTL_HOME": str(home)})
    try:
        assert " /run/netns " in run_labctl(home, "exec", "master", "--", "cat", "/proc/self/mountinfo").out
        before = run_labctl(home, "snapshot").out
        assert run_labctl(home, "step", "0-2", "--apply").code == 0
        assert run_labctl(home, "exec", "master", "--", "ip", "netns", "attach", "more", "1").code == 0
        assert run_labctl(home, "exec", "master", "--", "ip", "netns", "delete", "more").code == 0
        assert run_labctl(home, "step", "0", "--undo", "--cascade").code == 0
        assert run_labctl(home, "snapshot").out == before
    finally:
        run_labctl(home, "down")


@pytest.mark.parametrize("mine", ["mount -t tmpfs mine", "mkdir /run/other && mount --bind /run/other"])
def test_a_mount_of_a_person_on_a_folder_of_labctl_is_left(lab: LabUnderTest, mine: str) -> None:
    """ip-netns(8) mounts the folder on itself; what a person has mounted on that is neither undone nor emptied."""
    assert lab.type("master", f"ip netns add x && {mine} /run/netns && echo mine > /run/netns/precious").code == 0
    with pytest.raises(KernelRefused):
        lab.kernel.files("master").remove("/run/netns")
    assert lab.type("master", "cat /run/netns/precious").out == "mine\n"
    assert lab.type("master", "umount /run/netns && ip netns del x").code == 0
    lab.kernel.files("master").remove("/run/netns")
    assert lab.kernel.files("master").info("/run/netns") is None


def test_a_killed_world_leaves_nothing_but_its_record(home: Path) -> None:
    assert run_labctl(home, "up").code == 0
    with _must_go(home):
        _kill(root_of(home))
    assert "the world is gone" in run_labctl(home, "status").out
    assert run_labctl(home, "down").code == 0
    assert not (home / "world.json").exists()


def test_at_rest_there_are_only_the_pauses_and_who_stands_by_for_internet_and_vpc(
    home: Path, record_property: Callable[[str, object], None]
) -> None:
    assert run_labctl(home, "step", "0", "--apply").code == 0
    members = members_of(namespaces_of(root_of(home))["pid"])
    commands = sorted(line.split("/")[-1] for line in members.values())
    places = len(record_of(home)["keepers"])
    assert commands[0].startswith("internet.py")
    assert commands[1:] == [*["sleep infinity"] * places, "vpc-compute"]
    assert sum("/opt/labctl/bin/attend " in line for line in members.values()) == 1
    memory = sum(_proportional_kilobytes(pid) for pid in members)
    record_property("PSS of a standing world of two nodes, MB", round(memory / 1024, 1))
    assert memory <= 25 << 10
    for pid in members:
        assert not [each for each in Path(f"/proc/{pid}/fd").iterdir() if str(home) in str(each.readlink())]
    assert run_labctl(home, "down").code == 0


def _proportional_kilobytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def test_every_keeper_has_a_session_of_its_own_and_no_terminal(lab: LabUnderTest) -> None:
    for _, keeper in record_of(lab.home)["keepers"]:
        assert os.getsid(keeper["outside"]) == keeper["outside"]
        stat = Path(f"/proc/{keeper['outside']}/stat").read_text().rpartition(")")[2].split()
        assert stat[4] == "0", "it has a terminal"


def test_the_nodes_have_names_and_folders_of_their_own(lab: LabUnderTest) -> None:
    for place in ("master", "worker", "vpc", "internet"):
        said = shell_inside(
            lab, place, "hostname; ls /run/mine /var/lib/mine 2>&1 | grep -c cannot; touch /run/mine /var/lib/mine"
        )
        assert said.out == f"{place}\n2\n"
        links = shell_inside(lab, place, "ls /sys/class/net; echo; ip -o link | cut -d: -f2 | cut -d@ -f1").out
        own, _, listed = links.partition("\n\n")
        assert sorted(own.split()) == sorted(listed.split())
    said = shell_inside(
        lab, "master", "ip netns add x && ip netns exec x ls /sys/class/net && hostname other && hostname"
    )
    assert said.out == "lo\nother\n"
    assert shell_inside(lab, "worker", "hostname; ip netns list").out == "worker\n"
    assert Path("/proc/sys/kernel/hostname").read_text() not in ("other\n", "master\n")


def _calls(tmp_path: Path, *arguments: str) -> list[str]:
    """The functions that a labctl runs through which is left alone."""
    home = tmp_path / "counted"
    cut = cut_labctl(home, "count", "0", *arguments, dies=False)
    assert cut.code == 0, cut.err
    assert run_labctl(home, "down").code == 0
    return cut.calls


def _spread(calls: list[str], points: int) -> list[int]:
    """Some of the calls, from the first to the last, and all that happen while the record is saved."""
    saving = [number for number, name in enumerate(calls, 1) if name in ("save", "_furnish", "boot", "_attend")]
    return sorted({1 + number * (len(calls) - 1) // (points - 1) for number in range(points)} | set(saving))


def test_labctl_killed_at_any_moment_of_up_leaves_nothing(tmp_path: Path) -> None:
    calls = _calls(tmp_path, "up")
    saved = calls.index("save") + 1
    for number in [point for point in _spread(calls, POINTS) if point <= saved]:
        home = tmp_path / str(number)
        cut = cut_labctl(home, "KILL", str(number), "up")  # returns once no process of it is left
        assert cut.code == -signal.SIGKILL
        assert not (home / "world.json").exists(), calls[number - 1]
        assert not list(home.glob("*.new"))
    # The last of these homes is as good as new.
    assert run_labctl(home, "up").code == 0
    assert run_labctl(home, "down").out == "the world is gone\n"


def test_up_interrupted_at_any_moment_says_so_in_one_line(tmp_path: Path) -> None:
    calls = _calls(tmp_path, "up")
    saved = calls.index("save") + 1
    for number in _spread(calls, POINTS):
        home, name = tmp_path / str(number), ("INT", "TERM")[number % 2]
        cut = cut_labctl(home, name, str(number), "up", dies=number <= saved)
        assert (cut.code, cut.out) == (130, ""), calls[number - 1]
        assert cut.err.startswith("interrupted: "), cut.err
        assert cut.err.count("\n") == 1, cut.err
        assert not (cut.stood and number <= saved), calls[number - 1]
        assert run_labctl(home, "status").code == 1
        assert run_labctl(home, "down").out == ("the world is gone\n" if cut.stood else "there was no world\n")


@pytest.mark.parametrize("action", ["raise", "vanish"])
def test_a_world_that_dies_while_it_is_made_is_an_error_and_leaves_nothing(home: Path, action: str) -> None:
    inner = ["_hold_host", "furnish_host", "_hold_container"] if action == "raise" else []
    for name in ["_first_child", "_pid_one", "furnish", "_mount_proc", "map_self_to_root", *inner]:
        if name == "map_self_to_root" and action == "vanish":
            continue
        cut = cut_labctl(home, action, name, "up")
        assert cut.code == 5, (name, cut)
        assert cut.err.startswith("error: the world ")
        assert cut.err.endswith("\nhint: try: labctl doctor\n")
        assert cut.err.count("\n") == 2
        assert not cut.stood


@pytest.mark.anybody
@pytest.mark.parametrize(("name", "share"), [("INT", 0.4), ("TERM", 0.9)])
def test_steps_interrupted_are_said_in_one_line_and_can_be_done_again(tmp_path: Path, name: str, share: float) -> None:
    arguments = ("step", "all", "--apply", "--node", "all")
    calls = _calls(tmp_path, *arguments)
    home = tmp_path / "home"
    cut = cut_labctl(home, name, str(int(len(calls) * share)), *arguments, dies=False)
    try:
        assert cut.code == 130
        assert "Traceback" not in cut.err
        # Beside it there is the one line that a world was made.
        assert [line.partition(":")[0] for line in cut.err.splitlines()[1:]] == ["interrupted"]
        assert run_labctl(home, "status").code in (0, 1)
        said = run_labctl(home, *arguments)
        assert said.code == 0, said.err
        assert run_labctl(home, "status").code == 0
    finally:
        assert run_labctl(home, "down").code == 0
