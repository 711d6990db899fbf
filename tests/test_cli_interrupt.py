"""Ctrl-C and SIGTERM, at every event of a run: exit 130, one line that says what stands, and nothing half done."""

from __future__ import annotations

import os
import shlex
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.lab_under_test import FORKS, LabUnderTest, Said
from tests.terminal import Terminal

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.machine, pytest.mark.anybody]

# labctl, but at its Nth event (0: never; asking the probes is one too) the signal comes, as if typed at just that
# moment. Says on stderr at the end how many there were.
_LABCTL = """
import os, signal, sys
from labctl.cli import demo, tally
from labctl.engine.prober import Prober
from labctl.__main__ import main
at, name = int(sys.argv.pop(1)), sys.argv.pop(1)
count = 0
def cut(listener, method):
    hear = getattr(listener, method)
    def hook(self, event):
        global count
        count += 1
        heard = hear(self, event)
        if count == at:
            os.kill(os.getpid(), getattr(signal, name))
        return heard
    setattr(listener, method, hook)
cut(tally.Tally, "__call__")
cut(demo._Ear, "__call__")
cut(Prober, "ask")
code = main()
os.write(2, f"events: {count}\\n".encode())
sys.exit(code)
"""


def _run(home: Path, at: int, name: str, *arguments: str, **environment: str) -> tuple[Said, int]:
    """Run labctl with the signal at one event; also give how many events there were."""
    wanted = {**os.environ, "LABCTL_HOME": str(home), **environment}
    done = FORKS.run((str(at), name, *arguments), wanted, program=_LABCTL)
    *said, last = done.stderr.splitlines(keepends=True)
    assert last.startswith("events: "), done.stderr
    return Said(done.returncode, done.stdout, "".join(said)), int(last.split()[1])


def _again(said: Said) -> list[str]:
    """The command that goes on, as the one line of stderr names it."""
    (line,) = said.err.splitlines()
    assert line.startswith("interrupted: ")
    program, *arguments = shlex.split(line.partition("to go on: ")[2])
    assert program == "labctl"
    return arguments


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("number", [0, 3])
def test_apply_is_whole_or_not_at_all_at_every_event(lab: LabUnderTest, number: int, name: str) -> None:
    lab.apply(range(number), nodes=(lab.lab.node("master"),))
    before = lab.snapshot()
    said, events = _run(lab.home, 0, name, "step", str(number), "--apply")
    assert said.code == 0
    lab.kernel.refresh()
    after = lab.snapshot()
    lab.undo_from(number)
    stood = []
    for at in range(1, events + 1):
        said, _ = _run(lab.home, at, name, "step", str(number), "--apply")
        assert said.code == 130, said
        assert _again(said) == ["step", str(number), "--apply"]
        lab.kernel.refresh()
        stood.append(lab.snapshot() == after)
        assert stood[-1] or lab.snapshot() == before, (at, said)
        assert ("stand" in said.err) is stood[-1], (at, said)
        lab.survey.refresh()
        lab.undo_from(number)
    assert stood[0] is False
    assert stood[-1] is True


def test_the_steps_before_stand_and_the_named_command_goes_on(lab: LabUnderTest) -> None:
    _, first = _run(lab.home, 0, "SIGINT", "step", "0-1", "--apply")
    lab.undo_from(0)
    # Started, probes asked and told, planned; the first resource begun, done: now.
    said, _ = _run(lab.home, first + 6, "SIGINT", "step", "0-3", "--apply")
    assert said.code == 130
    assert "step 2 on master was taken back; step 0, 1 on master done and left standing" in said.err
    assert lab.labctl("step", "0-1", "--verify").code == 0
    assert lab.labctl("step", "2", "--verify").code == 1
    assert "interrupted" not in lab.labctl("status").err
    assert lab.labctl(*_again(said)).code == 0
    assert lab.labctl("step", "0-3", "--verify").code == 0


def test_undo_says_what_is_half_undone_and_goes_on(lab: LabUnderTest) -> None:
    before = lab.snapshot()
    lab.apply((0,), nodes=(lab.lab.node("master"),))
    said, _ = _run(lab.home, 2, "SIGINT", "step", "0", "--undo")
    assert said.code == 130
    assert "step 0 on master is undone in part" in said.err
    assert lab.labctl(*_again(said)).code == 0
    lab.kernel.refresh()
    assert lab.snapshot() == before


def test_interrupted_with_json_is_an_object_on_stdout(lab: LabUnderTest) -> None:
    said, _ = _run(lab.home, 3, "SIGINT", "step", "0", "--apply", "--json")
    assert (said.code, said.err) == (130, "")
    assert '"code": 130' in said.out


@pytest.mark.parametrize("at", [1, 4, 30, 61])
def test_the_demo_leaves_nothing(home: Path, tmp_path: Path, at: int) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    said, _ = _run(home, at, "SIGINT", "demo", TMPDIR=str(scratch))
    assert said.code == 130
    assert said.err.splitlines()[-1] == "interrupted: the demo's world is gone again; once more: labctl demo"
    assert "Traceback" not in said.err
    assert not list(scratch.iterdir())
    marks = subprocess.run(("ps", "-eo", "args"), capture_output=True, text=True, check=True).stdout
    assert str(scratch) not in marks


def test_ctrl_c_on_a_terminal_in_the_middle_of_a_run(lab: LabUnderTest) -> None:
    with Terminal(lab.home, "step", "all", "--apply", "--node", "all", "--via", "shell") as terminal:
        terminal.read_until("brctl addbr")
        terminal.type("\x03\x03\x03")
        shown = terminal.read_rest()
        assert terminal.process.wait() == 130
    assert "Traceback" not in shown
    assert shown.count("interrupted: ") == 1
    lab.kernel.refresh()
    assert lab.labctl("status", "--json").code == 1
    assert lab.session.sandbox.missing_keepers(lab.world) == ()


@pytest.mark.parametrize("command", [("step", "0-3", "--verify"), ("status",), ("step", "3")])
def test_a_look_that_is_cut_has_changed_nothing(lab: LabUnderTest, command: tuple[str, ...]) -> None:
    lab.apply(range(4))
    before = lab.snapshot()
    said, _ = _run(lab.home, 1, "SIGINT", *command)
    assert said.code == 130
    assert _again(said) == list(command)
    assert lab.snapshot() == before
