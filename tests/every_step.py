"""Tests that go over every step, and what of them is shown to one kind of user only."""

from __future__ import annotations

import pytest

from tests.lab_under_test import STEPS, step_called

# A step's failures and deaths at every operation: for the steps with servers they take minutes, and what they touch is
# the same for every user. The laws themselves are run both ways for all steps.
every_step_once_with_servers = pytest.mark.parametrize(
    "number",
    [pytest.param(each, marks=pytest.mark.anybody) if each > step_called("plugin") else each for each in STEPS],
)
