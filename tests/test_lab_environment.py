"""The launcher `lab`: it makes the environment where that is missing, stale or half made, once, and says so."""

import hashlib
import json
import os
import signal
import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.lab_checkout import REAL_PYTHON, Checkout, make_checkout, write_program

pytestmark = [pytest.mark.machine, pytest.mark.anybody]

WAITING = "lab: waiting for another ./lab, which is making the environment\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return make_checkout(tmp_path)


@pytest.fixture
def made(checkout: Checkout) -> Checkout:
    """A checkout whose environment is there."""
    assert checkout.run().code == 7
    return checkout


def write_wheel(folder: Path, name: str, version: str, text: str = "") -> str:
    """Write a package of one empty module; return its SHA-256 in hex."""
    about = f"{name}-{version}.dist-info"
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for file, content in (
            (f"{name}.py", text),
            (f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"),
            (f"{about}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"),
            (f"{about}/RECORD", f"{name}.py,,\n{about}/METADATA,,\n{about}/WHEEL,,\n{about}/RECORD,,\n"),
        ):
            wheel.writestr(zipfile.ZipInfo(file), content)  # ZipInfo without a date: the same bytes every time
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_making_is_told_on_stderr_only(checkout: Checkout) -> None:
    answer = checkout.run()
    assert json.loads(answer.out)["environment"] == str(checkout.environment)
    assert answer.err.splitlines()[0].startswith(f"lab: making the environment {checkout.environment} with ")
    assert "lab: getting something" in answer.err
    assert all("--require-hashes" in call for call in checkout.calls("pip install"))


def test_everybody_who_may_read_the_checkout_may_use_its_environment(checkout: Checkout) -> None:
    answer = checkout.run(by=("/bin/sh", "-c", 'umask 077; exec "$0"'))
    assert answer.report["umask"] == 0o077
    for path in (checkout.environment, *checkout.environment.rglob("*")):
        assert path.is_symlink() or path.stat().st_mode & 0o044 == 0o044, path


def test_a_changed_lock_file_makes_it_anew(made: Checkout) -> None:
    (made.environment / "left over").touch()
    (made.root / "requirements.lock").write_text("# another version\n")
    assert "making the environment" in made.run().err
    assert not (made.environment / "left over").exists()
    assert made.run().err == ""


def test_a_moved_checkout_makes_it_anew(made: Checkout) -> None:
    moved = made.base / "moved"
    made.root.rename(moved)
    made.root.mkdir()
    ran = subprocess.run([moved / "lab"], env=made.variables, input="", capture_output=True, text=True, check=False)
    assert "making the environment" in ran.stderr
    assert json.loads(ran.stdout)["labctl"] == str(moved / "labctl" / "__main__.py")


def test_an_environment_whose_python_is_gone_is_made_anew(made: Checkout) -> None:
    for name in (made.environment / "bin").glob("python*"):
        name.unlink()
        name.symlink_to(made.base / "gone")
    answer = made.run()
    assert (answer.code, answer.report["environment"]) == (7, str(made.environment))


def test_an_environment_of_another_make_is_replaced(checkout: Checkout) -> None:
    (checkout.environment / "bin").mkdir(parents=True)
    write_program(checkout.environment / "bin" / "python", "exit 99")
    assert checkout.run().code == 7


def test_without_cmp_it_is_compared_all_the_same(made: Checkout) -> None:
    (made.programs / "cmp").unlink()
    assert "making the environment" not in made.run().err
    (made.root / "requirements.lock").write_text("# another version\n")
    assert "making the environment" in made.run().err


def test_an_old_environment_is_not_taken_for_whole_after_a_failed_renewal(made: Checkout) -> None:
    lock_file = made.root / "requirements.lock"
    before = lock_file.read_text()
    lock_file.write_text("# another version\n")
    answer = made.run(VENV_FAILS="yes")
    assert (answer.code, answer.out) == (5, "")
    assert answer.err.splitlines()[-2].endswith(f"could not make {made.environment}: no room")
    lock_file.write_text(before)
    assert "making the environment" in made.run().err


def test_what_pip_cannot_get_is_an_error_and_the_next_run_mends_it(checkout: Checkout) -> None:
    answer = checkout.run(PIP_FAILS="yes")
    assert (answer.code, answer.out) == (5, "")
    said = answer.err.splitlines()
    assert said[-3] == "ERROR: no such package"
    assert said[-2].startswith("error: pip could not install what requirements-build.lock lists")
    assert said[-1].startswith("hint: ")
    assert checkout.run().code == 7


def test_kubectl_is_not_insisted_on_and_doctor_fix_tries_again(checkout: Checkout) -> None:
    answer = checkout.run(PIP_FAILS="requirements-kubectl.lock")
    assert answer.code == 7
    assert "lab: kubectl could not be had: the lab works without it" in answer.err
    assert "ERROR" not in answer.err
    before = checkout.calls("pip")
    assert checkout.run("doctor").err == ""
    assert checkout.calls("pip") == before
    answer = checkout.run("doctor", "--fix")
    assert answer.report["arguments"] == ["doctor", "--fix"]
    assert [call.rpartition("/")[2] for call in checkout.calls("pip")[len(before) :]] == ["requirements-kubectl.lock"]
    write_program(checkout.environment / "bin" / "kubectl", "")
    assert checkout.run("doctor", "--fix").err == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_after_an_end_half_way_the_next_run_mends_it(checkout: Checkout, number: signal.Signals) -> None:
    checkout.hold_pip()
    with checkout.start() as lab:
        checkout.wait_for_pip()
        os.killpg(lab.pid, number)
        out, err = lab.communicate()
    assert (out, "Traceback" in err) == ("", False)
    if number == signal.SIGINT:
        assert lab.returncode == 130
        assert err.splitlines()[-1] == "lab: stopped; the next ./lab makes anew what is not whole"
    answer = checkout.run()
    assert (answer.code, "making the environment" in answer.err) == (7, True)


def test_two_at_once_make_it_once(checkout: Checkout) -> None:
    checkout.hold_pip()
    with checkout.start() as first:
        checkout.wait_for_pip()
        with checkout.start() as second:
            assert second.stderr is not None
            assert second.stderr.readline() == WAITING
            checkout.release_pip()
            assert second.communicate()[1] == ""
        first.communicate()
    assert (first.returncode, second.returncode) == (7, 7)
    installs = [call.rpartition("/")[2] for call in checkout.calls("pip install")]
    assert installs == ["requirements-build.lock", "requirements.lock", "requirements-kubectl.lock"]


def test_who_waits_may_stop(checkout: Checkout) -> None:
    checkout.hold_pip()
    with checkout.start() as first:
        checkout.wait_for_pip()
        with checkout.start() as second:
            assert second.stderr is not None
            assert second.stderr.readline() == WAITING
            os.killpg(second.pid, signal.SIGINT)
            assert second.communicate()[1] == "lab: stopped; the next ./lab makes anew what is not whole\n"
        checkout.release_pip()
        first.communicate()
    assert (first.returncode, second.returncode) == (7, 130)


def test_what_a_killed_run_left_behind_is_waited_for(checkout: Checkout) -> None:
    checkout.hold_pip()
    with checkout.start() as killed:
        checkout.wait_for_pip()
        killed.kill()  # the shell alone: its pip goes on
        with checkout.start() as second:
            assert second.stderr is not None
            assert second.stderr.readline() == WAITING
            checkout.release_pip()
            assert "making the environment" in second.communicate()[1]
    assert (killed.returncode, second.returncode) == (-signal.SIGKILL, 7)


def test_real_pip_takes_from_the_wheelhouse_only_what_the_lock_file_means(checkout: Checkout) -> None:
    (checkout.system / "python3.11").unlink()
    (checkout.system / "python3").symlink_to(REAL_PYTHON)
    wheels = checkout.base / "wheel house"
    wheels.mkdir()
    digest = write_wheel(wheels, "setuptools", "9999")
    (checkout.root / "requirements-build.lock").write_text(f"setuptools==9999 --hash=sha256:{digest}\n")
    digest = write_wheel(wheels, "lab_needs_this", "1")
    (checkout.root / "requirements.lock").write_text(f"lab-needs-this==1 --hash=sha256:{digest}\n")
    write_wheel(wheels, "lab_needs_this", "1", text="# tampered with")
    refused = checkout.run(LAB_WHEELHOUSE="wheel house")
    assert refused.code == 5
    assert "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES" in refused.err
    assert "error: pip could not install what requirements.lock lists" in refused.err
    write_wheel(wheels, "lab_needs_this", "1")
    elsewhere = str(checkout.base / "elsewhere")
    answer = checkout.run(
        LAB_WHEELHOUSE="wheel house", PIP_TARGET=elsewhere, PIP_PREFIX=elsewhere, PIP_ROOT=elsewhere, PIP_USER="yes"
    )
    assert answer.code == 7, answer.err
    python = str(checkout.environment / "bin" / "python")
    assert subprocess.run([python, "-I", "-c", "import lab_needs_this"], check=False).returncode == 0
    # what only builds packages is gone again: its hook would run at every start
    assert not list(checkout.environment.glob("lib/python3*/site-packages/*distutils*"))
    assert not list(checkout.environment.glob("lib/python3*/site-packages/setuptools*"))
