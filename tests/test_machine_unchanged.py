"""Law 9: the machine outside the sandbox is the same before and after. The whole run is held against it in run.py."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.lab_under_test import STEPS, LabUnderTest, run_labctl
from tests.machine_state import differences, machine_state

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.machine


def _look() -> dict[str, object]:
    """The machine but for the groups of privileged worlds: those of tests beside this one come and go."""
    return {part: value for part, value in machine_state().items() if part != "lab_cgroups"}


def test_law_9_a_whole_course_leaves_the_machine_as_it_was(home: Path) -> None:
    before = _look()
    with LabUnderTest(home) as lab:
        lab.apply(STEPS, probing=True)
        lab.undo_from(0)
        assert lab.labctl("step", "0-3", "--apply", "--via", "shell").code == 0
        assert differences(before, _look()) == []
    assert differences(before, _look()) == []


def test_law_9_the_demo_leaves_the_machine_as_it_was(home: Path) -> None:
    before = _look()
    said = run_labctl(home, "demo")
    assert said.code == 0, said
    assert f"{len(STEPS)} of {len(STEPS)} as claimed" in said.out
    assert re.search(r"\n  … and \d+ lines more: labctl step 9 --commands\n", said.out)
    assert differences(before, _look()) == []


@pytest.mark.parametrize(
    ("part", "was", "now"),
    [
        ("named_namespaces", [], ["left-over"]),
        (
            "links",
            [{"name": "lo", "mtu": 1}, {"name": "eth0", "mtu": 2}],
            [{"name": "lo", "mtu": 2}, {"name": "eth0", "mtu": 1}],
        ),
        ("routes", [{"dst": "default"}], [{"dst": "default"}, {"dst": "default"}]),
        ("sysctls", {"vm/swappiness": "60"}, {"vm/swappiness": "61"}),
    ],
)
def test_a_change_of_the_machine_would_be_seen(part: str, was: object, now: object) -> None:
    before = {**machine_state(), part: was}
    assert differences(before, before) == []
    assert differences(before, {**before, part: now})
