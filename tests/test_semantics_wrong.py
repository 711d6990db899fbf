"""What learners type wrong: verify names the object, found and expected; apply mends or refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from labctl.engine.course import nodes_of
from labctl.engine.report import Outcome
from labctl.errors import ForeignObject
from tests.faulty_kernel import Fault, FaultyKernel
from tests.wrong_answers import WRONG

if TYPE_CHECKING:
    from tests.lab_under_test import LabUnderTest
    from tests.wrong_answer import Wrong

pytestmark = [pytest.mark.machine, pytest.mark.anybody, pytest.mark.long]


@pytest.mark.parametrize("number", WRONG)
def test_what_is_wrong_is_named_and_mended_or_refused(lab: LabUnderTest, number: int) -> None:
    nodes = nodes_of(lab.lesson(number), lab.lab, lab.lab.nodes if number > 6 else lab.lab.nodes[:1])
    lab.apply(range(number + 1), nodes=lab.lab.nodes if number > 6 else nodes)
    done = lab.snapshot()
    for case in WRONG[number]:
        said = lab.type(case.at, case.typed)
        assert said.code == 0, (case, said)
        report = lab.report(number)
        assert report.outcome is case.outcome, (case, report.causes())
        assert [each for each in case.says if each not in report.causes()[0]] == [], (case, report.causes())
        if case.cleared:
            _refused(lab, number, case)
        lab.apply((number,), nodes=nodes)
        report = lab.report(number)
        assert report.outcome is Outcome.DONE, (case, report.causes())
        if case.residue:
            assert lab.type(case.at, case.residue).code == 0
        if lab.snapshot() != done:
            # Mended beside what had been typed (an order, a narrower rule): from nothing it is the same again.
            lab.undo_from(number)
            lab.apply((number,), nodes=nodes)
            assert lab.snapshot() == done, case


def _refused(lab: LabUnderTest, number: int, case: Wrong) -> None:
    """Something foreign: nothing is written, by apply (4) or by undo, which names it; then it is moved away by hand."""
    before = lab.snapshot()
    with pytest.raises(ForeignObject, match="nothing was changed") as refusal:
        lab.apply((number,), nodes=lab.lab.nodes[:1])
    assert refusal.value.exit_code == 4
    assert refusal.value.hint
    assert lab.snapshot() == before
    assert lab.type(case.at, case.cleared).code == 0


@pytest.mark.parametrize("value", ["0", None])
def test_a_bridge_that_by_passes_iptables_proves_nothing(lab: LabUnderTest, value: str | None) -> None:
    """Steps 3 and 5: outcome unknown, with what cures it; where there is no such sysctl, the module is missing."""
    name = "net.bridge.bridge-nf-call-iptables"
    kernel = FaultyKernel(lab.kernel, Fault(), {name: value} if value is None else {})
    lab.apply(range(4), nodes=lab.lab.nodes[:1])
    assert lab.type("master", f"sysctl -w {name}=0").code == 0
    for number in (3, 5):
        lab.apply(range(number + 1), nodes=lab.lab.nodes[:1])
        survey = lab.runner(kernel=kernel).survey  # type: ignore[arg-type]  # the proxy has the port's methods
        (report,) = survey.reports((lab.lesson(number),), lab.lab.nodes[:1])
        assert report.outcome is Outcome.UNKNOWN, report.causes()
        assert "by-passes iptables" in report.causes()[0]
        assert any(
            ("modprobe br_netfilter" if value is None else f"sysctl -w {name}=1") in each for each in report.hints()
        )
    assert lab.labctl("step", "5", "--verify").code == 6
