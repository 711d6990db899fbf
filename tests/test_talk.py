"""What a program says is heard to its end, and no longer."""

from __future__ import annotations

import os
import signal

import pytest

from labctl.kernel.talk import talk

pytestmark = [pytest.mark.machine, pytest.mark.anybody]

_ENVIRONMENT = {"PATH": os.defpath}


def test_both_streams_the_code_and_a_long_input() -> None:
    text = "x" * 300_000
    done = talk(("sh", "-c", "cat; echo err >&2; exit 3"), text, _ENVIRONMENT)
    assert (done.code, done.out, done.err) == (3, text, "err\n")


def test_a_program_that_does_not_read_what_it_is_told() -> None:
    assert talk(("true",), "x" * 300_000, _ENVIRONMENT).code == 0


def test_what_is_left_running_is_not_waited_for() -> None:
    done = talk(("sh", "-c", "sleep 1000 & echo $!"), "", _ENVIRONMENT)
    os.kill(int(done.out), signal.SIGKILL)  # it runs still
    assert done.code == 0


def test_what_prints_without_end_is_killed() -> None:
    done = talk(("yes",), "", _ENVIRONMENT, most=1 << 20)
    assert done.code == -signal.SIGKILL
    assert 1 << 20 <= len(done.out) < 1 << 22


def test_what_is_not_there() -> None:
    with pytest.raises(FileNotFoundError):
        talk(("no-such-program",), "", _ENVIRONMENT)


def test_what_takes_too_long_is_killed() -> None:
    with pytest.raises(TimeoutError):
        talk(("sleep", "1000"), "", _ENVIRONMENT, seconds=0.05)
