"""What labctl remembers of a world: the record, the journal and the lock, however they were treated."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from labctl.kernel.identity import boot_id, identify
from tests.lab_under_test import Said, labctl_command, run_labctl
from tests.world_probes import record_of, shell_inside

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lab_under_test import LabUnderTest

pytestmark = pytest.mark.machine

GONE = "the process that keeps {} alive is gone"
RESET = "hint: put the lab back: labctl reset\n"


def _kill(pid: int) -> None:
    fd = os.pidfd_open(pid)
    signal.pidfd_send_signal(fd, signal.SIGKILL)
    os.close(fd)


def _kill_keeper(lab: LabUnderTest, place: str) -> None:
    """Kill one pause and wait until the world has reaped it."""
    _kill(dict(record_of(lab.home)["keepers"])[place]["outside"])
    inside = dict(record_of(lab.home)["keepers"])[place]["inside"]
    assert shell_inside(lab, "master", f"while [ -e /proc/{inside} ]; do :; done").code == 0


def _is_error(said: Said, code: int) -> bool:
    return (
        said.code == code
        and said.err.startswith("error: ")
        and said.err.count("\n") == 2
        and "Traceback" not in said.err
    )


def test_the_record_names_the_processes_beyond_doubt(lab: LabUnderTest) -> None:
    record = record_of(lab.home)
    assert (record["kind"], record["boot"]) == ("sandbox", boot_id())
    for keeper in (record["root"], *(keeper for _, keeper in record["keepers"])):
        stat = Path(f"/proc/{keeper['outside']}/stat").read_text().rpartition(")")[2].split()
        numbers = Path(f"/proc/{keeper['outside']}/status").read_text().partition("NSpid:")[2].splitlines()[0].split()
        assert keeper["started"] == int(stat[19])
        assert keeper["inside"] == int(numbers[-1])
    assert {place for place, _ in record["keepers"]} == {
        "internet", "vpc", "master", "worker", "master/a", "master/b", "worker/c", "worker/d",
    }  # fmt: skip


def _forget_boot(home: Path) -> None:
    """Make it look as if the world, and what is known of it, were from before a reboot."""
    document = json.loads((home / "world.json").read_text())
    document["record"]["boot"] = "long-ago"
    (home / "world.json").write_text(json.dumps(document))
    with closing(sqlite3.connect(home / "shared/journal.sqlite")) as database, database:
        database.execute("UPDATE events SET world = replace(world, ?, 'long-ago')", (boot_id(),))


def _kill_root(home: Path) -> None:
    _kill(record_of(home)["root"]["outside"])


@pytest.mark.parametrize("end", [_kill_root, _forget_boot], ids=["killed", "rebooted"])
def test_after_the_worlds_end_status_says_what_was_done_and_it_can_be_brought_back(
    home: Path, end: Callable[[Path], None]
) -> None:
    try:
        assert run_labctl(home, "step", "0-3", "--apply", "--node", "all").code == 0
        end(home)
        said = run_labctl(home, "status")
        assert said.code == 1
        assert "the world is gone (a reboot, or its first process was killed)" in said.out
        assert "next: labctl reset --to 3" in said.out
        held = json.loads(run_labctl(home, "status", "--json").out)
        assert held["world"]["up"] is False
        assert {(each["step"], each["node"]) for each in held["held_before"]} == {
            (step, node) for step in range(4) for node in ("master", "worker")
        }
        said = run_labctl(home, "up")
        assert (said.code, "it comes back empty" in said.err) == (0, True)
        assert run_labctl(home, "step", "0", "--verify").code == 1
        end(home)
        said = run_labctl(home, "reset", "--to", "3")
        assert (said.code, said.out) == (0, "the lab is as after step 3\n")
        assert run_labctl(home, "step", "0-3", "--verify", "--node", "all").code == 0
    finally:
        run_labctl(home, "down")


def test_a_world_half_dead_is_said_to_be_and_reset_mends_it(lab: LabUnderTest) -> None:
    lab.apply(range(4))
    _kill_keeper(lab, "worker/c")
    said = lab.labctl("status")
    assert said.code == 1
    assert "gone: worker/c; put the lab back: labctl reset" in said.err
    said = lab.labctl("step", "3", "--verify", "--node", "worker")
    assert (said.code, GONE.format("worker/c") in said.err, RESET in said.err) == (6, True, True)
    assert lab.labctl("step", "0-3", "--verify", "--node", "master").code == 0
    said = lab.labctl("up")
    assert (said.code, said.err) == (5, f"error: the world stands, but worker/c is gone\n{RESET}")
    said = lab.labctl("exec", "worker/c", "--", "true")
    assert (said.code, said.err) == (125, f"error: {GONE.format('worker/c')}\n{RESET}")
    _kill_keeper(lab, "worker")
    assert lab.labctl("step", "0", "--verify", "--node", "worker").code == 6
    said = lab.labctl("step", "0", "--apply", "--node", "worker")
    assert said.code in (5, 6)
    assert RESET in said.err
    said = lab.labctl("reset", "--to", "3")
    assert said.code == 0
    assert lab.labctl("step", "0-3", "--verify", "--node", "all").code == 0


NOT_A_RECORD = (
    "",
    "{",
    "[]",
    "null",
    '{"schema": 2}',
    '{"schema": 1, "record": {}}',
    '{"schema": 1, "record": 5}',
    "\0",
)


@pytest.mark.anybody
@pytest.mark.parametrize("text", NOT_A_RECORD)
def test_a_broken_record_is_an_error_and_down_takes_even_that_world_away(home: Path, text: str) -> None:
    assert run_labctl(home, "up").code == 0
    root = record_of(home)["root"]["outside"]
    (home / "world.json").write_text(text)
    for command in (("status",), ("up",), ("step", "0", "--verify")):
        assert _is_error(run_labctl(home, *command), 5), command
    assert "hint: start afresh: labctl down\n" in run_labctl(home, "status").err
    said = run_labctl(home, "down")
    assert (said.code, said.out) == (0, "the world is gone\n")
    assert identify(root) is None
    assert run_labctl(home, "status").out == "there is no world; next: labctl up\n"


def test_a_world_whose_record_was_deleted_does_not_stay_for_ever(home: Path) -> None:
    roots = []
    for _ in range(2):
        assert run_labctl(home, "up").code == 0
        roots.append(record_of(home)["root"]["outside"])
        (home / "world.json").unlink()
    assert identify(roots[0]) is None
    assert run_labctl(home, "down").out == "the world is gone\n"
    assert identify(roots[1]) is None


def _on_memory(home: Path, mount: str, commands: str) -> Said:
    """Run labctl with its state folder on a memory file system, mounted where only these commands see it."""
    home.mkdir()
    labctl = shlex.join(labctl_command())
    script = f'mount -t tmpfs -o {mount} labctl-test {home} && [ "$(stat -f -c %T {home})" = tmpfs ] || exit 99\n'
    run = ("sh", "-c", f'labctl() {{ {labctl} "$@"; }}\n{commands}')
    if os.geteuid() == 0:
        outer: tuple[str, ...] = ("unshare", "--mount", "sh", "-c", script + 'exec "$@"', "sh", *run)
    else:  # as root of a user namespace one may mount; in another below that, one is oneself again
        back = ("unshare", "--user", f"--map-user={os.getuid()}", f"--map-group={os.getgid()}")
        outer = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script + 'exec "$@"', "sh", *back, *run)
    environment = {**os.environ, "LABCTL_HOME": str(home)}
    done = subprocess.run(outer, capture_output=True, text=True, check=False, env=environment)
    return Said(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("command", ["up", "step 0 --apply", "status", "down", "reset"])
def test_a_folder_that_cannot_be_written_is_an_error(home: Path, command: str) -> None:
    said = _on_memory(home, "ro,mode=0777", f"labctl {command}")
    if command == "status":
        assert said.code == 1  # there is no world, and saying so writes nothing
    else:
        assert _is_error(said, 5), said
        assert "LABCTL_HOME=DIR" in said.err


@pytest.mark.parametrize("kilobytes", [4, 8, 16, 24, 32])
def test_a_full_folder_is_an_error_and_leaves_no_world(home: Path, kilobytes: int) -> None:
    said = _on_memory(
        home, f"size={kilobytes}k,mode=0777", "labctl up; code=$?; ls $LABCTL_HOME; labctl down >&2; exit $code"
    )
    assert said.code == 5
    assert "Traceback" not in said.err
    assert "LABCTL_HOME=DIR" in said.err
    assert "world.json" not in said.out


def _steps_in_journal(home: Path) -> list[int]:
    with closing(sqlite3.connect(home / "shared/journal.sqlite")) as database:
        return [row[0] for row in database.execute("SELECT step FROM events WHERE kind = 'held' ORDER BY id")]


def test_a_journal_deleted_inside_comes_back(lab: LabUnderTest) -> None:
    assert lab.labctl("step", "0", "--apply").code == 0
    held = _steps_in_journal(lab.home)
    assert 0 in held
    shell_inside(lab, "master", "rm -f /opt/labctl/shared/*")
    said = lab.labctl("step", "0", "--apply")
    assert (said.code, "its second name brings it back" in said.err) == (0, True)
    # Begun anew inside after the deletion, it does not displace what was there.
    shell_inside(lab, "master", "rm -f /opt/labctl/shared/*; labctl step 0 --verify")
    assert Path(lab.home, "shared/journal.sqlite").exists()
    assert lab.labctl("step", "0", "--verify").code == 0
    assert _steps_in_journal(lab.home)[: len(held)] == held
    assert Path(lab.home, "journal.sqlite").samefile(lab.home / "shared/journal.sqlite")


def test_a_journal_that_is_none_is_put_aside(lab: LabUnderTest) -> None:
    shell_inside(lab, "master", "echo this is no database > /opt/labctl/shared/journal.sqlite")
    said = lab.labctl("step", "0", "--apply")
    assert (said.code, "journal.broken" in said.err) == (0, True)
    assert (lab.home / "journal.broken").read_text() == "this is no database\n"
    assert 0 in _steps_in_journal(lab.home)
