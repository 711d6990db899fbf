"""The commands that README and docs publish, run as they stand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.lab_under_test import ROOT, run_labctl

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.machine, pytest.mark.long]

WEEK = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")
_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


def _section(text: str, heading: str) -> str:
    return text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def _run(script: str, home: Path, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "LABCTL_HOME": str(home), "COLUMNS": "80", **more}
    return subprocess.run(
        ("bash", "-e", "-o", "pipefail", "-c", script),
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
    )


def test_the_tour_of_the_readme_works_as_typed(home: Path) -> None:
    blocks = _BLOCK.findall(_section((ROOT / "README.md").read_text(encoding="utf-8"), "Three minutes"))
    assert len(blocks) >= 5
    done = _run("".join(blocks), home)
    try:
        assert done.returncode == 0, done.stdout + done.stderr
        assert "step 0 on master: done" in done.stdout
        assert "every step is done" in done.stdout
        assert "as after step 3" in done.stdout
        assert done.stdout.count("1 packets transmitted, 1 received") == 2
    finally:
        run_labctl(home, "down")


def test_the_two_commands_of_the_readme_are_there(home: Path) -> None:
    (block,) = _BLOCK.findall(_section((ROOT / "README.md").read_text(encoding="utf-8"), "Two commands"))
    commands = [line.partition("#")[0].strip() for line in block.splitlines()]
    # The second is the one that runs this.
    assert commands == ["./lab demo", "./lab test"]
    done = _run(commands[0], home)
    assert done.returncode == 0, done.stderr
    assert "as claimed" in done.stdout


@pytest.mark.anybody
def test_the_week_of_a_class_works_as_typed(home: Path, tmp_path: Path) -> None:
    text = (ROOT / "docs/instructors.md").read_text(encoding="utf-8")
    blocks = _BLOCK.findall(text)
    days = [line[3:].partition(":")[0] for line in text.splitlines() if line.startswith("## ")]
    assert days == ["Before the class", *WEEK, "On real machines", "When two instruct"]
    person = tmp_path / "person"
    person.mkdir()
    done = _run("".join(blocks), home, HOME=str(person))
    try:
        assert done.returncode == 0, done.stdout + done.stderr
        for said in (
            "step 0 on master: done",
            "the lab is as after step 3",
            "master is as after step 3",
            "the lab is as saved: tuesday",
            "the lab is as saved: thursday",
            "removed exercise",
            "labctl report: anna",
            "the world is gone",
        ):
            assert said in done.stdout, done.stdout
        assert "anna: step" not in done.stdout
        assert {each.name for each in (person / "class").iterdir()} == {
            "anna.html", "anna.report.json", "anna.xml", "thursday.json",
        }  # fmt: skip  # a list
    finally:
        run_labctl(home, "down")


def test_the_readme_names_every_step(home: Path) -> None:
    del home
    table = _section((ROOT / "README.md").read_text(encoding="utf-8"), "The steps")
    assert len(re.findall(r"^\| \d+ \|", table, re.MULTILINE)) == len(list((ROOT / "steps").glob("[0-9]*/step.py")))


def test_links_between_documents_lead_somewhere() -> None:
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
    for document in documents:
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text(encoding="utf-8")):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


def test_the_picture_is_what_a_run_looks_like_today() -> None:
    done = subprocess.run(
        (sys.executable, "docs/make_picture.py", "--print"), capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout == (ROOT / "docs/picture.svg").read_text(encoding="utf-8"), "run docs/make_picture.py"
