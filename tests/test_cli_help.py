"""The help: grouped, 80 columns, an example for each command; and what the shell offers at Tab."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import click
import pytest
from click.shell_completion import ShellComplete

from labctl.cli.app import make_app
from labctl.cli.commands import split_help
from tests.lab_under_test import STEPS, labctl_command, run_labctl

if TYPE_CHECKING:
    from pathlib import Path

APP = make_app()
COMMANDS = (
    *("up", "down", "status", "reset", "doctor", "demo", "step", "hint", "explain"),
    *("shell", "exec", "snapshot", "checkpoint", "report", "cni"),
)
LATER = ("learn", "watch", "trace", "diagram", "drill", "course")
every_command = pytest.mark.parametrize("name", COMMANDS)


def _command(name: str) -> click.Command:
    command = APP.get_command(click.Context(APP), name)
    assert command is not None
    return command


def _help(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert APP.run((*arguments, "--help")) == 0
    return capsys.readouterr().out


def test_the_commands_stand_in_their_groups(capsys: pytest.CaptureFixture[str]) -> None:
    text = _help(capsys)
    order = ["THE LAB:", "  up ", "  status ", "STEPS:", "  step ", "BY HAND:", "  shell ", "CNI:", "  cni "]
    places = [text.index(each) for each in order]
    assert places == sorted(places)
    assert tuple(APP.list_commands(click.Context(APP))) == COMMANDS
    assert not [name for name in LATER if f"\n  {name} " in text]


@pytest.mark.parametrize("arguments", [(), *((name,) for name in COMMANDS)])
def test_help_reads_well_at_80_columns(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]) -> None:
    text = _help(capsys, *arguments)
    assert max(len(line) for line in text.splitlines()) <= 80
    assert not [each for each in ("\x1b", "\\[", "...\n", "╭", "None") if each in text]


@every_command
def test_each_command_has_an_example_on_a_line_of_its_own(capsys: pytest.CaptureFixture[str], name: str) -> None:
    _, examples = split_help(_command(name).help or "")
    assert examples
    lines = _help(capsys, name).splitlines()
    assert "Examples:" in lines
    for example in examples:
        assert f"  {example}" in lines
        assert example.startswith("labctl ")


@every_command
def test_each_command_takes_a_world(
    capsys: pytest.CaptureFixture[str], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "--world sandbox|host" in _help(capsys, name)
    with pytest.raises(click.BadParameter, match="moon"):
        APP.run((name, "--world", "moon"))
    with pytest.raises(click.BadParameter, match="moon"):
        APP.run(("--world", "moon", name))
    monkeypatch.setenv("LABCTL_WORLD", "moon")
    with pytest.raises(click.BadParameter, match="moon"):
        APP.run((name,))


def _completed(monkeypatch: pytest.MonkeyPatch, home: Path, words: str) -> list[str]:
    """What bash would be offered, asked the way its completion script asks."""
    monkeypatch.setenv("LABCTL_HOME", str(home))
    *before, incomplete = words.split(" ")
    complete = ShellComplete(APP, {}, "labctl", "_LABCTL_COMPLETE")
    return [item.value for item in complete.get_completions(before, incomplete)]


@pytest.mark.parametrize(
    ("words", "offers"),
    [
        ("st", ["status", "step"]),
        ("step ", [*map(str, STEPS), "all"]),
        ("step 5-", [f"5-{number}" for number in STEPS[5:]]),
        ("step 3 --node ", ["master", "worker", "all"]),
        ("step 3 --via ", ["netlink", "shell"]),
        ("reset --node w", ["worker"]),
        ("shell ", ["master", "worker", "internet", "vpc"]),
        ("shell master/", ["master/a", "master/b"]),
        ("exec worker/c", ["worker/c"]),
        ("explain ", ["cni", "components"]),
        ("checkpoint r", ["restore", "remove"]),
        ("checkpoint restore ", []),
        ("report --format j", ["json", "junit"]),
    ],
)
def test_tab_offers(monkeypatch: pytest.MonkeyPatch, home: Path, words: str, offers: list[str]) -> None:
    assert _completed(monkeypatch, home, words) == offers
    assert not home.exists()


@pytest.mark.machine
def test_bash_gets_its_completion(home: Path) -> None:
    asked = {"_LABCTL_COMPLETE": "complete_bash", "COMP_WORDS": "labctl step ", "COMP_CWORD": "2"}
    said = run_labctl(home, environment=asked)
    assert (said.code, said.out.split()[:2]) == (0, ["0", "1"])
    said = run_labctl(home, environment={"_LABCTL_COMPLETE": "source_bash"})
    assert said.code == 0
    assert "_LABCTL_COMPLETE=complete_bash" in said.out


@pytest.mark.machine
def test_labctl_alone_says_what_it_can(home: Path) -> None:
    said = run_labctl(home)
    assert said.code == 0
    assert "THE LAB:" in said.out
    assert run_labctl(home, "--version").out.startswith("labctl 0.")


@pytest.mark.machine
def test_explaining_imports_little(home: Path) -> None:
    """What labctl starts with is felt at every command; the heavy ones are other commands' business."""
    heavy = {"sqlite3", "pyroute2", "nmap", "tempfile", "labctl.kernel.agent", "labctl.engine.runner"}
    *python, start = labctl_command()
    start = start.replace("sys.exit(main())", "main(); sys.stderr.write(' '.join(sys.modules))")
    done = subprocess.run(
        (*python, start, "step", "3", "--explain"),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LABCTL_HOME": str(home)},
    )
    assert "Step 3" in done.stdout
    imported = set(done.stderr.split())
    assert {"labctl.cli.step_command", "labctl.resources.veth"} <= imported
    assert not imported & {*heavy, "labctl.cli.by_hand", "labctl.resources.iptables"}
