"""Where labctl writes: pipes that close, no terminal, no colour, letters that a locale does not have."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.lab_under_test import LabUnderTest, labctl_command, run_labctl
from tests.terminal import Terminal

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.machine, pytest.mark.anybody]


def _bash(home: Path, script: str) -> subprocess.CompletedProcess[str]:
    """Run a line of shell in which `L` is labctl."""
    return subprocess.run(
        ("bash", "-c", 'L() { "${COMMAND[@]}" "$@"; }; COMMAND=("$@"); ' + script, "bash", *labctl_command()),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LABCTL_HOME": str(home)},
    )


LOOKS = ("step all --explain", "--help", "step all --commands", "step all --explain --json")
OUTPUTS = ("step 3", "status", "step 0-2 --apply", "step 0-2 --verify", "step 3 --plan")
LOCALES = (
    {"LC_ALL": "C"},
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    {"PYTHONIOENCODING": "latin-1"},
)


@pytest.mark.parametrize("command", LOOKS)
def test_a_reader_that_has_enough(home: Path, command: str) -> None:
    done = _bash(home, f"L {command} | head -1")
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr == ""


def test_a_reader_that_has_enough_does_not_stop_what_is_being_done(lab: LabUnderTest) -> None:
    done = _bash(lab.home, 'L step 0-4 --apply --via shell | head -1; echo "${PIPESTATUS[0]}"')
    assert done.stderr == ""
    assert done.stdout.splitlines()[1:] == ["0"]
    assert lab.labctl("step", "0-4", "--verify").code == 0


def test_streams_that_are_closed_or_full(lab: LabUnderTest) -> None:
    closed = _bash(lab.home, "L step 0 --apply <&- >&- 2>&-; echo $?")
    assert (closed.stdout, closed.stderr) == ("0\n", "")
    assert lab.labctl("step", "0", "--verify").code == 0
    full = _bash(lab.home, "L status --json > /dev/full; echo $?")
    assert full.stdout == "5\n"
    assert full.stderr.splitlines()[0] == "error: the machine refused: No space left on device"
    assert len(full.stderr.splitlines()) == 2


@pytest.mark.parametrize("locale", LOCALES)
def test_a_locale_that_is_not_utf8(lab: LabUnderTest, locale: dict[str, str]) -> None:
    for line in ("step all --explain --answer", "step 0 --apply", "status", "explain cni", "step 1 --plan", "step 9"):
        done = subprocess.run(
            (*labctl_command(), *line.split()),
            capture_output=True,
            check=False,
            env={**os.environ, "LABCTL_HOME": str(lab.home), **locale},
        )
        assert done.returncode in (0, 1, 2), done.stderr
        assert b"defect" not in done.stderr
        assert locale == {"LC_ALL": "C"} or done.stdout.isascii()


def test_plain_marks_where_there_are_no_others(lab: LabUnderTest) -> None:
    out = lab.labctl("step", "0", "--apply", environment={"PYTHONIOENCODING": "latin-1"}).out
    assert "\n  ok master can ping 10.244.0.1: no (no answer from 10.244.0.1) ... now yes\n" in out
    out = lab.labctl("step", "1", "--verify", environment={"PYTHONIOENCODING": "ascii"}).out
    assert "\n  NO reservation:master/a: absent" in out
    drawn = lab.labctl("step", "0", "--explain", environment={"PYTHONIOENCODING": "latin-1"}).out
    assert "\nWhy\n---\n" in drawn


def test_a_script_with_odd_letters_in_a_plain_locale(lab: LabUnderTest) -> None:
    plain = {"PYTHONIOENCODING": "latin-1", "LC_ALL": "C"}
    said = lab.labctl("shell", text="# what — “this” is\necho fine\n", environment=plain)
    assert (said.code, said.out) == (0, "fine\n")


def test_a_pipe_gets_no_colour_no_boxes_and_no_blanks_at_the_end(lab: LabUnderTest) -> None:
    for output in OUTPUTS:
        lines = lab.labctl(*output.split()).out.splitlines()
        assert lines
        assert not [line for line in lines if "\x1b" in line or line != line.rstrip() or "╭" in line]


def test_colours_on_a_terminal_and_none_with_no_color(lab: LabUnderTest) -> None:
    with Terminal(lab.home, "status") as terminal:
        assert "\x1b[33mnot done" in terminal.read_rest()
    with Terminal(lab.home, "status", environment={"NO_COLOR": "1"}) as terminal:
        shown = terminal.read_rest()
        assert "not done" in shown
        assert "\x1b[3" not in shown.replace("\x1b[3m", "")
    with Terminal(lab.home, "status", environment={"TERM": "dumb"}) as terminal:
        assert "\x1b[33m" not in terminal.read_rest()


def test_no_terminal_and_no_home_at_all(tmp_path: Path) -> None:
    done = subprocess.run(
        ("setsid", *labctl_command(), "step", "0", "--explain"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "XDG_STATE_HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    assert "Why" in done.stdout


def test_the_tools_are_found_though_the_path_leads_nowhere(home: Path) -> None:
    try:
        said = run_labctl(home, "up", environment={"PATH": "/nowhere"})
        assert said.code == 0, said
    finally:
        run_labctl(home, "down")
