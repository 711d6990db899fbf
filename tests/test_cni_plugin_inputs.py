"""Whatever labnet is sent: an answer with a code, or success; and nobody else's network changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cni_inputs import Bystanders, ask_all, fault_of, requests
from tests.cni_runtime import Runtime

if TYPE_CHECKING:
    from tests.cni_inputs import Request
    from tests.lab_under_test import LabUnderTest

pytestmark = [pytest.mark.machine, pytest.mark.anybody, pytest.mark.long]

_BOUND_SECONDS = 60.0  # of a hang; how long an answer takes is measured by benchmarks/faults


@pytest.mark.timeout(300)
def test_three_hundred_inputs(lab: LabUnderTest) -> None:
    runtime = Runtime(lab)
    bystanders = Bystanders(runtime)
    asked = []

    @settings(max_examples=30, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(requests(runtime.netns("a")), min_size=10, max_size=10))
    def ask(some: list[Request]) -> None:
        asked.extend(some)
        for request, reply in zip(some, ask_all(runtime, some, _BOUND_SECONDS), strict=True):
            assert not fault_of(request, reply), (request, reply)
        bystanders.assert_unchanged()

    ask()
    assert len(asked) >= 300
