"""Every answer of --json, held against its published schema; stdout carries nothing else."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import fastjsonschema
import pytest

from labctl.engine.course import Course, builtin_folder, nodes_of, where
from labctl.world.topology import read_lab, spread
from tests.lab_under_test import ROOT, STEPS, LabUnderTest, Said, run_labctl

if TYPE_CHECKING:
    from pathlib import Path

SCHEMAS = ROOT / "docs/schemas"
_LAB = read_lab(spread(None, None))
# Each step, and where it is: on every node, or once for the whole lab.
EVERYWHERE = [
    (lesson.number, where(lesson, node))
    for lesson in Course(builtin_folder()).lessons()
    for node in nodes_of(lesson, _LAB, _LAB.nodes)
]


def _check(said: Said, schema: str, code: int = 0) -> Any:  # noqa: ANN401 (whatever JSON can say)
    assert said.code == code, said
    answer = json.loads(said.out)
    fastjsonschema.compile(json.loads((SCHEMAS / f"{schema}.json").read_text(encoding="utf-8")))(answer)
    return answer


def test_the_page_names_every_schema_and_no_other() -> None:
    page = (ROOT / "docs/json.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\(schemas/([\w-]+)\.json\)", page)) == {path.stem for path in SCHEMAS.glob("*.json")}


@pytest.mark.anybody
@pytest.mark.machine
def test_status_says_wrong_where_all_is_there_and_packets_do_not_come_through(lab: LabUnderTest) -> None:
    lab.apply(range(4), nodes=lab.lab.nodes[:1])
    assert lab.type("master", "iptables -I INPUT -i cni0 -j DROP").code == 0
    status = _check(lab.labctl("status", "--json"), "status", 1)
    (third,) = (each for each in status["steps"] if (each["step"], each["node"]) == (3, "master"))
    assert third["outcome"] == "wrong"
    assert {resource["state"] for resource in third["resources"]} == {"present"}
    assert {probe["seen"] for probe in third["probes"]} == {False}


@pytest.mark.anybody
@pytest.mark.machine
def test_a_whole_course_in_json(home: Path) -> None:
    try:
        up = _check(run_labctl(home, "up", "--json"), "up")
        assert up["world"]["nodes"] == ["master", "worker"]
        bare = _check(run_labctl(home, "status", "--json"), "status", 1)
        assert {(each["outcome"], len(each["probes"])) for each in bare["steps"]} == {("not_done", 0)}
        first = _check(run_labctl(home, "step", "0", "--verify", "--json"), "step-verify", 1)
        assert [each["outcome"] for each in first] == ["not_done"]
        plan = _check(run_labctl(home, "step", "0", "--plan", "--json"), "step-plan")
        assert {item["action"] for item in plan[0]["items"]} == {"create"}
        assert plan[0]["missing"] == []
        later = _check(run_labctl(home, "step", "1-2", "--plan", "--json"), "step-plan")
        assert [[(each["step"], each["node"]) for each in step["missing"]] for step in later] == [[(0, "master")]] * 2
        applied = _check(run_labctl(home, "step", "all", "--apply", "--node", "all", "--json"), "step-apply")
        assert [each["outcome"] for each in applied] == ["done"] * len(EVERYWHERE)
        assert all(each["changed"] for each in applied)
        status = _check(run_labctl(home, "status", "--json"), "status")
        assert status["world"]["pid"] == up["world"]["pid"]
        assert [(each["step"], each["node"]) for each in status["steps"]] == EVERYWHERE
        asked = [probe for each in status["steps"] for probe in each["probes"]]
        assert {each["step"] for each in status["steps"] if each["probes"]} >= set(range(2, STEPS[-1] + 1)) - {4}
        assert [probe for probe in asked if probe["seen"] is not probe["expected"]] == []
        undone = _check(run_labctl(home, "step", f"5-{STEPS[-1]}", "--undo", "--node", "all", "--json"), "step-undo")
        assert [each["step"] for each in undone] == [number for number, _ in reversed(EVERYWHERE) if number >= 5]
        _check(run_labctl(home, "step", "5", "--json"), "step-verify", 1)
        reset = _check(run_labctl(home, "reset", "--to", "1", "--json"), "reset")
        assert [(each["step"], each["node"]) for each in reset["steps"]] == [
            (0, "master"), (0, "worker"), (1, "master"), (1, "worker"),
        ]  # fmt: skip  # a table
    finally:
        _check(run_labctl(home, "down", "--json"), "down")
    gone = _check(run_labctl(home, "status", "--json"), "status", 1)
    assert gone["world"] == {"kind": "sandbox", "up": False}


@pytest.mark.anybody
@pytest.mark.machine
def test_snapshot_and_its_difference(lab: LabUnderTest, tmp_path: Path) -> None:
    said = lab.labctl("snapshot")
    assert _check(said, "snapshot") == _check(lab.labctl("snapshot", "--json"), "snapshot")
    file = tmp_path / "before.json"
    file.write_text(said.out, encoding="utf-8")
    assert _check(lab.labctl("snapshot", "--diff", str(file), "--json"), "snapshot-diff")["changed"] is False
    lab.apply((0,))
    difference = _check(lab.labctl("snapshot", "--diff", str(file), "--json"), "snapshot-diff", 1)
    assert "cni0 10.244.0.1/24" in difference["diff"]


@pytest.mark.anybody
@pytest.mark.machine
def test_what_is_only_read_needs_no_world(home: Path) -> None:
    scripts = _check(run_labctl(home, "step", "all", "--commands", "--node", "all", "--json"), "step-commands")
    assert [(each["step"], each["node"]) for each in scripts] == EVERYWHERE
    lessons = _check(run_labctl(home, "step", "all", "--explain", "--json"), "step-explain")
    assert [each["step"] for each in lessons] == list(STEPS)
    assert "## Why" in lessons[0]["markdown"]
    assert _check(run_labctl(home, "explain", "cni", "--json"), "explain")["topic"] == "cni"
    assert not home.exists()


@pytest.mark.anybody
@pytest.mark.machine
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("step", str(STEPS[-1] + 1), "--verify"), 2),
        (("step", "5-3", "--apply"), 2),
        (("step", "3", "--apply", "--undo"), 2),
        (("step", "3", "--nonsense"), 2),
        (("up", "--nodes", "many"), 2),
        (("reset", "--to", str(STEPS[-1] + 1)), 2),
        (("status", "--world", "moon"), 2),
        (("explain", "nothing"), 2),
        (("shell", "nobody"), 2),
        (("nonsense",), 2),
        (("demo",), 2),
    ],
)
def test_an_error_is_an_object_on_stdout(home: Path, arguments: tuple[str, ...], code: int) -> None:
    said = run_labctl(home, *arguments, "--json")
    error = _check(said, "error", code)["error"]
    assert error["code"] == code
    assert error["hint"]
    assert said.err == ""
    assert not home.exists()


@pytest.mark.anybody
@pytest.mark.machine
def test_the_json_of_a_command_behind_exec_is_not_ours(lab: LabUnderTest) -> None:
    said = lab.labctl("exec", "master", "--", "no-such-command", "--json")
    assert (said.code, said.out) == (127, "")
    echoed = lab.labctl("exec", "master", "echo", "--json")
    assert (echoed.code, echoed.out) == (0, "--json\n")


@pytest.mark.anybody
@pytest.mark.machine
def test_what_the_doctor_says_in_json(home: Path) -> None:
    said = run_labctl(home, "doctor", "--json")
    answer = _check(said, "doctor", said.code)
    assert answer["ok"] is (said.code == 0)
