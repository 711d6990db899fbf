"""Undo is exact: the step goes, whoever made it; what is not the lab's is left, and named."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from labctl.engine.events import Event, Left
from labctl.engine.report import Outcome

if TYPE_CHECKING:
    from tests.lab_under_test import LabUnderTest

pytestmark = [pytest.mark.machine, pytest.mark.anybody]

STORE = "/var/lib/cni/networks/k8s/reserved"
# Step; what somebody else has beside it; what of it undo names; how it goes in the end.
OTHERS = {
    "a port of the bridge": (
        0,
        "ip link add foreign0 type veth peer name foreign1; brctl addif cni0 foreign0",
        "foreign0 on master, a port of cni0 until now",
        "ip link del foreign0",
    ),
    "an address": (0, "ip addr add 10.244.0.9/32 dev lo", "", "ip addr del 10.244.0.9/32 dev lo"),
    "a reservation": (1, f"echo 10.244.0.9 somebody >>{STORE}", "keeps 10.244.0.9 (somebody)", f"rm -r {STORE[:12]}"),
    "a file in the store": (
        1,
        "touch /var/lib/cni/networks/k8s/last_reserved_ip.0",
        "holds last_reserved_ip.0",
        "rm -r /var/lib/cni",
    ),
    "another network's store": (1, "mkdir /var/lib/cni/networks/other", "", "rm -r /var/lib/cni"),
    "another namespace": (
        2,
        "ip netns add foo",
        "/var/run/netns on master holds foo",
        "ip netns del foo; umount /run/netns; rmdir /run/netns",
    ),
    "another cable": (
        3,
        "ip link add foreign0 type veth peer name foreign1; ip link set foreign0 master cni0",
        "",
        "ip link del foreign0",
    ),
    "another result": (
        4,
        "echo 1 >/var/lib/cni/results/cbr0-x-eth0",
        "holds cbr0-x-eth0",
        "rm -r /var/lib/cni/results",
    ),
    "another rule of FORWARD": (
        5,
        "iptables -I FORWARD -p udp -s 10.9.0.0/16 -j ACCEPT",
        "-s 10.9.0.0/16 -p udp -j ACCEPT",
        "iptables -D FORWARD -p udp -s 10.9.0.0/16 -j ACCEPT",
    ),
    "a rule of INPUT": (5, "iptables -A INPUT -s 10.244.0.0/16 -j ACCEPT", "", "iptables -F INPUT"),
    "another rule of nat": (
        6,
        "iptables -t nat -A POSTROUTING -s 10.9.0.0/16 -j MASQUERADE",
        "-s 10.9.0.0/16 -j MASQUERADE",
        "iptables -t nat -F POSTROUTING",
    ),
    "another route": (
        7,
        (
            "gcloud compute routes create other --destination-range 10.9.0.0/16 --network k8s "
            "--next-hop-address 10.128.0.3"
        ),
        "",
        "gcloud compute routes delete other --quiet",
    ),
}


def _changes(before: Any, after: Any, path: str = "") -> dict[str, tuple[Any, Any]]:  # noqa: ANN401 (two snapshots)
    """The leaves in which two snapshots differ; a list counts as one."""
    if isinstance(before, dict) and isinstance(after, dict):
        found = {}
        for key in sorted(before.keys() | after.keys()):
            found |= _changes(before.get(key), after.get(key), f"{path}/{key}")
        return found
    return {} if before == after else {path: (before, after)}


@pytest.mark.parametrize("who", OTHERS)
def test_undo_leaves_and_names_what_is_not_the_labs(lab: LabUnderTest, who: str) -> None:
    number, typed, named, cleared = OTHERS[who]
    where = lab.lab.nodes if number > 6 else lab.lab.nodes[:1]
    lab.apply(range(number), nodes=where)
    bare = lab.snapshot()
    lab.apply((number,), nodes=where)
    plain = json.loads(lab.snapshot())
    said = lab.type("master", typed)
    assert said.code == 0, said
    theirs = _changes(plain, json.loads(lab.snapshot()))
    assert theirs
    events: list[Event] = []
    for _ in range(2):  # a second undo is harmless
        lab.undoer(events).undo(lab.lesson(number), where[0])
    assert lab.report(number).outcome is Outcome.NOT_DONE
    left = [event.why for event in events if isinstance(event, Left)]
    assert any(named in each for each in left) if named else not left, left
    still = _changes(json.loads(bare), json.loads(lab.snapshot()))
    assert {path.split("/reserved")[0] for path in still} >= {path.split("/reserved")[0] for path in theirs}
    assert _beside(still, theirs) == set(), still
    # What stays does not make the step stand: the steps below can be undone.
    lab.undoer().undo_from(0, where)
    lab.apply(range(number + 1), nodes=where)
    assert lab.report(number).outcome is Outcome.DONE
    lab.undo_from(number)
    said = lab.type("master", cleared)
    assert said.code == 0, said
    assert lab.snapshot() == bare


def _beside(still: dict[str, Any], theirs: dict[str, Any]) -> set[str]:
    """What differs from before though it is not theirs, nor a folder that holds theirs."""
    return {path for path in still if path not in theirs and not any(each.startswith(path) for each in theirs)}


def test_a_foreign_thing_in_the_place_of_ours_is_left_and_named(lab: LabUnderTest) -> None:
    lab.apply((0, 1, 2), nodes=lab.lab.nodes[:1])
    assert lab.type("master", "rm /run/netns/a; ip netns add a").code == 0
    events: list[Event] = []
    lab.undoer(events).undo(lab.lesson(2), lab.lab.nodes[0])
    left = [event.why for event in events if isinstance(event, Left)]
    assert any("/var/run/netns/a is a file" in each for each in left), left
    assert lab.type("master", "ip netns list | grep -qx a; ! test -e /run/netns/b").code == 0


def test_undo_puts_an_old_policy_back(lab: LabUnderTest) -> None:
    lab.apply(range(6), nodes=lab.lab.nodes[:1])
    before = lab.snapshot()
    assert lab.type("master", "iptables -P FORWARD ACCEPT").code == 0
    lab.undoer().undo(lab.lesson(5), lab.lab.nodes[0])
    lab.apply((5,), nodes=lab.lab.nodes[:1])
    assert lab.snapshot() == before
