"""Power cut in the middle: `kill -9` at a few operations of `up`, of steps and of `down`; then `reset`, or `down`.

All operations, each: benchmarks/faults host.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.host_killed import kill_in_down, kill_in_step, kill_in_up

if TYPE_CHECKING:
    from tests.host_under_test import HostUnderTest

pytestmark = [pytest.mark.machine, pytest.mark.anybody]


@pytest.mark.parametrize("at", [1, 10])
def test_killed_in_up_then_down(kept: HostUnderTest, at: int) -> None:
    kept.type("iptables -P FORWARD ACCEPT")
    try:
        before = kept.state()
        assert kept.call(lambda: kill_in_up(kept.home, at))
        kept.labctl("down")
        assert kept.state() == before
    finally:
        kept.type("iptables -P FORWARD DROP")


@pytest.mark.parametrize(("number", "at"), [(3, 4), (5, 1), (8, 5), (12, 3)])
def test_killed_in_a_step_then_reset_is_exact(kept: HostUnderTest, number: int, at: int) -> None:
    assert kept.call(lambda: kill_in_step(kept.home, number, at)) == ""


@pytest.mark.parametrize("at", [1, 8])
def test_killed_in_down_then_down_again(kept: HostUnderTest, at: int) -> None:
    before = kept.state()
    assert kept.call(lambda: kill_in_down(kept.home, at))
    kept.labctl("down")
    assert kept.state() == before
