"""What makes a machine a node, as far as it can be tried on no such machine; on two real ones: tests/vm/run."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROVISION = ROOT / "vm/provision"

pytestmark = pytest.mark.machine


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A PATH with the few programs that the script calls before it changes anything: what would is not there."""
    for name in ("dirname", "id"):
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    return tmp_path


def _refusal(programs: Path, **variables: str) -> str:
    done = subprocess.run(
        (shutil.which("sh") or "/bin/sh", PROVISION),
        check=False,
        capture_output=True,
        text=True,
        env={"PATH": str(programs), **variables},
    )
    assert done.returncode == 5, done
    assert done.stdout == ""
    return done.stderr


def test_what_it_cannot_use_is_refused_before_anything_is_changed(programs: Path) -> None:
    if os.geteuid() != 0:
        assert _refusal(programs) == (
            f"error: this changes the whole machine, and needs root\nhint: sudo {PROVISION}\n"
        )
        return
    for number in ("two", "0", "-1", "51"):
        assert f"LAB_NODES={number} is no number from 1 to 50" in _refusal(programs, LAB_NODES=number)
    assert "LAB_WHEELHOUSE=/nowhere is no folder" in _refusal(programs, LAB_WHEELHOUSE="/nowhere")


def test_hints_call_labctl_by_the_name_that_it_has_on_such_a_machine(tmp_path: Path) -> None:
    done = subprocess.run(
        (ROOT / "lab", "step", "99"),
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "LAB_NAME": "labctl", "LABCTL_HOME": str(tmp_path)},
    )
    assert done.returncode == 2, done
    assert done.stderr.endswith(": labctl status\n")
