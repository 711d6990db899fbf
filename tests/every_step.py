"""Tests that go over every step, and what of them is shown to one kind of user only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from labctl.model.shell import DIALECTS
from tests.lab_under_test import STEPS, step_called

if TYPE_CHECKING:
    from collections.abc import Sequence

# What a step does, and how it is looked at, undone and typed, may differ between users: that is run both ways for every
# step. What labctl makes of it (what it refuses, takes back, does not change again) is the same for every user, and
# takes minutes: the other kind of user sees that of one step only, which makes something in each place that there is.
_ONE = step_called("veth")


def _once(numbers: Sequence[int]) -> pytest.MarkDecorator:
    cases = [each if each == _ONE else pytest.param(each, marks=pytest.mark.anybody) for each in numbers]
    return pytest.mark.parametrize("number", cases)


every_dialect = pytest.mark.parametrize(
    "dialect", [DIALECTS[0], *(pytest.param(each, marks=pytest.mark.anybody) for each in DIALECTS[1:])]
)
every_step = pytest.mark.parametrize("number", STEPS)
every_step_once = _once(STEPS)
every_step_but_the_last_once = _once(STEPS[:-1])
