"""Bad input: the exit code of the design, one line, one hint, nothing written, no traceback."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

import pytest

from tests.lab_under_test import STEPS, LabUnderTest, Said, run_labctl
from tests.terminal import Terminal

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.machine, pytest.mark.anybody]


def _expect(said: Said, code: int, *words: str) -> str:
    """Check the form of an error; give the hint."""
    assert said.code == code, said
    what, hint = said.err.splitlines()[-2:]
    assert what.startswith("error: ")
    assert hint.startswith("hint: ")
    assert "Traceback" not in said.err
    for word in words:
        assert word in what, said
    return hint.removeprefix("hint: ")


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("step 99 --apply", "there is no step 99"),
        ("step x", "'x' names no step"),
        ("step 3- --verify", "'3-' names no step"),
        ("step -3", "No such option"),
        ("step 5-3 --apply", "runs backwards"),
        ("step 6-99 --apply", "there is no step 99"),
        ("step", "Missing argument"),
        ("step 3 --apply --node nobody", "no node 'nobody'"),
        ("step 3 --apply --verify", "exclude each other"),
        ("step 3 --explain --commands", "exclude each other"),
        ("step 3 --apply --answer", "--answer goes with --explain only"),
        ("step 3 --verify --with-needed", "--with-needed goes with --apply only"),
        ("step 3 --apply --cascade", "--cascade goes with --undo only"),
        ("step 3 --verify --via shell", "--via shell goes with --apply or --undo only"),
        ("step 3 --apply --via magic", "--via magic is neither netlink nor shell"),
        ("step 3 --commands --dialect latin", "--dialect latin is neither notes nor iproute2"),
        ("up --topology x.toml --nodes 3", "--topology excludes"),
        ("up --topology no-such-file.toml", "cannot be read"),
        ("up --nodes 0", "0 nodes cannot be made"),
        ("up --containers 201", "201 containers"),
        ("reset --to 99", "there is no step 99"),
        ("reset --node nobody", "no node 'nobody'"),
        ("explain nothing", "there is no topic 'nothing'"),
        ("explain", "which topic?"),
        ("snapshot --diff no-such-file.json", "cannot be read"),
        ("snapshot --diff README.md", "README.md is no snapshot: it is not JSON"),
        ("snapshot --diff docs/schemas/status.json", "status.json is no snapshot: it has no schema, places and nodes"),
        ("exec master", "Missing argument"),
        ("exec b -- ls", "there is no node 'b', but a container"),
        ("exec internet/a -- ls", "internet has no containers"),
        ("--world venus status", "'venus' is not one of"),
        ("dance", "there is no command 'dance'"),
        ("stpe", "there is no command 'stpe'"),
    ],
)
def test_what_was_typed_wrong(home: Path, line: str, word: str) -> None:
    said = run_labctl(home, *line.split())
    _expect(said, 2, word)
    assert said.out == ""
    assert len(said.err.splitlines()) == 2
    assert not home.exists()


def _run_hint(lab: LabUnderTest, hint: str) -> Said:
    program, *arguments = shlex.split(hint)
    assert program == "labctl"
    return lab.labctl(*arguments)


def test_a_missing_step_is_named_and_the_hint_does_it(lab: LabUnderTest) -> None:
    before = lab.snapshot()
    for flag in ("--apply", "--verify"):
        hint = _expect(lab.labctl("step", "3", flag), 3, "needs step 0 on master", "no cni0")
        assert hint == "labctl step 0-2 --apply"
    assert lab.snapshot() == before
    assert _run_hint(lab, hint).code == 0
    assert lab.labctl("step", "3", "--apply").code == 0
    hint = _expect(lab.labctl("step", "7", "--apply"), 3, "needs step 0 on worker")
    assert _run_hint(lab, hint).code == 0
    assert lab.labctl("step", "7", "--apply").code == 0
    hint = _expect(lab.labctl("step", "3", "--undo"), 3, "needs step 3", "nothing was changed")
    assert hint == "undo all of it: labctl step 3 --undo --cascade"
    hint = _expect(lab.labctl("step", "2-4", "--undo", "--node", "all"), 3, "needs step 4", "nothing was changed")
    assert hint == "undo all of it: labctl step 2 --undo --cascade --node all"
    assert _run_hint(lab, hint.removeprefix("undo all of it: ")).code == 0
    assert lab.labctl("step", "0-1", "--verify", "--node", "all").code == 0


def test_an_undo_that_is_refused_on_one_node_changes_nothing_on_another(lab: LabUnderTest) -> None:
    lab.apply((0,))
    lab.apply((1,), nodes=lab.lab.nodes[:1])
    before = lab.snapshot()
    hint = _expect(
        lab.labctl("step", "0", "--undo", "--node", "all"), 3, "step 1 stands on master", "nothing was changed"
    )
    assert lab.snapshot() == before
    assert _run_hint(lab, hint.removeprefix("undo all of it: ")).code == 0


def test_with_needed_does_the_earlier_steps(lab: LabUnderTest) -> None:
    assert lab.labctl("step", "8", "--apply", "--with-needed").code == 0
    assert lab.labctl("step", "8", "--verify").code == 0
    assert lab.labctl("step", "8", "--apply", "--node", "worker").code == 0
    assert lab.labctl("step", "0-8", "--verify", "--node", "all").code == 0


def test_a_name_that_something_else_holds(lab: LabUnderTest) -> None:
    assert lab.type("master", "ip link add cni0 type veth peer name other").code == 0
    before = lab.snapshot()
    _expect(lab.labctl("step", "0", "--apply"), 4, "cni0", "nothing was changed")
    assert lab.snapshot() == before
    said = lab.labctl("step", "0", "--verify")
    assert said.code == 1
    assert "wrong" in said.out
    assert "cni0" in said.out.splitlines()[1]


def _hide(lab: LabUnderTest, tool: str) -> None:
    """Have a tool be no program any more, on master only."""
    assert lab.type("master", f'mount --bind /dev/null "$(command -v {tool})"').code == 0


def test_a_tool_that_is_missing_is_named_with_its_package(lab: LabUnderTest) -> None:
    lab.apply((0,))
    before = lab.snapshot()
    _hide(lab, "nmap")
    hint = _expect(lab.labctl("step", "1", "--apply"), 5, "nmap is not installed", "everything was taken back")
    assert "nmap" in hint
    assert lab.snapshot() == before


def test_a_tool_that_a_probe_needs_makes_the_answer_unknown(lab: LabUnderTest) -> None:
    lab.apply(range(5), nodes=(lab.lab.node("master"),))
    assert lab.labctl("step", "4", "--verify").code == 0
    _hide(lab, "jq")
    said = lab.labctl("step", "4", "--verify")
    assert said.code == 6
    assert "jq is not installed" in said.out
    assert "hint: " in said.out


def test_a_second_kind_of_world_is_refused(lab: LabUnderTest) -> None:
    hint = _expect(lab.labctl("up", "--nodes", "3"), 2, "another kind stands already")
    assert hint == "take it away first: labctl down"
    assert lab.labctl("up").code == 0


def test_debug_shows_the_traceback(home: Path) -> None:
    said = run_labctl(home, "step", "99", "--verify", environment={"LABCTL_DEBUG": "1"})
    assert said.code == 2
    assert "Traceback" in said.err
    assert said.err.splitlines()[-1].startswith("hint: ")


def test_on_a_terminal_an_error_is_wrapped_at_words_and_in_a_pipe_it_is_one_line(home: Path) -> None:
    name = " ".join(["nowhere"] * 20)
    error, hint = run_labctl(home, "exec", name, "true").err.splitlines()
    assert error == f"error: there is no node '{name}'"
    with Terminal(home, "exec", name, "true") as terminal:
        lines = terminal.read_rest().splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) > 2
    assert [line.startswith(" " * len("error: ")) for line in lines] == [False, *[True] * (len(lines) - 2), False]
    assert " ".join(line.strip() for line in lines) == f"{error} {hint}"


def test_a_hint_is_spelled_as_labctl_was_started(home: Path) -> None:
    said = run_labctl(home, "step", "99", environment={"LAB_CALLED": "./lab"})
    assert said.err.splitlines()[1].startswith("hint: ")
    assert "labctl" not in said.err
    assert "./lab status" in said.err
    said = run_labctl(home, "step", "99", "--json", environment={"LAB_CALLED": "./lab"})
    assert json.loads(said.out)["error"]["hint"] == f"the steps are 0 to {STEPS[-1]}: ./lab status"


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (("--help",), ("Usage: ./lab [OPTIONS] COMMAND …", "A first look: ./lab demo.", "./lab shell to type along")),
        (("step", "--help"), ("Usage: ./lab step ", "  ./lab step 3 --commands | ./lab shell\n")),
        (("exec", "--help"), ("  ./lab exec worker -- ip route\n", "125 says that labctl\n  itself failed")),
        (("cni",), ("Usage: ./lab cni ", "  ./lab cni install\n")),
        (("step", "0", "--explain"), ("./lab shell master", "hint: ./lab step 0 --explain --answer")),
        (("step", "4", "--explain"), ("./lab shell master", "    labctl step 4 --verify\n")),
    ],
    ids=" ".join,
)
def test_help_and_lessons_are_spelled_as_labctl_was_started(
    home: Path, arguments: tuple[str, ...], shown: tuple[str, ...]
) -> None:
    """But what a lesson has one type in the lab's own shell: there it is `labctl`."""
    said = run_labctl(home, *arguments, environment={"LAB_CALLED": "./lab"})
    assert said.code == 0
    for text in shown:
        assert text in said.out
