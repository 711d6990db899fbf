"""Tests that go over every step, and what of them is shown to one kind of user only."""

from __future__ import annotations

import pytest

from tests.lab_under_test import STEPS, step_called

# Failures and deaths at every operation take minutes, and what is taken back is the same for every user. So the other
# kind of user sees those of one step only, which makes something in each of the places that there are. The laws
# themselves are run both ways for all steps.
every_step_once = pytest.mark.parametrize(
    "number", [each if each == step_called("veth") else pytest.param(each, marks=pytest.mark.anybody) for each in STEPS]
)
