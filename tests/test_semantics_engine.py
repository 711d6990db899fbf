"""The pure parts of the engine: outcomes, plans, courses, and scripts that bash reads back as they were meant."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labctl.engine.course import Course, builtin_folder
from labctl.engine.lesson import HEADINGS, read_lesson
from labctl.engine.planner import make_plan
from labctl.engine.report import Checked, Outcome, StepReport, exit_code
from labctl.engine.script import on_node
from labctl.errors import CannotTell, ForeignObject, UsageError
from labctl.model import Answer, Place, Probe, Succeeds
from labctl.model.resource import Absent, Action, Foreign, Present, Seen, Unknown, decide
from labctl.model.shell import Assign, Capture, Pipe, Redirect, Run, Var, render_command, render_script
from labctl.world.topology import read_lab, spread

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from labctl.model.lab import Lab

STEP = (
    'from labctl.model import Step\nSTEP = Step(title="t", notes="n", resources=lambda lab, node: (), hints=("h",))\n'
)
PROBE = Probe("it works", Succeeds(Place("master"), ("true",)), before=False, after=True, blame="look there")
KEEP, ABSENT, DRIFT = Present(note="as good"), Absent("x is missing"), Present(("x is y; expected z",))
FOREIGN, UNKNOWN = Foreign("x is another's"), Unknown("x cannot be seen", "try y")


@dataclass(frozen=True)
class Thing:
    """Stands for a resource where only its key is asked."""

    key: str


def _report(seen: Iterable[Seen], answers: Iterable[bool | None] = ()) -> StepReport:
    things: Any = tuple((Thing(f"thing:{number}"), each) for number, each in enumerate(seen))
    lesson: Any = SimpleNamespace(number=1, title="t")
    return StepReport(
        lesson,
        "master",
        things,
        tuple(
            Checked(PROBE, expected=True, answer=Answer(each, "", "cure" if each is None else "")) for each in answers
        ),
    )


@pytest.mark.parametrize(
    ("seen", "answers", "outcome", "first"),
    [
        ((KEEP, KEEP), (True,), Outcome.DONE, None),
        ((), (), Outcome.DONE, None),
        ((KEEP,), (False,), Outcome.WRONG, "it works: it does not (look there)"),
        ((KEEP,), (None,), Outcome.UNKNOWN, "it works: it does not"),
        ((KEEP, ABSENT), (False,), Outcome.NOT_DONE, "x is missing"),
        ((ABSENT, DRIFT), (), Outcome.WRONG, "x is missing"),
        ((KEEP, DRIFT), (True,), Outcome.WRONG, "x is y; expected z"),
        ((FOREIGN, ABSENT), (), Outcome.WRONG, "x is another's"),
        ((UNKNOWN, ABSENT), (False,), Outcome.NOT_DONE, "x cannot be seen"),
        ((UNKNOWN, KEEP), (False,), Outcome.UNKNOWN, "x cannot be seen"),
        ((UNKNOWN, DRIFT), (None,), Outcome.WRONG, "x cannot be seen"),
    ],
)
def test_outcome_and_first_cause(
    seen: tuple[Seen, ...], answers: tuple[bool | None, ...], outcome: Outcome, first: str | None
) -> None:
    report = _report(seen, answers)
    assert report.outcome is outcome
    assert (report.causes() or (None,))[0] == first
    assert ("cure" in report.hints()) is (None in answers)


def test_the_missing_step_is_the_first_cause() -> None:
    report = replace(_report((KEEP,), (False,)), missing="step 0 on master comes first: no cni0")
    assert report.causes()[0].startswith("step 0 on master comes first")


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [((), 0), (("done", "done"), 0), (("done", "unknown"), 6), (("unknown", "wrong"), 1), (("not_done", "done"), 1)],
)
def test_exit_code_over_several(outcomes: tuple[str, ...], code: int) -> None:
    assert exit_code(Outcome(each) for each in outcomes) == code


def test_a_plan_is_refused_whole_and_says_why() -> None:
    for seen, action in (
        (ABSENT, Action.CREATE),
        (DRIFT, Action.REPAIR),
        (KEEP, Action.KEEP),
        (FOREIGN, Action.REFUSE),
        (UNKNOWN, Action.REFUSE),
    ):
        decided, why = decide(seen)
        assert decided is action
        assert why
    things: Any = [(Thing("a"), ABSENT), (Thing("b"), KEEP), (Thing("c"), DRIFT)]
    plan = make_plan(things)
    assert [item.resource.key for item in plan.pending] == ["a", "c"]
    plan.refuse()
    foreign: Any = (Thing("d"), FOREIGN)
    with pytest.raises(ForeignObject, match="x is another's; nothing was changed"):
        make_plan([*things, foreign]).refuse()
    unknown: Any = (Thing("d"), UNKNOWN)
    with pytest.raises(CannotTell, match="d: x cannot be seen; nothing was changed") as refusal:
        make_plan([*things, unknown]).refuse()
    assert refusal.value.hint == "try y"


def _course(folder: Path, steps: dict[str, str | None]) -> Course:
    for name, text in steps.items():
        (folder / name).mkdir(parents=True)
        if text is not None:
            (folder / name / "step.py").write_text(text)
    course = Course(folder)
    course.lessons()
    return course


def test_a_course_is_its_folders_in_order(tmp_path: Path) -> None:
    course = _course(tmp_path, {"01_second": STEP, "00_first": STEP, "topics": None, "notes_00": None})
    assert [(each.number, each.slug) for each in course.lessons()] == [(0, "first"), (1, "second")]
    with pytest.raises(UsageError, match="there is no step 2"):
        course.lesson(2)


@pytest.mark.parametrize(
    ("steps", "what"),
    [
        ({}, "it holds no steps"),
        ({"first": STEP}, "it holds no steps"),
        ({"00_a": STEP, "02_c": STEP}, "without a gap"),
        ({"01_a": STEP}, "without a gap"),
        ({"00_a": STEP, "00_b": STEP}, "two steps have the number 0"),
        ({"00_a": None}, "it has no step.py"),
        ({"00_a": ""}, "it defines no STEP"),
        ({"00_a": "STEP = 7"}, "it defines no STEP"),
        ({"00_a": "import nothing_of_that_name"}, "ModuleNotFoundError: No module named 'nothing_of_that_name'"),
        ({"00_a": "def ("}, "SyntaxError"),
        ({"00_a": "raise SystemExit(3)"}, "SystemExit: 3"),
        ({"00_a": STEP.replace('("h",)', "()")}, "hint"),
        ({"00_a": STEP.replace('("h",)', '("h", " ")')}, "hint"),
        ({"00_a": STEP.replace('"t"', '""')}, "title"),
        ({"00_a": "from labctl.model import Step\nSTEP = Step()"}, "TypeError"),
    ],
)
def test_a_malformed_course_is_a_usage_error_that_names_the_folder(
    tmp_path: Path, steps: dict[str, str | None], what: str
) -> None:
    with pytest.raises(UsageError, match="the course is malformed") as error:
        _course(tmp_path / "course", steps)
    assert what in error.value.what
    assert str(tmp_path) in error.value.what
    assert error.value.exit_code == 2
    assert error.value.hint


@pytest.fixture
def plan() -> Lab:
    return read_lab(spread(None, None))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (None, "cannot be read"),
        ("# no headings", "headings"),
        ("".join(f"## {each}\ntext\n" for each in HEADINGS[::-1]), "headings"),
        ("".join(f"## {each}\n{{{{pod_rnge}}}}\n" for each in HEADINGS), "unknown token {{pod_rnge}}"),
    ],
)
def test_a_malformed_lesson_is_a_usage_error(tmp_path: Path, plan: Lab, text: str | None, what: str) -> None:
    lesson = _course(tmp_path, {"00_a": STEP}).lesson(0)
    if text is not None:
        (lesson.folder / "explain.md").write_text(text)
    with pytest.raises(UsageError) as error:
        read_lesson(lesson, plan, plan.nodes[0], answer=True)
    assert what in error.value.what


def test_the_builtin_course_has_hints_for_every_step() -> None:
    for lesson in Course(builtin_folder()).lessons():
        assert lesson.step.hints
        assert all(hint.strip() for hint in lesson.step.hints)


WORDS = st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",))), min_size=1, max_size=4)


def _bash(script: str) -> list[str]:
    done = subprocess.run(
        ("bash", "-c", script), capture_output=True, check=True, env={"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"}
    )
    return done.stdout.decode().split("\0")[:-1]


@pytest.mark.machine
@settings(max_examples=60, derandomize=True, deadline=None)
@given(words=WORDS)
def test_words_come_back_through_bash_as_they_were(words: list[str]) -> None:
    echo = ("printf", r"%s\0")
    assert _bash(render_command(Run((*echo, *words)))) == words
    # In a variable, alone and beside literal text.
    value = words[0].rstrip("\n")
    mixed = tuple((word, Var("V"), word) for word in words)
    script = render_script((Assign("V", value, "a comment\nof two lines"), Run((*echo, Var("V"), *mixed))))
    assert _bash(script) == [value, *(f"{word}{value}{word}" for word in words)]
    # Captured, and through a pipe.
    pipe = Pipe((Run(("printf", "%s", words[0])), Run(("cat",))))
    assert _bash(render_script((Capture("V", pipe), Run((*echo, Var("V")))))) == [value]


@pytest.mark.machine
@pytest.mark.parametrize("name", ["plain", "with space", "it's", '"$(rm x)"', "-n", "über"])
def test_a_redirect_writes_where_it_says(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    write = Redirect(Run(("printf", "%s", "x")), str(path))
    _bash(render_script((write, Redirect(write.command, write.path, append=True))))
    assert path.read_text() == "xx"


def test_another_node_gets_every_command_and_variables_stay() -> None:
    sent = on_node((Assign("A", "1"), Pipe((Run(("a", Var("A"))), Run(("b",)))), Capture("C", Run(("c",)))), "worker")
    assert (
        render_script(sent)
        == 'A=1\nlabctl exec worker -- a "$A" | labctl exec worker -- b\nC=$(labctl exec worker -- c)\n'
    )
