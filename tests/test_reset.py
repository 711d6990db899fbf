"""`labctl reset`, from whatever state: exactly as after `up`, or as after the step that was named."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from labctl.cli.putting_back import put_back
from labctl.engine.remake.picture import only_node, take_picture
from labctl.errors import LabError
from labctl.kernel.identity import find_marked
from tests.lab_under_test import STEPS, LabUnderTest
from tests.mischief import commit, mischief
from tests.world_probes import cut_labctl, root_of

if TYPE_CHECKING:
    from tests.references import References

pytestmark = [pytest.mark.machine, pytest.mark.anybody, pytest.mark.long]

PARTS, EACH = 4, 5
# What comes after starts many programs; every tenth state has it.
FIRST = STEPS[:8]


@pytest.mark.parametrize("part", range(PARTS))
def test_from_a_random_state_to_exactly_the_state_after_a_step(
    lab: LabUnderTest, references: References, part: int
) -> None:
    for seed in range(part * EACH, (part + 1) * EACH):
        steps = FIRST if seed % 10 else STEPS
        acts = mischief(seed, lab.lab, steps=steps)
        commit(lab, acts)
        to = None if seed % 10 == 3 else steps[-1 - seed % len(steps)]
        put_back(lab.session, to, "all", as_json=False)
        lab.enter_anew()
        assert take_picture(lab.kernel, lab.lab) == references.after(to), (seed, acts)


def test_one_node_from_a_random_state_and_the_other_is_left_alone(lab: LabUnderTest, references: References) -> None:
    master, worker = lab.lab.nodes
    for seed in range(100, 103):
        commit(lab, mischief(seed, lab.lab, steps=STEPS[:7], deadly=False))
        before = only_node(take_picture(lab.kernel, lab.lab), master) if _is_readable(lab) else None
        to = seed % 7
        put_back(lab.session, to, "worker", as_json=False)
        lab.survey.refresh()
        if before is None:
            put_back(lab.session, to, "master", as_json=False)
        after = take_picture(lab.kernel, lab.lab)
        assert only_node(after, worker) == only_node(references.after(to), worker), seed
        assert only_node(after, master) == (before or only_node(references.after(to), master)), seed


def _is_readable(lab: LabUnderTest) -> bool:
    """A table of nft's own on the other node keeps all from being looked at."""
    try:
        lab.snapshot()
    except LabError:
        return False
    return True


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("kill -9 $(cut -d/ -f3 /run/labctl/containers/c)", "the process that keeps worker/c alive is gone"),
        ("rm -rf /opt/labctl/bin", "the lab's own programs are gone"),
    ],
)
def test_a_node_that_lacks_what_only_a_new_world_has_is_not_put_back_alone(
    lab: LabUnderTest, line: str, what: str
) -> None:
    lab.type("worker", line)
    said = lab.labctl("reset", "--node", "worker")
    assert said.code == 5
    assert what in said.err
    assert "hint: put the whole lab back: labctl reset" in said.err


def test_cut_short_the_old_world_stands_or_the_new_one(lab: LabUnderTest, references: References) -> None:
    calls = len(cut_labctl(lab.home, "count", "0", "reset", "--to", "0", dies=False).calls)
    new = references.after(0)
    for name, share in (("INT", 0.3), ("KILL", 0.6), ("TERM", 0.95), ("KILL", 0.97)):
        lab.enter_anew()
        lab.type("master", "ip addr add 192.0.2.1/24 dev lo")
        before, old = take_picture(lab.kernel, lab.lab), root_of(lab.home)
        cut = cut_labctl(lab.home, name, str(int(calls * share)), "reset", "--to", "0", dies=False)
        assert cut.code in (0, 130, -signal.SIGKILL), cut
        lab.enter_anew()
        assert take_picture(lab.kernel, lab.lab) == (before if root_of(lab.home) == old else new), (name, share)
    assert lab.labctl("down").out == "the world is gone\n"
    assert find_marked(str(lab.home.resolve())) == ()


def test_two_at_once_wait_for_each_other(lab: LabUnderTest, references: References) -> None:
    with ThreadPoolExecutor() as pool:
        said = list(pool.map(lambda to: lab.labctl("reset", "--to", to), ("0", "2")))
    assert [each.code for each in said] == [0, 0]
    assert sum("waiting for another labctl: labctl reset" in each.err for each in said) <= 1
    lab.enter_anew()
    assert take_picture(lab.kernel, lab.lab) in (references.after(0), references.after(2))


def test_what_no_world_can_be_made_of_leaves_the_old_one(lab: LabUnderTest) -> None:
    lab.apply((0,))
    before = lab.snapshot()
    said = lab.labctl("reset", environment={"PATH": "/nowhere", "LABCTL_IPTABLES": "neither"})
    assert said.code == 2
    lab.kernel.refresh()
    assert lab.snapshot() == before
