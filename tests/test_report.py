"""`labctl report`: what holds now, apart from what the journal tells; in four forms, none of which a name can break."""

from __future__ import annotations

import json
import os
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import fastjsonschema
import pytest

from labctl.engine.course import Course, builtin_folder, resources_of
from labctl.engine.journal import Event
from labctl.engine.report import StepReport
from labctl.engine.reporting.account import TOLD, Account
from labctl.engine.reporting.history import History, read_histories
from labctl.engine.reporting.junit import spell_junit
from labctl.engine.reporting.page import spell_page
from labctl.engine.reporting.text import spell_text
from labctl.model.resource import Absent, Present, Unknown
from labctl.world.topology import read_lab, spread
from tests.lab_under_test import ROOT, run_labctl

if TYPE_CHECKING:
    from pathlib import Path

    from labctl.model.resource import Seen

EVIL = "<script>alert(1)</script>&\"'\x1b[31m\x00\ud800]]>"


def _event(kind: Any, step: int = 0, what: str = "", world: str = "w", at: str = "2026-01-01T10:00:00") -> Event:  # noqa: ANN401 (a kind)
    return Event(at, world, kind, step, "master", what)


def _account(seen: Seen, who: str = EVIL) -> Account:
    lab, lesson = read_lab(spread(None, None)), Course(builtin_folder()).lesson(0)
    resources = tuple((each, seen) for each in resources_of(lesson, lab, lab.nodes[0]))
    past = {(0, "master"): History("2026-01-01T10:00:00", "hand", 2, (EVIL,))}
    reports = (StepReport(lesson, "master", resources, ()),)
    made = "2026-01-02T10:00:00+00:00"
    return Account(who, made, "0.1.0", EVIL, lab, up=True, reports=reports, titles={0: EVIL}, histories=past)


def test_by_hand_is_what_held_without_an_act_of_the_tool() -> None:
    events = [
        _event("verified", 0, "not_done"), _event("hinted", 0, "hint 1"), _event("hinted", 0, "hint 1"),
        _event("verified", 0, "done"), _event("held", 0, at="2026-01-01T11:00:00"), _event("verified", 0, "done"),
        _event("applied", 0, "apply"), _event("hinted", 0, "commands"),
        _event("applied", 1, "apply"), _event("held", 1),
        # Applied and undone, then typed.
        _event("applied", 2, "apply"), _event("lapsed", 2), _event("held", 2),
        # Applied in a world that is gone.
        _event("applied", 3, "reset"), _event("held", 3, world="another"),
        _event("applied", 4, "checkpoint"), _event("held", 4),
        _event("verified", 5, "wrong"),
        Event("2026-01-01T10:00:00", "w", "up", None, "", "plan"),
    ]  # fmt: skip  # a table
    found = {step: history for (step, _), history in read_histories(events).items()}
    assert found[0] == History("2026-01-01T11:00:00", "hand", 2, ("hint 1",))
    assert [found[step].by for step in (1, 2, 3, 4, 5)] == ["apply", "hand", "hand", "checkpoint", None]
    assert (found[5].attempts, found[5].first_held) == (1, None)


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs


@pytest.mark.parametrize("seen", [Absent(EVIL), Present((EVIL,)), Unknown(EVIL, EVIL), Present()])
def test_no_name_and_no_error_breaks_a_form(seen: Seen) -> None:
    account = _account(seen)
    page = spell_page(account)
    parser = _Tags()
    parser.feed(page)
    assert not {"script", "img", "link", "iframe", "a"} & set(parser.tags)
    assert not [name for name, _ in parser.attributes if name in ("src", "href", "onload") or name.startswith("on")]
    assert set(re.findall(r"https?://[^\s\"<]+", page)) == {"http://www.w3.org/2000/svg"}
    assert TOLD.replace("'", "&#x27;") in page
    page.encode("utf-8")
    ET.fromstring(spell_junit(account).encode("utf-8"))  # noqa: S314 (our own)
    text = spell_text(account)
    assert not [letter for letter in text if not (letter.isprintable() or letter == "\n")]
    assert TOLD in " ".join(text.split())


def test_junit_counts_and_says_what_is_wrong() -> None:
    suite = ET.fromstring(spell_junit(_account(Absent("no bridge"), "anna"))).find("testsuite")  # noqa: S314 (our own)
    assert suite is not None
    assert {key: suite.get(key) for key in ("tests", "failures", "errors")} == {
        "tests": "1", "failures": "1", "errors": "0",
    }  # fmt: skip  # a table
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert (failure.get("type"), failure.get("message")) == ("not_done", "no bridge")
    assert "no proof" in (suite.findtext("testcase/system-out") or "")
    suite = ET.fromstring(spell_junit(_account(Unknown("blind"), "anna"))).find("testsuite")  # noqa: S314 (our own)
    assert suite is not None
    assert suite.get("errors") == "1"


@pytest.mark.anybody
@pytest.mark.machine
def test_a_report_tells_hand_from_tool_and_proof_from_tale(home: Path, tmp_path: Path) -> None:
    schema = json.loads((ROOT / "docs/schemas/report.json").read_text(encoding="utf-8"))
    check = fastjsonschema.compile(schema)

    def report(code: int = 0) -> Any:  # noqa: ANN401 (JSON)
        said = run_labctl(home, "report", "--json", "--who", "anna b")
        assert said.code == code, said
        return check(json.loads(said.out))

    assert report(1)["looked_up"]["steps"] == []
    try:
        run_labctl(home, "up")
        assert run_labctl(home, "step", "0", "--verify").code == 1
        hint = json.loads(run_labctl(home, "hint", "0", "--json").out)
        fastjsonschema.compile(json.loads((ROOT / "docs/schemas/hint.json").read_text(encoding="utf-8")))(hint)
        assert hint["number"] == 1
        commands = run_labctl(home, "step", "0", "--commands").out
        assert run_labctl(home, "shell", text=commands).code == 0
        assert run_labctl(home, "step", "0", "--verify").code == 0
        assert run_labctl(home, "step", "1-2", "--apply").code == 0
        assert run_labctl(home, "exec", "master", "--", "ip", "link", "set", "cni0", "down").code == 0
        said = report()
        assert said["who"] == "anna b"
        outcomes = {(each["step"], each["node"]): each["outcome"] for each in said["looked_up"]["steps"]}
        past = {(each["step"], each["node"]): each for each in said["journal"]["steps"]}
        assert outcomes[0, "master"] == "wrong"
        assert past[0, "master"]["by"] == "hand"
        assert past[0, "master"]["attempts"] == 2
        assert past[0, "master"]["hints"] == ["hint 1", "commands"]
        assert past[0, "master"]["first_held"]
        assert past[1, "master"]["by"] == "apply"
        assert past[1, "worker"]["by"] is None
        assert (said["looked_up"]["proof"], said["journal"]["proof"]) == (True, False)
        text = run_labctl(home, "report").out
        assert "what is wrong:\nstep 0 on master: cni0 on master is down" in text
        # Whoever may write the journal may write what he likes; what is looked up stays what it is.
        assert run_labctl(home, "exec", "master", "--", "rm", "-rf", "/opt/labctl/shared").code in (0, 1)
        assert report()["looked_up"] == said["looked_up"]
        file = tmp_path / "anna.html"
        assert run_labctl(home, "report", "--format", "html", "--output", str(file)).code == 0
        assert "<svg" in file.read_text(encoding="utf-8")
        run_labctl(home, "reset", "--to", "3")
        assert {each["by"] for each in report()["journal"]["steps"] if each["step"] == 3} == {"reset"}
    finally:
        run_labctl(home, "down")
    gone = report(1)
    assert gone["looked_up"]["note"] == "No world stands: nothing could be looked up."
    assert gone["journal"]["steps"][0]["by"] == "hand"


@pytest.mark.anybody
@pytest.mark.machine
@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("--format", "pdf"), "--format pdf is none of text, json, junit, html"),
        (("--format", "html", "--json"), "exclude each other"),
        (("--who", "a\nb"), "--who is no name"),
        (("--who", "x" * 201), "--who is no name"),
    ],
)
def test_what_no_report_can_be_made_of(home: Path, arguments: tuple[str, ...], what: str) -> None:
    said = run_labctl(home, "report", *arguments)
    assert said.code == 2
    assert what in said.out + said.err
    assert "hint" in said.out + said.err
    assert not home.exists()


@pytest.mark.anybody
@pytest.mark.machine
def test_what_is_no_file_stays_what_it_is(home: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert run_labctl(home, "report", "--output", str(pipe)).code == 1  # no world
        assert pipe.is_fifo()
        assert os.read(reader, 1 << 16).decode().startswith("labctl report:")
    finally:
        os.close(reader)
    assert [each.name for each in tmp_path.iterdir() if each.name != "home"] == ["pipe"]
