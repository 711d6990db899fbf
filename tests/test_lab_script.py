"""The launcher `lab`: it starts labctl from anywhere, as anybody, and next to nothing besides.

How it makes the environment: test_lab_environment.py. What it installs on the system: test_lab_packages.py.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab_checkout import ROOT, USED_BY_LAB, Checkout, make_checkout, write_program

pytestmark = pytest.mark.machine

SHELLS = [shell for shell in ("sh", "dash", "bash", "busybox") if shutil.which(shell)]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return make_checkout(tmp_path)


@pytest.fixture
def made(checkout: Checkout) -> Checkout:
    """A checkout whose environment is there: the second run."""
    assert checkout.run().code == 7
    (checkout.base / "calls").unlink()
    return checkout


@pytest.fixture
def read_only() -> Iterator[Checkout]:
    """A checkout that belongs to another than the user who runs it, and that everybody can read."""
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        base.chmod(0o755)
        checkout = make_checkout(base)
        (base / "calls").touch()
        for theirs in (base / "calls", checkout.home):
            theirs.chmod(0o777)
        checkout.root.chmod(0o555)
        yield checkout
        checkout.root.chmod(0o755)


def as_ordinary_user() -> tuple[str, ...]:
    if os.geteuid() != 0:
        return ()
    return (shutil.which("setpriv") or "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")


def list_files(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


# --- started from anywhere ---


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_makes_the_environment_and_runs_labctl(checkout: Checkout, shell: str) -> None:
    by = (shutil.which(shell) or shell, *(["sh"] if shell == "busybox" else []))
    first = checkout.run("one", by=by)
    assert (first.code, first.report["arguments"]) == (7, ["one"])
    second = checkout.run("two", by=by)
    assert (second.code, second.err, second.report["arguments"]) == (7, "", ["two"])


def test_arguments_input_folder_and_exit_code_are_labctls(made: Checkout) -> None:
    arguments = ["exec", "a b", "", "*", "--", "it's", '"$HOME"', "line\nline", "test"]
    answer = made.run(*arguments, text="typed\n", cwd=made.home)
    assert (answer.code, answer.err) == (7, "")
    assert answer.report["arguments"] == arguments
    assert answer.report["input"] == "typed\n"
    assert answer.report["folder"] == str(made.home)


def test_a_chain_of_links_leads_to_the_checkout(made: Checkout) -> None:
    (made.home / "over there").mkdir()
    (made.home / "over there" / "second").symlink_to(made.root / "lab")
    first = made.home / "first"
    first.symlink_to(Path("over there") / "second")
    ran = subprocess.run([first], env=made.variables, input="", capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (7, "")
    assert json.loads(ran.stdout)["labctl"] == str(made.root / "labctl" / "__main__.py")


@pytest.mark.parametrize("command", ["./lab", "sh lab", "../my check out/lab", "my check out/lab"])
def test_it_runs_by_a_relative_path_whatever_cdpath_says(made: Checkout, command: str) -> None:
    program, *rest = ["/bin/sh", "lab"] if command == "sh lab" else [command]
    ran = subprocess.run(
        [program, *rest],
        cwd=made.base if command.startswith("my") else made.root,
        env=made.variables | {"CDPATH": str(made.base)},
        input="",
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (7, "")


def test_what_lies_in_the_callers_folder_is_not_imported(checkout: Checkout) -> None:
    hostile = checkout.home
    (hostile / "labctl").mkdir()
    for name in (
        "labctl/__init__.py",
        "labctl/__main__.py",
        "json.py",
        "fcntl.py",
        "venv.py",
        "pip.py",
        "sitecustomize.py",
    ):
        (hostile / name).write_text('raise SystemExit("imported from the folder of the caller")')
    for _ in ("to make the environment", "with it in place"):
        answer = checkout.run(cwd=hostile, PYTHONPATH=str(hostile), PYTHONSTARTUP=str(hostile / "json.py"))
        assert answer.code == 7
        assert answer.report["labctl"] == str(checkout.root / "labctl" / "__main__.py")
        assert str(hostile) not in str(answer.report["json"])


def test_the_second_run_starts_one_program_before_labctl(made: Checkout) -> None:
    for name in USED_BY_LAB:
        real = (made.programs / name).readlink()
        (made.programs / name).unlink()
        write_program(made.programs / name, f'echo {name} >>"$CALLS"; exec {real} "$@"')
    assert made.run().code == 7
    assert made.calls() == ["cmp"]


# --- where the checkout cannot be written to ---


def test_of_a_read_only_checkout_everything_goes_to_the_cache(read_only: Checkout) -> None:
    before = list_files(read_only.root)
    cache = read_only.home / "ca che"
    cache.mkdir()
    cache.chmod(0o777)
    first = read_only.run(by=as_ordinary_user(), XDG_CACHE_HOME=str(cache))
    second = read_only.run(by=as_ordinary_user(), XDG_CACHE_HOME=str(cache))
    (mine,) = (cache / "labctl").iterdir()
    for answer in (first, second):
        assert answer.code == 7, answer.err
        assert answer.report["environment"] == str(mine / "venv")
        assert answer.report["bytecode"] == str(mine / "pycache")
    assert second.err == ""
    assert list((mine / "pycache").rglob("labctl/__main__.*.pyc"))
    assert list_files(read_only.root) == before


@pytest.mark.parametrize("cache", ["", "relative/path"])
def test_the_cache_is_in_the_home_unless_named_by_a_whole_path(read_only: Checkout, cache: str) -> None:
    answer = read_only.run(by=as_ordinary_user(), XDG_CACHE_HOME=cache)
    assert str(answer.report["environment"]).startswith(str(read_only.home / ".cache" / "labctl"))


def test_an_environment_that_is_there_is_used_though_it_cannot_be_written(read_only: Checkout) -> None:
    read_only.root.chmod(0o755)
    assert read_only.run().code == 7
    read_only.root.chmod(0o555)
    answer = read_only.run(by=as_ordinary_user())
    assert (answer.err, answer.report["environment"]) == ("", str(read_only.environment))


def test_no_place_for_the_environment_is_an_error(read_only: Checkout) -> None:
    answer = read_only.run(by=as_ordinary_user(), HOME=str(read_only.root))
    assert (answer.code, answer.out) == (5, "")
    error, hint = answer.err.splitlines()
    assert error.startswith("error: no place for the environment")
    assert hint.startswith("hint: XDG_CACHE_HOME=")


# --- lab test ---


def test_lab_test_adds_what_the_tests_need_and_runs_them(made: Checkout) -> None:
    first = made.run("test", "-k", "a b")
    assert (first.code, first.report["arguments"]) == (0, ["-k", "a b"])
    assert [Path(call.split()[-1]).name for call in made.calls("pip")] == ["requirements-dev.lock"]
    assert made.run("test").err == ""
    (made.root / "requirements-dev.lock").write_text("# another version\n")
    assert "what the tests need" in made.run("test").err
    assert made.run().err == ""


def test_ci_run_is_lab_test_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci" / "run")
    write_program(tmp_path / "lab", 'pwd; echo "$@"; exit 3')
    ran = subprocess.run([tmp_path / ".ci" / "run"], cwd="/", capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout.split("\n")) == (3, [str(tmp_path), "test", ""])


# --- the script itself ---


def test_shellcheck_has_nothing_to_say() -> None:
    shellcheck = Path(sys.executable).parent / "shellcheck"
    ran = subprocess.run([shellcheck, ROOT / "lab", ROOT / ".ci" / "run"], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, "")
