"""`labctl cni conformance` as a person and a program call it: its answers, its exit codes, and nothing left behind."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import fastjsonschema
import pytest

from tests.lab_under_test import ROOT, run_labctl
from tests.plugin_under_test import copy_tiny

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.machine, pytest.mark.anybody]

_FEW = ("--only", "VER,RES-01")


def test_the_answer_for_a_person(home: Path, tmp_path: Path) -> None:
    said = run_labctl(home, "cni", "conformance", str(copy_tiny(tmp_path)), *_FEW)
    assert said.code == 0, said
    assert said.err == ""
    lines = said.out.splitlines()
    assert lines[1].startswith("pass    VER-01  MUST   VERSION needs no variable")
    assert max(map(len, lines[1:])) <= 80
    assert lines[-1] == "10 pass, 0 MUST and 0 SHOULD fail, 0 not applicable, 0 unknown."
    # The world was its own, and is gone; that of this home was not asked for.
    assert not home.exists()


def test_a_must_that_fails_is_exit_code_1_and_says_what_was_sent(home: Path, tmp_path: Path) -> None:
    plugin = str(copy_tiny(tmp_path, "version-echo"))
    said = run_labctl(home, "cni", "conformance", plugin, *_FEW, "--json")
    assert (said.code, said.err) == (1, "")
    answer = json.loads(said.out)
    schema = (ROOT / "docs/schemas/cni-conformance.json").read_text(encoding="utf-8")
    fastjsonschema.compile(json.loads(schema))(answer)
    assert answer["plugin"] == plugin
    (failed,) = (each for each in answer["checks"] if each["outcome"] == "fail")
    assert (failed["id"], failed["level"], failed["section"]) == ("VER-03", "MUST", "5 Version")
    assert 'sent CNI_COMMAND=VERSION with {"cniVersion": "0.3.1"}' in failed["why"]
    assert "came exit code 0, stdout" in failed["why"]
    assert f"The specification says: {failed['says']}" in failed["why"]


def test_junit(home: Path, tmp_path: Path) -> None:
    said = run_labctl(home, "cni", "conformance", str(copy_tiny(tmp_path, "version-echo")), *_FEW, "--junit")
    suite = ET.fromstring(said.out)  # noqa: S314 (our own)
    assert (said.code, suite.get("tests"), suite.get("failures")) == (1, "10", "1")


def test_a_configuration_of_ones_own(home: Path, tmp_path: Path) -> None:
    part = {"type": "other", "bridge": "mine0", "ipam": {"ranges": [[{"subnet": "10.99.0.0/24"}]]}}
    conf = tmp_path / "my.conflist"
    conf.write_text(json.dumps({"cniVersion": "1.0.0", "name": "mine", "plugins": [part]}), encoding="utf-8")
    plugin = str(copy_tiny(tmp_path))
    arguments = ("--conf", str(conf), "--only", "RES-01,KRN,DEL-04", "--json")
    said = run_labctl(home, "cni", "conformance", plugin, *arguments)
    assert said.code == 0, said
    outcomes = {each["id"]: each["outcome"] for each in json.loads(said.out)["checks"]}
    assert set(outcomes.values()) == {"pass"}


@pytest.mark.parametrize(
    "arguments",
    [
        ("/no/such/plugin",),
        ("{tiny}", "--only", "ADD-99"),
        ("{tiny}", "--conf", "/no/such/file"),
        ("{tiny}", "--junit"),
    ],
)
def test_what_cannot_be_done_is_an_error_with_a_hint(home: Path, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    tiny = str(copy_tiny(tmp_path))
    said = run_labctl(home, "cni", "conformance", *(each.format(tiny=tiny) for each in arguments), "--json")
    error = json.loads(said.out)["error"]
    assert (said.code, error["code"], said.err) == (2, 2, "")
    assert error["hint"]


@pytest.mark.parametrize("more", [(), ("--ipam", "/usr/lib/cni", "--only", "RES,CHK,DEL,ERR,FLD,CHN")])
def test_labnet_passes_every_check(home: Path, more: tuple[str, ...]) -> None:
    plugin = json.loads(run_labctl(home, "cni", "show", "--json").out)["plugin"]
    said = run_labctl(home, "cni", "conformance", plugin, *more, "--json")
    outcomes = {each["id"]: each["outcome"] for each in json.loads(said.out)["checks"]}
    assert said.code == 0, said
    assert not {name: outcome for name, outcome in outcomes.items() if outcome in ("fail", "unknown")}
    assert sum(outcome == "pass" for outcome in outcomes.values()) > (50 if more else 120)
