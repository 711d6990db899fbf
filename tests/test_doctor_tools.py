"""`labctl doctor` on a machine from which tools were taken; `--fix` with a stand-in for its package manager."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from labctl.model.tools import TOOLS
from tests.doctor_machine import ORDINARY, doctor, lay_out_programs, make_base, read
from tests.lab_checkout import write_program
from tests.lab_under_test import Said

pytestmark = [pytest.mark.machine, pytest.mark.anybody]

# In place of a package manager: puts a stand-in there, but knows only one of the packages.
MANAGER = """
echo "${0##*/} $*" >>"$PROGRAMS/../calls"
case " $* " in *" bridge-utils "*) [ -z "$UNKNOWN" ] || exit 100 ;; esac
for last; do
    case $last in jq | bridge-utils) ;; *) continue ;; esac
    printf '#!/bin/sh\\necho 1.0\\n' >"$PROGRAMS/$last"
    /bin/chmod 755 "$PROGRAMS/$last"
done
[ ! -e "$PROGRAMS/bridge-utils" ] || /bin/mv "$PROGRAMS/bridge-utils" "$PROGRAMS/brctl"
"""


@pytest.fixture
def base() -> Iterator[Path]:
    with make_base() as base:
        yield base


@pytest.fixture
def programs(base: Path) -> Path:
    return lay_out_programs(base)


def test_a_missing_tool_is_named_with_its_cure(base: Path, programs: Path) -> None:
    (programs / "brctl").unlink()
    said = doctor(base, programs=programs)
    assert said.code == 5
    assert re.search(r"^MISSING   brctl .*\n +.*steps 0, 3 and 9 need it$", said.out, re.MULTILINE)
    error, hint = said.err.splitlines()
    assert error == "error: this machine lacks brctl"
    assert re.search(r"\bbridge-utils\b", hint)
    assert f"# brctl\n{hint.removeprefix('hint: ')}\n" in said.out


def test_without_any_tool_it_still_answers(base: Path) -> None:
    (base / "nothing").mkdir()
    checks = read(doctor(base, "--json", programs=base / "nothing"))
    assert {name for name, check in checks.items() if check["needed"] and check["state"] == "missing"} == {
        f"tool_{tool.name}" for tool in TOOLS if tool.needed
    }
    assert (checks["bridge"]["state"], checks["bridge"]["why"]) == ("unknown", "ip is not installed")
    assert checks["user_namespace"]["state"] == "ok"


def test_an_applet_of_busybox_is_no_tool_but_for_the_simple_ones(base: Path, programs: Path) -> None:
    write_program(programs / "busybox", "echo BusyBox v1.36.1")
    for name in ("ping", "sleep"):
        (programs / name).unlink()
        (programs / name).symlink_to("busybox")
    checks = read(doctor(base, "--json", programs=programs))
    assert checks["tool_ping"]["state"] == "missing"
    assert checks["tool_sleep"]["found"] == f"1.36.1 {programs}/sleep"


def add_managers(programs: Path, *, unknown: bool = False) -> None:
    for name in ("apt-get", "dnf", "pacman", "apk", "zypper"):
        write_program(programs / name, f"PROGRAMS='{programs}' UNKNOWN={unknown or ''}\n{MANAGER}")


def shown(said: Said) -> list[str]:
    return [line for line in said.err.splitlines() if line.startswith("$ ")]


def test_fix_installs_what_is_missing_and_shows_what_it_runs(base: Path, programs: Path) -> None:
    add_managers(programs)
    write_program(programs / "sudo", 'shift; exec "$@"')
    for name in ("brctl", "jq"):
        (programs / name).unlink()
    assert doctor(base, programs=programs).code == 5
    assert not (base / "calls").exists()
    said = doctor(base, "--fix", "--json", programs=programs)
    assert read(said)["tool_jq"]["found"] == f"1.0 {programs}/jq"
    calls = (base / "calls").read_text().splitlines()
    assert any(call.partition(" -o ")[0].endswith("bridge-utils jq") for call in calls)
    assert len(shown(said)) == len(calls)
    assert all(line.endswith(call) for line, call in zip(shown(said), calls, strict=True))
    assert "nothing that --fix could mend" in doctor(base, "--fix", programs=programs).err


def test_a_package_that_does_not_exist_does_not_spoil_the_others(base: Path, programs: Path) -> None:
    add_managers(programs, unknown=True)
    write_program(programs / "sudo", 'shift; exec "$@"')
    for name in ("brctl", "jq"):
        (programs / name).unlink()
    said = doctor(base, "--fix", programs=programs)
    assert said.code == 5
    assert "ended with 100" in said.err
    assert "error: this machine lacks brctl\n" in said.err


def test_fix_without_root_or_sudo_runs_nothing(base: Path, programs: Path) -> None:
    add_managers(programs)
    (programs / "jq").unlink()
    said = doctor(base, "--fix", programs=programs, by=ORDINARY)
    assert said.code == 5
    assert "--fix needs root or sudo" in said.err
    assert "hint: su -c '" in said.err
    assert not (base / "calls").exists()
