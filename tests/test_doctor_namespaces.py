"""`labctl doctor` where namespaces are really forbidden."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doctor_machine import ORDINARY, ROOT_OF_A_CONTAINER, SYSTEM, doctor, labctl, limit, make_base, read

pytestmark = pytest.mark.machine


@pytest.fixture
def base() -> Iterator[Path]:
    with make_base() as base:
        yield base


@pytest.mark.parametrize("who", [ORDINARY, ROOT_OF_A_CONTAINER])
def test_forbidden_user_namespaces_are_named_with_the_way_out(base: Path, who: tuple[str, ...]) -> None:
    said = doctor(base, by=(*who, *limit("user", 0)))
    assert said.code == 5
    assert re.search(r"^MISSING   user namespaces +unshare: No space left on device$", said.out, re.MULTILINE)
    assert re.search(r"^unknown   bridge +not tried: needs user namespaces$", said.out, re.MULTILINE)
    error, hint = said.err.splitlines()
    assert error.startswith("error: this machine lacks user namespaces (user.max_user_namespaces is 0")
    assert "sysctl -w user.max_user_namespaces=15000" in hint


def test_the_way_out_is_one(base: Path) -> None:
    by = (*ROOT_OF_A_CONTAINER, *limit("user", 0))
    cure = read(doctor(base, "--json", by=by))["user_namespace"]["cure"]
    script = f"! unshare --user true 2>/dev/null && {cure} >/dev/null && unshare --user true"
    variables = {**os.environ, "PATH": SYSTEM}
    assert subprocess.run((*by, "sh", "-c", script), check=False, env=variables).returncode == 0


@pytest.mark.parametrize(
    ("kind", "count", "check"),
    [
        ("user", 1, "nested_user_namespace"),
        ("net", 0, "namespaces"),
        ("pid", 0, "namespaces"),
        ("ipc", 0, "namespaces"),
    ],
)
def test_a_limit_to_any_namespace_is_named(base: Path, kind: str, count: int, check: str) -> None:
    checks = read(doctor(base, "--json", by=(*ORDINARY, *limit(kind, count))))
    assert checks["user_namespace"]["state"] == "ok"
    assert checks[check]["state"] == "missing"
    assert checks[check]["why"].startswith(f"user.max_{kind}_namespaces is {count}")


def test_root_of_a_container_is_told_so(base: Path) -> None:
    said = doctor(base, by=ROOT_OF_A_CONTAINER)
    assert said.code == 5
    assert "root of a container" in said.err


def test_a_chroot_is_told_from_a_setting(base: Path) -> None:
    script = 'mount --rbind / /mnt && exec chroot /mnt "$@"'
    check = read(doctor(base, "--json", by=(*ORDINARY, "--mount", "sh", "-c", script, "sh")))["user_namespace"]
    assert (check["state"], check["found"]) == ("missing", "unshare: Operation not permitted")
    assert "chroot" in check["why"]


def test_up_where_user_namespaces_are_forbidden(base: Path) -> None:
    said = labctl(base, "up", by=(*ORDINARY, *limit("user", 0)))
    assert (said.code, said.out) == (5, "")
    error, hint = said.err.splitlines()
    assert error.startswith("error: ")
    assert "unshare" in error
    assert "labctl doctor" in hint
