"""`labctl reset`, from whatever state: exactly as after `up`, or as after the step that was named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from labctl.cli.putting_back import put_back
from labctl.engine.remake.picture import take_picture
from tests.lab_under_test import STEPS, LabUnderTest
from tests.mischief import commit, mischief

if TYPE_CHECKING:
    from tests.references import References

pytestmark = pytest.mark.machine

PARTS, EACH = 4, 5


@pytest.mark.parametrize("part", range(PARTS))
def test_from_a_random_state_to_exactly_the_state_after_a_step(
    lab: LabUnderTest, references: References, part: int
) -> None:
    for seed in range(part * EACH, (part + 1) * EACH):
        acts = mischief(seed, lab.lab)
        commit(lab, acts)
        to = None if seed % 10 == 0 else seed % len(STEPS)
        put_back(lab.session, to, "all", as_json=False)
        lab.enter_anew()
        assert take_picture(lab.kernel, lab.lab) == references.after(to), (seed, acts)
