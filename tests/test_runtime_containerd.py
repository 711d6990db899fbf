"""containerd, asked as the kubelet asks it, makes pods on two nodes through the plug-in; they talk, and go."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.lab_under_test import LabUnderTest
from tests.runtimes.containerd import containerd_on_all
from tests.runtimes.world import Leaving, converse, needs, ping, processes, runtime_lab, what_stands

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.runtimes.cri import Cri

pytestmark = [pytest.mark.machine, pytest.mark.root, needs("containerd", "ctr", "runc", "busybox")]

_SHIM = "containerd-shim-runc-v2"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabUnderTest]:
    with runtime_lab(tmp_path_factory.mktemp("containerd") / "home") as lab:
        yield lab


@pytest.fixture(scope="module")
def runtimes(lab: LabUnderTest) -> Iterator[dict[str, Cri]]:
    with containerd_on_all(lab) as runtimes:
        yield runtimes


def test_pods_on_two_nodes_talk_and_leave_nothing(lab: LabUnderTest, runtimes: dict[str, Cri]) -> None:
    for node, cri in runtimes.items():
        # What the first pod of a node makes and the last one does not take away: the bridge, a runtime's own folders.
        first = cri.run_sandbox(f"first-on-{node}")
        with Leaving() as leaving:
            leaving.note(processes(lab, _SHIM))
            cri.stop_sandbox(first.identity)
            cri.remove_sandbox(first.identity)
    before = what_stands(lab)
    pods = {node: cri.run_sandbox(f"pod-on-{node}") for node, cri in runtimes.items()}
    for node in lab.lab.nodes:
        assert pods[node.name].address in {str(each) for each in node.pod_range.hosts()}
    for node, other in (("master", "worker"), ("worker", "master")):
        here, there = pods[node], pods[other]
        assert ping(lab, node, here.netns, there.address)
        assert ping(lab, node, here.netns, str(lab.lab.internet))
        # Whom the other one saw is the matter of the plug-in: the NAT of the notes puts the node in place of the pod.
        assert converse(lab, here.netns, there.netns, there.address).endswith(" hello")
    assert what_stands(lab) != before
    shims = processes(lab, _SHIM)
    assert len(shims) == len(pods)
    with Leaving() as leaving:
        leaving.note(shims)
        for node, cri in runtimes.items():
            cri.stop_sandbox(pods[node].identity)
            cri.remove_sandbox(pods[node].identity)
    assert what_stands(lab) == before


def test_many_pods_at_once_have_an_address_each(lab: LabUnderTest, runtimes: dict[str, Cri]) -> None:
    cri = runtimes["master"]
    with ThreadPoolExecutor(6) as side_by_side:
        pods = list(side_by_side.map(cri.run_sandbox, (f"one-of-many-{number}" for number in range(6))))
        assert len({pod.address for pod in pods}) == len(pods)
        assert ping(lab, "master", pods[0].netns, pods[-1].address)
        identities = [pod.identity for pod in pods]
        list(side_by_side.map(cri.stop_sandbox, identities))
        # As the kubelet does: it may ask more than once.
        list(side_by_side.map(cri.stop_sandbox, identities))
        list(side_by_side.map(cri.remove_sandbox, identities))


def test_another_privileged_world_comes_and_goes_beside_a_runtime(
    lab: LabUnderTest, runtimes: dict[str, Cri], home: Path
) -> None:
    cri = runtimes["master"]
    pod = cri.run_sandbox("beside-another-world")
    with LabUnderTest(home, kind="privileged") as other:
        assert other.type("worker", "hostname").out == "worker\n"
        assert not processes(other, _SHIM)
    assert ping(lab, "master", pod.netns, str(lab.lab.internet))
    cri.stop_sandbox(pod.identity)
    cri.remove_sandbox(pod.identity)
