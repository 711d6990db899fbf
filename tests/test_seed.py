"""`labctl up --seed`: a plan for one learner, always the same, and everything follows it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from labctl.errors import UsageError
from labctl.world.seed import draw
from labctl.world.topology import MOST_CONTAINERS, MOST_NODES, read_lab, spread
from tests.lab_under_test import STEPS, run_labctl

if TYPE_CHECKING:
    from pathlib import Path

SEEDS = [*(f"learner {number}" for number in range(300)), "a", "ß", "Анна", "x" * 64, "'; rm -rf /", "../..", "-x"]

# What a class was told stays so in the next version.
ANNA = [
    {"name": "master", "address": "10.203.28.88", "pod_range": "10.85.251.0/24", "containers": ["wu", "ta"]},
    {"name": "worker", "address": "10.203.23.92", "pod_range": "10.85.224.0/24", "containers": ["le", "jo"]},
]


def test_every_seed_gives_a_plan_that_can_be_made_and_no_two_the_same() -> None:
    labs = [read_lab(draw(seed, spread(None, None))) for seed in SEEDS]
    assert len(set(labs)) == len(SEEDS)
    default = read_lab(spread(None, None))
    for lab in labs:
        assert [node.name for node in lab.nodes] == ["master", "worker"]
        assert lab.cluster_range != default.cluster_range
        assert not {each.name for each in lab.containers} & {each.name for each in default.containers}


@pytest.mark.parametrize(("nodes", "containers"), [(1, 1), (5, 20), (MOST_NODES, 1), (MOST_NODES, MOST_CONTAINERS)])
def test_a_seed_goes_with_any_number_of_nodes_and_containers(nodes: int, containers: int) -> None:
    lab = read_lab(draw("anna", spread(nodes, containers)))
    assert [len(node.containers) for node in lab.nodes] == [containers] * nodes


def test_a_seed_gives_the_same_for_ever() -> None:
    plan = draw("anna", spread(None, None))
    assert plan == draw("anna", spread(None, None))
    assert plan["node"] == ANNA


@pytest.mark.parametrize("seed", ["", "  ", "x" * 65, "a\nb", "\x1b[31m"])
def test_what_is_no_seed(seed: str) -> None:
    with pytest.raises(UsageError, match="is no seed"):
        draw(seed, spread(None, None))


@pytest.mark.anybody
@pytest.mark.machine
def test_lessons_commands_probes_and_all_steps_follow_the_seed(home: Path) -> None:
    seed = "Анна"
    try:
        up = run_labctl(home, "up", "--seed", seed)
        assert up.code == 0, up
        assert run_labctl(home, "up", "--seed", seed).code == 0
        assert run_labctl(home, "up", "--seed", f"{seed}2").code == 2
        plan = draw(seed, spread(None, None))
        lesson = run_labctl(home, "step", "all", "--explain").out
        script = run_labctl(home, "step", "all", "--commands", "--node", "all").out
        for text in (lesson, script):
            assert plan["node"][0]["pod_range"] in text
        assert not re.findall(r"10\.(?:244|128)\.", script)
        typed = run_labctl(home, "step", "0-3", "--commands")
        assert run_labctl(home, "shell", text=typed.out).code == 0
        applied = run_labctl(home, "step", "all", "--apply", "--node", "all")
        assert applied.code == 0, applied
        assert run_labctl(home, "reset", "--to", str(STEPS[-1])).code == 0
    finally:
        run_labctl(home, "down")


def test_a_file_says_it_all_itself(home: Path) -> None:
    from labctl.cli.lab_commands import up

    with pytest.raises(UsageError, match="--topology excludes"):
        up(topology=home, seed="anna")
