"""Law 7: killed at any operation, of apply or of undo; then `apply` again, or `undo`: both end where they should."""

from __future__ import annotations

import os
import signal
from contextlib import closing
from itertools import count
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from labctl.cli.run import Run
from labctl.cli.session import Session
from labctl.engine.course import nodes_of
from labctl.errors import WorldGone
from tests.every_step import every_step_once
from tests.faulty_kernel import Fault, FaultyAgent, FaultyKernel, die, failure_of

if TYPE_CHECKING:
    from pathlib import Path

    from labctl.model.lab import Node
    from tests.lab_under_test import LabUnderTest

pytestmark = [pytest.mark.machine, pytest.mark.long]

FOLDER = "/var/lib/cni/networks/k8s"


def _run_killed(lab: LabUnderTest, number: int, at: int, *, undo: bool = False) -> bool:
    """Let a process of its own run `labctl step N --apply` (or `--undo`) that kills itself; tell whether it did."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            quiet = os.open(os.devnull, os.O_RDWR)
            os.dup2(quiet, 1)
            os.dup2(quiet, 2)
            run = Run(_doomed_session(lab.home, at), (lab.lesson(number),), lab.lab.nodes[:1])
            code = run.undo(cascade=False) if undo else run.apply(with_needed=False)
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    lab.survey.refresh()
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.waitstatus_to_exitcode(status) == 0
    return False


def _doomed_session(home: Path, at: int) -> Session:
    """A session of the command line whose kernel kills the process after `at` changes."""
    session = Session(home)
    enter = session.sandbox.enter

    def enter_doomed(world: Any) -> Any:  # noqa: ANN401 (stands in for the session that `enter` gives)
        agent = enter(world)
        kernel = FaultyKernel(agent.kernel, Fault(at, after=True, happen=die))
        return SimpleNamespace(kernel=kernel, close=agent.close)

    session.sandbox.enter = enter_doomed  # type: ignore[method-assign]  # the one place where the fault gets in
    return session


def _first(lab: LabUnderTest, number: int) -> Node:
    return nodes_of(lab.lesson(number), lab.lab, lab.lab.nodes)[0]


@every_step_once
def test_killed_in_apply_then_undo_or_apply_again(lab: LabUnderTest, number: int) -> None:
    lab.apply(range(number))
    node, before = _first(lab, number), lab.snapshot()
    lab.apply((number,), nodes=(node,))
    done = lab.snapshot()
    lab.undoer().undo(lab.lesson(number), node)
    at = 0
    for at in count(1):
        if not _run_killed(lab, number, at):
            break
        if at % 2 == 0:
            lab.apply((number,), nodes=(node,))
            assert lab.snapshot() == done, at
        lab.undoer().undo(lab.lesson(number), node)
        assert lab.snapshot() == before, at
    assert at > 1
    assert lab.snapshot() == done


@every_step_once
def test_killed_in_undo_then_undo_again_or_apply(lab: LabUnderTest, number: int) -> None:
    lab.apply(range(number))
    node, before = _first(lab, number), lab.snapshot()
    lab.apply((number,), nodes=(node,))
    done = lab.snapshot()
    at = 0
    for at in count(1):
        if not _run_killed(lab, number, at, undo=True):
            break
        if at % 2:
            lab.undoer().undo(lab.lesson(number), node)
            assert lab.snapshot() == before, at
        lab.apply((number,), nodes=(node,))
        assert lab.snapshot() == done, at
    assert at > 1
    assert lab.snapshot() == before


@every_step_once
def test_agent_killed_then_undo_or_apply_again(lab: LabUnderTest, number: int) -> None:
    """The process inside dies, at each of its single changes; labctl says that nothing could be taken back."""
    lab.apply(range(number))
    node, before = _first(lab, number), lab.snapshot()
    lab.apply((number,), nodes=(node,))
    done = lab.snapshot()
    lab.undoer().undo(lab.lesson(number), node)
    for at in count(1):
        with closing(FaultyAgent(lab.world.record, lab.lab)) as agent:
            agent.arm(at, after=True, kill=True)
            error = failure_of(lambda: lab.runner(kernel=agent.kernel).apply(lab.lesson(number), (node,)))
        lab.survey.refresh()
        if error is None:
            assert at > 1
            assert lab.snapshot() == done
            return
        assert isinstance(error, WorldGone)
        assert "; not taken back: " in error.what
        if at % 2 == 0:
            lab.apply((number,), nodes=(node,))
            assert lab.snapshot() == done, at
        lab.undoer().undo(lab.lesson(number), node)
        assert lab.snapshot() == before, at


def test_killed_while_a_file_is_written_leaves_nothing_behind(
    lab: LabUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the new text and the rename: the fork of the agent dies there, its own copy of `os` is patched."""
    before = lab.snapshot()
    lab.apply((0, 1, 2, 3, 4), nodes=lab.lab.nodes[:1])
    for number, drift in (
        (1, f"sed -i '/ a$/d' {FOLDER}/reserved"),
        (2, "ln -sfT /nowhere /run/netns/a"),
        (4, "rm -r /var/lib/cni/results"),
    ):
        for again in (True, False):
            assert lab.type("master", drift).code == 0
            with monkeypatch.context() as patch:
                patch.setattr(os, "replace", lambda *_: die("a rename"))
                agent = FaultyAgent(lab.world.record, lab.lab)
            with closing(agent), pytest.raises(WorldGone):
                lab.runner(kernel=agent.kernel).apply(lab.lesson(number), (lab.lab.nodes[0],))
            assert lab.type("master", f"find {FOLDER} /run/netns /var/lib/cni -name '*unfinished' | grep .").code == 0
            if not again:
                lab.undo_from(0)
                assert lab.snapshot() == before
            lab.apply((0, 1, 2, 3, 4), nodes=lab.lab.nodes[:1])
            assert lab.report(number).made


def test_status_says_that_a_run_was_cut_short_until_one_ends(lab: LabUnderTest) -> None:
    assert "interrupted" not in lab.labctl("status").err
    assert _run_killed(lab, 0, 2)
    said = lab.labctl("status")
    assert "interrupted" in said.err + said.out
    assert "step 0 --apply" in said.err + said.out
    assert lab.labctl("step", "0", "--apply").code == 0
    said = lab.labctl("status")
    assert "interrupted" not in said.err + said.out
    assert _run_killed(lab, 0, 1, undo=True)
    assert "step 0 --undo" in lab.labctl("status").err
    assert lab.labctl("step", "0", "--undo").code == 0
    assert "interrupted" not in lab.labctl("status").err
