"""`labctl doctor` on this machine, as it is."""

import os
import pty
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doctor_machine import ORDINARY, doctor, environment, lay_out_programs, make_base, read
from tests.lab_checkout import write_program
from tests.lab_under_test import LabUnderTest, labctl_command

pytestmark = pytest.mark.machine


@pytest.fixture
def base() -> Iterator[Path]:
    with make_base() as base:
        yield base


@pytest.fixture
def programs(base: Path) -> Path:
    return lay_out_programs(base)


def test_this_machine_has_all_that_is_needed(base: Path) -> None:
    said = doctor(base)
    assert (said.code, said.err) == (0, "")
    assert said.out.endswith("All that the lab needs is here.\n")
    assert not re.search(r"^(MISSING|unknown) |\x1b", said.out, re.MULTILINE)
    table = said.out.partition("What to type")[0].splitlines()
    assert all(len(line) <= 80 or " " not in line.strip() for line in table)


def test_the_answer_as_json(base: Path) -> None:
    checks = read(doctor(base, "--json"))
    for check in checks.values():
        assert set(check) == {"id", "title", "needed", "state", "found", "why", "cure"}
        assert check["state"] == "ok" or (not check["needed"] and check["why"])
    assert checks["tool_ip"]["found"].endswith("/ip")
    assert re.fullmatch(r"v\S+ \((nf_tables|legacy)\)", checks["iptables"]["found"])


def test_a_terminal_gets_colours_unless_it_wants_none(base: Path, programs: Path) -> None:
    def show(**more: str) -> str:
        ours, theirs = pty.openpty()
        plain = {name: value for name, value in environment(base, programs).items() if name != "NO_COLOR"}
        variables = {**plain, "TERM": "xterm", **more}
        with subprocess.Popen((*labctl_command(), "doctor"), env=variables, stdin=theirs, stdout=theirs) as process:
            os.close(theirs)
            said = b""
            try:
                while part := os.read(ours, 4096):
                    said += part
            except OSError:  # all ends at the other side are closed (EIO)
                os.close(ours)
            assert process.wait() == 0
        return said.decode()

    assert "\x1b[" in show()
    assert "\x1b[3" not in show(NO_COLOR="1")


def test_it_leaves_nothing_behind(base: Path) -> None:
    look = "cat /proc/self/mountinfo /proc/net/dev; ls /run; echo /proc/[0-9]*"
    script = f'({look}) >"$0/before"; "$@" >/dev/null; code=$?; ({look}) >"$0/after"; exit $code'
    alone = ("unshare", "--pid", "--fork", "--mount-proc", "--net", "sh", "-c", script, str(base))
    (base / "before").touch()
    (base / "after").touch()
    assert doctor(base, by=(*ORDINARY, *alone)).code == 0
    assert len((base / "before").read_text().splitlines()) > 10
    # The shells that looked have pids of their own; that they are as many as before is what counts.
    before, after = (re.sub(r"/proc/\d+", "process", (base / name).read_text()) for name in ("before", "after"))
    assert before == after
    assert not (base / "home").exists()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_the_trials_end_with_labctl(base: Path, programs: Path, number: int, code: int) -> None:
    (programs / "ip").unlink()
    for name in ("alive", "never"):
        os.mkfifo(base / name)
        (base / name).chmod(0o666)
    write_program(programs / "ip", f'exec >"{base}/alive"; echo began; read line <"{base}/never"')
    with (
        subprocess.Popen(
            ("env", "--default-signal=INT", *labctl_command(), "doctor"),
            env=environment(base, programs),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
        (base / "alive").open() as alive,
    ):
        assert alive.readline() == "began\n"
        process.send_signal(number)
        _, err = process.communicate()
        # labctl waits for all of them, if it can wait at all: then nobody holds the other end any more.
        os.set_blocking(alive.fileno(), number == signal.SIGKILL)
        assert alive.read() == ""
    assert process.returncode == code
    assert "Traceback" not in err


def test_inside_the_world_it_belongs_outside(lab: LabUnderTest) -> None:
    said = lab.labctl("exec", "master", "--", "labctl", "doctor")
    assert (said.code, said.out) == (2, "")
    assert "belongs outside" in said.err


def test_a_folder_that_cannot_be_written_is_named(base: Path) -> None:
    check = read(doctor(base, "--json", by=("env", "LABCTL_HOME=/sys/labctl")))["state"]
    assert (check["state"], check["needed"]) == ("missing", True)
    assert "/sys" in check["why"]


def test_a_full_disk_is_named(base: Path) -> None:
    (base / "home").mkdir()
    script = 'mount -t tmpfs -o size=4k none "$0" && echo full >"$0/file"; exec "$@"'
    by = ("unshare", "--map-root-user", "--mount", "sh", "-c", script, str(base / "home"))
    check = read(doctor(base, "--json", by=by))["state"]
    assert (check["state"], check["found"]) == ("missing", "No space left on device")
