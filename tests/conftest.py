"""Fixtures: a lab of its own for each test that asks, and the guard that keeps unit tests off the machine."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import socket
import subprocess
from typing import TYPE_CHECKING, NoReturn

import pytest

from labctl.kernel.identity import find_marked, kill_and_wait
from tests.host_under_test import NEIGHBOURS, OTHERS, HostUnderTest
from tests.lab_under_test import LabUnderTest
from tests.machine_state import differences
from tests.packet_scene import set_up_scene
from tests.references import References

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.packet_scene import Scene


def pytest_configure() -> None:
    """Hear Ctrl-C again: a shell has what it starts in the background ignore it, and so would all that tests start.

    Worlds have the lab's own gcloud unless a test says otherwise.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # A real gcloud takes a second for each command. What is about it chooses it.
    os.environ["LABCTL_GCLOUD"] = "lab"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what calls the real gcloud where there is none; `./lab test` says so.

    What takes long begins first: begun last, it would run alone.
    """
    if shutil.which("gcloud") is None:
        left_out = [each for each in items if each.get_closest_marker("gcloud")]
        items[:] = [each for each in items if each not in left_out]
        config.hook.pytest_deselected(items=left_out)
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def pytest_collection_finish() -> None:
    """Keep what was imported out of the collector's way: each test forks, and a fork that collects copies all of it."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _unit_tests_stay_off_the_machine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test without the mark `machine` fails when it starts a program, forks or opens a socket."""
    if request.node.get_closest_marker("machine"):
        return

    def refuse(*_: object, **__: object) -> NoReturn:
        pytest.fail("a unit test reached the machine; mark it `machine`, or keep it off")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    for name in ("fork", "posix_spawn", "posix_spawnp", "system", "execv", "execve"):
        monkeypatch.setattr(os, name, refuse)
    monkeypatch.setattr(socket, "socket", refuse)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A home for labctl's state that nobody else uses. A world that a failed test left in it ends with the test."""
    home = tmp_path / "home"
    yield home
    for each in find_marked(str(home.resolve())):
        kill_and_wait(each)


@pytest.fixture
def lab(home: Path) -> Iterator[LabUnderTest]:
    """The default lab in a world of its own, taken down afterwards."""
    with LabUnderTest(home) as lab:
        yield lab


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostUnderTest]:
    """A machine that plays the real one, with what others have left on it; one for all tests of a module."""
    with LabUnderTest(tmp_path_factory.mktemp("around") / "home") as around:
        host = HostUnderTest(around)
        host.type(OTHERS)
        host.type(NEIGHBOURS.format(pid=host.pid_of("worker"), other=around.lab.node("worker").address))
        yield host


@pytest.fixture
def kept(machine: HostUnderTest) -> Iterator[HostUnderTest]:
    """The same machine, which must be after the test as it was before it: in the host world, law 9."""
    before = machine.state()
    yield machine
    if machine.around.kernel.files(machine.node.name).info(f"{machine.home}/baseline.json"):
        machine.labctl("down")
    assert "\n".join(differences(before, machine.state())) == ""


@pytest.fixture(scope="session")
def references(tmp_path_factory: pytest.TempPathFactory) -> References:
    """Pictures of labs in which nothing but the steps was ever done."""
    base = tmp_path_factory.getbasetemp()
    # pytest-xdist gives each of its processes a folder below the one of the run.
    return References((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "references")


@pytest.fixture
def scene() -> Iterator[Scene]:
    """The machine that tests/packet_scene.py draws."""
    with set_up_scene() as made:
        yield made
