"""Law 6: whatever fails in the middle of an apply, the world is as before, or the error says what is not."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

import pytest

from labctl.engine.course import nodes_of
from labctl.engine.events import Doing, Event, Finished, TookBack
from labctl.errors import KernelRefused
from labctl.model.resource import Absent
from tests.every_step import every_step_once
from tests.faulty_kernel import Fault, FaultyAgent, FaultyKernel, failure_of
from tests.lab_under_test import step_called

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labctl.model.lab import Node
    from labctl.model.resource import Seen
    from tests.lab_under_test import LabUnderTest

pytestmark = [pytest.mark.machine, pytest.mark.long]

FAIR = "everything was taken back"

# A drift for each kind of resource: the step, and what is typed after it was done.
DRIFTS = {
    "bridge down": (0, "ip link set cni0 down"),
    "wrong prefix": (0, "ip addr del 10.244.0.1/24 dev cni0; ip addr add 10.244.0.1/16 dev cni0"),
    "two reservations": (1, "echo 10.244.0.9 a >>/var/lib/cni/networks/k8s/reserved"),
    "store lacks a line": (1, "sed -i /network/d /var/lib/cni/networks/k8s/reserved"),
    "dangling link": (2, "ln -sfT /proc/1/ns/nothing /var/run/netns/a"),
    "unplugged and down": (3, "brctl delif cni0 vetha; ip link set vetha down; ip -n a link set eth0 down"),
    "wrong address and no way out": (3, "ip -n a addr flush dev eth0; ip -n a addr add 10.244.0.77/24 dev eth0"),
    "not JSON": (4, "echo { >/var/lib/cni/results/k8s-a-eth0"),
    "a narrow rule": (
        5,
        "iptables -D FORWARD -s 10.244.0.0/16 -j ACCEPT; iptables -A FORWARD -s 10.244.0.0/24 -j ACCEPT",
    ),
    "masquerades the bridge": (6, "iptables -t nat -F; iptables -t nat -A POSTROUTING -s 10.244.0.0/24 -j MASQUERADE"),
    "an endpoint without a rule": (9, "iptables -t nat -D KUBE-SVC-QFGHW72L5AIIA6IV 3"),
    "no certificate": (12, "echo nothing >/etc/kubernetes/pki/ca.crt"),
    "wrong hop": (
        7,
        (
            "gcloud compute routes delete k8s-master --quiet; gcloud compute routes create k8s-master"
            " --destination-range 10.244.0.0/24 --network k8s --next-hop-address 10.128.0.3"
        ),
    ),
    "no entry, nobody to ask, and deaf": (
        10,
        (
            "echo nonsense >/var/lib/kube-dns/services/my-svc.mystuff; ip -n kube-dns link set lo down;"
            "sed -i s/10.96.0.10/10.96.0.11/ /etc/netns/a/resolv.conf"
        ),
    ),
}


@pytest.fixture
def agent(lab: LabUnderTest) -> Iterator[FaultyAgent]:
    with closing(FaultyAgent(lab.world.record, lab.lab)) as agent:
        yield agent


def _apply(lab: LabUnderTest, agent: FaultyAgent, number: int, node: Node, events: list[Event] | None = None) -> None:
    agent.kernel.refresh()
    lab.runner(events, agent.kernel).apply(lab.lesson(number), (node,))


def _seen(lab: LabUnderTest, number: int, node: Node) -> dict[str, Seen]:
    lab.survey.refresh()
    return {resource.key: seen for resource, seen in lab.survey.resources(lab.lesson(number), node)}


@every_step_once
def test_a_failure_at_any_operation_leaves_the_world_as_before(
    lab: LabUnderTest, agent: FaultyAgent, number: int
) -> None:
    lab.apply(range(number))
    before = lab.snapshot()
    (node, *_) = nodes_of(lab.lesson(number), lab.lab, lab.lab.nodes)
    # Refused before it is done, or said to have failed when it is: the second leaves more to take back. The steps with
    # servers have many operations, and a second for each.
    ways = (False, True) if number <= step_called("plugin") else (True,)
    for at in count(1):
        for after in ways:
            events: list[Event] = []
            agent.arm(at, after=after)
            if at > len(_operations(lab, agent, number, node, events)):
                return
            assert lab.snapshot() == before, (at, after)
            tried = [event.resource.key for event in events if isinstance(event, Doing)]
            back = [event.resource.key for event in events if isinstance(event, TookBack) and not event.error]
            assert back == tried[::-1]


def _operations(lab: LabUnderTest, agent: FaultyAgent, number: int, node: Node, events: list[Event]) -> tuple[str, ...]:
    """Apply; the changes up to the failure, or, where none came about, all there are."""
    error = failure_of(lambda: _apply(lab, agent, number, node, events))
    counted = agent.counted()
    if error:
        assert isinstance(error, KernelRefused)
        assert error.what.startswith("injected: "), error.what
        assert error.what.endswith(FAIR), error.what
        return (*counted, "and more")
    assert counted
    return counted


@every_step_once
def test_what_cannot_be_taken_back_is_named(lab: LabUnderTest, agent: FaultyAgent, number: int) -> None:
    """From the failure on the kernel refuses everything: what is left over then is named, and nothing else is left."""
    lab.apply(range(number))
    before = lab.snapshot()
    (node, *_) = nodes_of(lab.lesson(number), lab.lab, lab.lab.nodes)
    for at in count(1):
        agent.arm(at, after=True, forever=True)
        error = failure_of(lambda: _apply(lab, agent, number, node))
        if error is None:
            assert at > 1
            return
        left = [key for key, seen in _seen(lab, number, node).items() if not isinstance(seen, Absent)]
        assert [key for key in left if key not in error.what] == []
        assert (lab.snapshot() == before) or "; not taken back: " in error.what
        lab.undoer().undo(lab.lesson(number), node)
        assert lab.snapshot() == before, at


@pytest.mark.anybody
@pytest.mark.parametrize("drift", DRIFTS)
def test_a_failed_repair_is_named_unless_nothing_changed(lab: LabUnderTest, agent: FaultyAgent, drift: str) -> None:
    number, typed = DRIFTS[drift]
    (node, *_) = nodes_of(lab.lesson(number), lab.lab, lab.lab.nodes)
    lab.apply(range(number + 1))
    for at in count(1):
        said = lab.type("master", typed)
        assert said.code == 0, said
        before, drifted = lab.snapshot(), _seen(lab, number, node)
        agent.arm(at, after=at % 2 == 0)
        error = failure_of(lambda: _apply(lab, agent, number, node))
        if error is None:
            assert at > 1, "nothing was repaired"
            assert lab.report(number).made
            return
        now = _seen(lab, number, node)
        changed = [key for key in now if now[key] != drifted[key]]
        assert [key for key in changed if key not in error.what] == []
        assert error.what.endswith(FAIR) == (not changed)
        assert (lab.snapshot() == before) == (not changed)
        agent.arm(0)
        _apply(lab, agent, number, node)
        assert lab.report(number).made


def test_a_listener_that_fails_does_not_stop_the_taking_back(lab: LabUnderTest) -> None:
    before = lab.snapshot()
    heard: list[Event] = []

    def hear(event: Event) -> None:
        heard.append(event)
        if len([each for each in heard if isinstance(each, Doing)]) > 1:
            raise OSError(28, "No space left on device")

    runner = lab.runner()
    runner.listener = hear
    with pytest.raises(OSError, match="No space"):
        runner.apply(lab.lesson(0), lab.lab.nodes[:1])
    assert any(isinstance(event, TookBack) for event in heard)
    lab.survey.refresh()
    assert lab.snapshot() == before


@every_step_once
def test_undo_goes_on_past_what_fails_and_names_it(lab: LabUnderTest, number: int) -> None:
    lab.apply(range(number))
    before = lab.snapshot()
    (node, *_) = nodes_of(lab.lesson(number), lab.lab, lab.lab.nodes)
    for at in count(1):
        lab.apply((number,), nodes=(node,))
        kernel = FaultyKernel(lab.kernel, Fault(at))
        error = failure_of(partial(lab.undoer(kernel=kernel).undo, lab.lesson(number), node))
        if error is None:
            assert at > 1
            assert lab.snapshot() == before
            return
        assert "injected: " in error.what
        lab.undoer().undo(lab.lesson(number), node)
        assert lab.snapshot() == before, at


def test_a_failure_on_the_second_node_is_named_and_the_first_stands(lab: LabUnderTest) -> None:
    lab.apply((0,), nodes=lab.lab.nodes[:1])
    done = lab.snapshot()
    lab.undo_from(0)
    kernel = FaultyKernel(lab.kernel, Fault(5))  # of three for each node
    events: list[Event] = []
    error = failure_of(partial(lab.runner(events, kernel, probing=True).apply, lab.lesson(0), lab.lab.nodes))
    assert error is not None
    assert error.what.startswith("on worker: ")
    assert error.what.endswith("step 0 on master stands")
    assert [event.report.node for event in events if isinstance(event, Finished)] == ["master"]
    lab.survey.refresh()
    assert lab.snapshot() == done


def test_what_must_be_refused_on_the_second_node_changes_nothing_on_the_first(lab: LabUnderTest) -> None:
    assert lab.type("worker", "ip link add cni0 type veth peer name other").code == 0
    before = lab.snapshot()
    error = failure_of(partial(lab.runner().apply, lab.lesson(0), lab.lab.nodes))
    assert error is not None
    assert error.exit_code == 4
    assert lab.snapshot() == before
