"""The lab's kubeconfig in a world: somebody else's, one with more in it, no kubectl; and never the person's own."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest

from labctl.engine.events import Event, Left
from labctl.engine.report import Outcome
from labctl.errors import Busy, ForeignObject
from labctl.model.kubeconfig import KUBECONFIG
from labctl.model.resource import Absent, Foreign, Present
from tests.lab_under_test import CONTEXTS_STEP, run_labctl

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab_under_test import LabUnderTest

pytestmark = [pytest.mark.machine, pytest.mark.anybody]

# Nothing that may be run in the place of each kubectl on the PATH: as if there were none.
TAKE_AWAY = 'for each in $(type -ap kubectl); do mount --bind /dev/null "$each"; done\nhash -r\n! kubectl version'


def _do_before(lab: LabUnderTest) -> None:
    lab.apply(range(CONTEXTS_STEP))


@pytest.mark.root
def test_one_that_belongs_to_somebody_else_is_named_and_left(lab: LabUnderTest) -> None:
    _do_before(lab)
    assert lab.type("master", f"mkdir -p /root/.kube; echo '# mine' >{KUBECONFIG}").code == 0
    outside = f"/proc/{lab.world.record.root.outside}/root{KUBECONFIG}"
    os.chown(outside, 12345, 12345)
    report = lab.report(CONTEXTS_STEP)
    assert report.outcome is Outcome.WRONG
    assert re.search(rf"{KUBECONFIG} on master belongs to the user \d+; expected root's", report.causes()[0])
    with pytest.raises(ForeignObject, match="nothing was changed"):
        lab.apply((CONTEXTS_STEP,))
    events: list[Event] = []
    lab.undoer(events).undo(lab.lesson(CONTEXTS_STEP), lab.lab.nodes[0])
    assert any(isinstance(event, Left) and "belongs to the user" in event.why for event in events)
    assert lab.type("master", f"cat {KUBECONFIG}").out == "# mine\n"


def test_a_named_pipe_is_no_kubeconfig_and_is_not_read(lab: LabUnderTest) -> None:
    assert lab.type("master", f"mkdir -p /root/.kube; mkfifo {KUBECONFIG}").code == 0
    report = lab.survey.bare(lab.lesson(CONTEXTS_STEP), lab.lab.nodes[0])
    assert all(isinstance(seen, Foreign) for _, seen in report.resources)
    assert report.causes() == (f"{KUBECONFIG} on master is no file",)


def test_entries_of_the_learners_own_stay_and_are_named(lab: LabUnderTest) -> None:
    _do_before(lab)
    own = "kubectl config set-cluster mine --server=http://mine\nkubectl config set-context mine --cluster=mine\n"
    assert lab.type("master", own).code == 0
    before = lab.type("master", f"stat -c %a {KUBECONFIG}; cat {KUBECONFIG}").out
    for hands in ((), ("--via", "shell")):
        said = lab.labctl("step", str(CONTEXTS_STEP), "--apply", *hands)
        assert said.code == 0, said
        assert lab.report(CONTEXTS_STEP).outcome is Outcome.DONE
        said = lab.labctl("step", str(CONTEXTS_STEP), "--undo", *hands)
        assert said.code == 0, said
        assert f"left untouched: {KUBECONFIG} on master holds cluster mine, context mine" in " ".join(said.out.split())
        assert lab.type("master", f"stat -c %a {KUBECONFIG}; cat {KUBECONFIG}").out == before
    report = lab.report(CONTEXTS_STEP)
    assert not report.stands
    assert isinstance(report.resources[0][1], Present)
    assert all(isinstance(seen, Absent) for _, seen in report.resources[1:])


def test_while_kubectl_writes_labctl_does_not(lab: LabUnderTest) -> None:
    _do_before(lab)
    before = lab.snapshot()
    lab.apply((CONTEXTS_STEP,))
    assert lab.type("master", f"kubectl config use-context lab; touch {KUBECONFIG}.lock").code == 0
    with pytest.raises(Busy, match="kubectl is writing") as refusal:
        lab.apply((CONTEXTS_STEP,))
    assert f"rm {KUBECONFIG}.lock" in refusal.value.hint
    assert lab.type("master", f"rm {KUBECONFIG}.lock").code == 0
    lab.apply((CONTEXTS_STEP,))
    lab.undo_from(CONTEXTS_STEP)
    assert lab.snapshot() == before


def test_without_kubectl_the_step_works_and_says_what_could_not_be_checked(lab: LabUnderTest) -> None:
    _do_before(lab)
    assert lab.type("master", TAKE_AWAY).code == 0
    said = lab.labctl("step", str(CONTEXTS_STEP), "--apply")
    assert said.code == 0, said
    assert "kubectl is not installed" in said.out
    report = lab.report(CONTEXTS_STEP)
    assert report.made
    assert report.outcome is Outcome.UNKNOWN
    said = lab.labctl("step", str(CONTEXTS_STEP), "--verify")
    assert said.code == 6, said
    assert "./lab doctor --fix" in said.out + said.err
    said = lab.labctl("step", str(CONTEXTS_STEP), "--undo")
    assert said.code == 0, said
    assert lab.type("master", "! test -e /root/.kube").code == 0


def test_the_persons_own_kubeconfig_is_neither_read_nor_written(lab: LabUnderTest, tmp_path: Path) -> None:
    _do_before(lab)
    mine = tmp_path / "mine"
    (mine / ".kube").mkdir(parents=True)
    own = mine / ".kube/config"
    own.write_text("current-context: {broken")
    environment = {"HOME": str(mine), "KUBECONFIG": str(own)}
    for words in ("--apply", "--verify", "--undo"):
        said = run_labctl(lab.home, "step", str(CONTEXTS_STEP), words, environment=environment)
        assert said.code == 0, said
    lab.apply((CONTEXTS_STEP,))
    said = run_labctl(lab.home, "shell", environment=environment, text="kubectl config current-context\n")
    assert (said.code, said.out) == (0, "my-context\n")
    assert [path.name for path in (mine / ".kube").iterdir()] == ["config"]
    assert own.read_text() == "current-context: {broken"
    assert lab.labctl("exec", "worker", "--", "kubectl", "config", "current-context").out == "my-context\n"
