"""Two clients of the vpc's compute service, the real gcloud and the lab's own: the same lines, words and exit codes."""

from __future__ import annotations

import shlex
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.gcloud_cases import CASES, NOTES
from tests.lab_under_test import LabUnderTest, step_called

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.machine

_ROUTE_STEP = step_called("route")


@pytest.fixture
def real(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LabUnderTest]:
    """A lab whose gcloud is the real one."""
    monkeypatch.delenv("LABCTL_GCLOUD")
    with LabUnderTest(home) as lab:
        yield lab


@pytest.fixture(params=[pytest.param("real", marks=pytest.mark.gcloud), "lab"])
def either(request: pytest.FixtureRequest) -> LabUnderTest:
    lab: LabUnderTest = request.getfixturevalue(request.param)
    return lab


@pytest.mark.anybody
def test_the_same_lines_give_the_same(either: LabUnderTest) -> None:
    """From a container, which has no loopback of its own."""
    programs = either.kernel.programs(either.lab.place("worker/c"))
    for line, (code, out, err) in CASES:
        done = programs.run(("gcloud", *shlex.split(line)))
        assert done.code == code, (line, done)
        assert code == 2 or (done.out, done.err) == (out, err), line


@pytest.mark.gcloud
def test_printed_commands_do_the_same_with_the_real_one(real: LabUnderTest) -> None:
    """Law 5 for the one step that needs gcloud; and a real one that is called by its path finds the vpc too."""
    real.apply(range(_ROUTE_STEP), nodes=real.lab.nodes)
    before = real.snapshot()
    commands = real.labctl("step", str(_ROUTE_STEP), "--commands")
    assert real.labctl("shell", text=commands.out).code == 0
    assert real.labctl("step", str(_ROUTE_STEP), "--verify").code == 0
    listed = real.labctl("exec", "worker", "--", str(shutil.which("gcloud")), "compute", "routes", "list", "--uri")
    assert [each.rpartition("/")[2] for each in listed.out.split()] == ["k8s-master", "k8s-worker"], listed
    # The person's own settings are none of its business.
    assert real.labctl("exec", "master", "--", "gcloud", "config", "get-value", "project").out == "lab\n"
    undo = real.script(_ROUTE_STEP, real.lab.nodes[0], "notes", undo=True)
    assert real.labctl("shell", text=undo).code == 0
    real.survey.refresh()
    assert real.snapshot() == before


@pytest.mark.parametrize("place", ["internet", "vpc", "master"])
def test_the_service_is_on_every_machines_loopback(lab: LabUnderTest, place: str) -> None:
    assert lab.type(place, f"gcloud {NOTES}").code == 0
    script = 'curl -sf "${CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE}projects/lab/global/routes" | jq -r .items[].name'
    assert lab.labctl("exec", place, "--", "sh", "-c", script).out == "k8s-master\n"


def test_a_node_that_is_cut_off_and_a_service_that_was_ended_can_still_be_asked(lab: LabUnderTest) -> None:
    cut = "ip link set lo down; ip link set eth0 down; iptables -P OUTPUT DROP; iptables -P INPUT DROP"
    # Gone, and not only told to go: until then its socket takes callers whom nobody answers.
    ended = "pid=$(pgrep -x attend) && kill -KILL $pid && timeout 60 tail -s 0.1 --pid=$pid -f /dev/null"
    assert lab.type("worker", f"{cut}; {ended} && gcloud {NOTES}").code == 0
    assert "10.244.0.0/24" in lab.type("vpc", "ip route").out
    # Ended while it is asked by many: who comes first starts it again, and the others find it.
    lines = "for i in 1 2 3 4; do gcloud compute routes list & done; wait; pgrep -xc attend"
    said = lab.type("master", f"{ended} && {{ {lines}; }}")
    assert said.out.count("k8s-master") == 4, said
    assert said.out.endswith("1\n"), said
