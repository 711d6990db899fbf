"""What was on the machine before the lab is kept, and what came since is told apart: the lab's goes, the rest stays."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from labctl.engine.events import Event, Left
from labctl.engine.report import Outcome
from labctl.errors import ForeignObject
from tests.faulty_kernel import failure_of

if TYPE_CHECKING:
    from tests.host_under_test import HostUnderTest
    from tests.lab_under_test import LabUnderTest

pytestmark = [pytest.mark.machine, pytest.mark.anybody]

CNI0 = "ip link add cni0 type bridge; ip addr add 10.244.0.1/24 dev cni0; ip link set cni0 up"
# What is there before `up`; the step that meets it; what it says; how it goes again.
BEFORE = {
    "flannel's bridge": (CNI0, 0, "cni0 was there before `labctl up`, and looks like flannel's", "ip link del cni0"),
    "another kind of link": (
        "ip link add cni0 type veth peer name cni1",
        0,
        "cni0 on master is not a bridge but a veth interface",
        "ip link del cni0",
    ),
    "an address on Docker's bridge": (
        "ip addr add 10.244.0.1/24 dev docker0",
        0,
        "the address 10.244.0.1/24 of docker0 was there before `labctl up`, and looks like Docker's",
        "ip addr del 10.244.0.1/24 dev docker0",
    ),
    "a store": (
        "mkdir -p /var/lib/cni/networks/k8s; echo 10.244.0.2 x >/var/lib/cni/networks/k8s/reserved",
        1,
        "/var/lib/cni/networks/k8s/reserved was there before",
        "rm -r /var/lib/cni/networks/k8s",
    ),
    "a namespace": (
        "ip netns add a",
        2,
        "it was there before `labctl up`",
        "ip netns del a; umount /run/netns; rmdir /run/netns",
    ),
    "a cable": (
        "ip link add vetha type veth peer name other",
        3,
        "vetha was there before `labctl up`",
        "ip link del vetha",
    ),
    "flannel's rule": (
        'iptables -A FLANNEL-FWD -s 10.244.0.0/16 -m comment --comment "flanneld forward" -j ACCEPT',
        5,
        "was there before `labctl up`, and looks like flannel's",
        'iptables -D FLANNEL-FWD -s 10.244.0.0/16 -m comment --comment "flanneld forward" -j ACCEPT',
    ),
    "a rule that takes all": (
        "iptables -I FORWARD -j ACCEPT",
        5,
        "the rule -A FORWARD -j ACCEPT was there before `labctl up`",
        "iptables -D FORWARD -j ACCEPT",
    ),
    "kubenet's masquerading": (
        "iptables -t nat -A POSTROUTING -s 10.244.0.0/24 -m comment --comment kubenet -j MASQUERADE",
        6,
        "was there before `labctl up`",
        "iptables -t nat -D POSTROUTING -s 10.244.0.0/24 -m comment --comment kubenet -j MASQUERADE",
    ),
    "a route": (
        "ip route add 10.244.1.0/24 dev docker0",
        7,
        "10.244.1.0/24",
        "ip route del 10.244.1.0/24 dev docker0",
    ),
    "another's plug-in": (
        "mkdir -p /opt/cni/bin; echo '#!/bin/sh' >/opt/cni/bin/labnet",
        8,
        "/opt/cni/bin/labnet on master is not labctl's plug-in",
        "rm /opt/cni/bin/labnet; rmdir --ignore-fail-on-non-empty /opt/cni/bin /opt/cni",
    ),
}


@pytest.mark.parametrize("what", BEFORE)
def test_a_step_that_meets_what_was_there_before_is_refused(kept: HostUnderTest, what: str) -> None:
    typed, step, named, cleared = BEFORE[what]
    before = kept.state()

    def meet(lab: LabUnderTest) -> None:
        lab.apply(range(step))
        standing = lab.snapshot()
        error = failure_of(partial(lab.runner().apply, lab.lesson(step), lab.lab.nodes))
        assert isinstance(error, ForeignObject)
        assert named in error.what
        assert error.what.endswith("nothing was changed")
        assert lab.snapshot() == standing
        assert lab.report(step).outcome is Outcome.WRONG
        # Undo leaves it where it is, and names it.
        events: list[Event] = []
        lab.undoer(events).undo(lab.lesson(step), lab.lab.nodes[0])
        assert [event.why for event in events if isinstance(event, Left) and named in event.why]
        assert lab.snapshot() == standing

    kept.type(typed)
    try:
        theirs = kept.state()
        assert theirs != before
        kept.with_lab(meet)
        assert kept.state() == theirs
    finally:
        kept.type(cleared)


# Typed since `up`; what `reset` says of it; what is left of it in the end, and how that goes.
SINCE = {
    "an address of a pod": ("ip addr add 10.244.0.9/32 dev lo", "taken away: the address 10.244.0.9/32 of lo", ""),
    "a rule about pods": (
        "iptables -I FORWARD -s 10.244.3.0/24 -j DROP",
        "taken away: the rule -A FORWARD -s 10.244.3.0/24 -j DROP (filter)",
        "",
    ),
    "a chain about pods": (
        (
            "iptables -t nat -N MINE; iptables -t nat -A MINE -d 10.244.0.7 -j MASQUERADE; "
            "iptables -t nat -A POSTROUTING -j MINE"
        ),
        "taken away: the chain MINE (nat)",
        "",
    ),
    "a chain of a plug-in for one pod": (
        (
            "iptables -t nat -N CNI-aa; iptables -t nat -A CNI-aa -d 10.244.0.0/24 -j ACCEPT; "
            "iptables -t nat -A CNI-aa ! -d 224.0.0.0/4 -j MASQUERADE; "
            "iptables -t nat -A POSTROUTING -s 10.244.0.5/32 -j CNI-aa"
        ),
        "taken away: the chain CNI-aa (nat)",
        "",
    ),
    "another's chain with a rule about pods": (
        (
            "iptables -N USERS; iptables -A USERS -s 10.244.0.0/16 -j ACCEPT; iptables -A USERS -j RETURN; "
            "iptables -A INPUT -j USERS"
        ),
        "left untouched: the rule -A USERS -j RETURN (filter)",
        "iptables -D INPUT -j USERS; iptables -F USERS; iptables -X USERS",
    ),
    "a rule about a port of the bridge": (
        "iptables -I FORWARD -i vetha -j DROP",
        "taken away: the rule -A FORWARD -i vetha -j DROP",
        "",
    ),
    "the kubelet's own chain": (
        "iptables -N KUBE-FIREWALL; iptables -A INPUT -j KUBE-FIREWALL",
        "left untouched: the rule -A INPUT -j KUBE-FIREWALL",
        "iptables -D INPUT -j KUBE-FIREWALL; iptables -X KUBE-FIREWALL",
    ),
    # `down` takes away the table that iptables makes for it, too.
    "a rule in a table that was not there": (
        "iptables -t mangle -A FORWARD -s 10.244.0.0/24 -j ACCEPT",
        "taken away: the rule -A FORWARD -s 10.244.0.0/24 -j ACCEPT (mangle)",
        "",
    ),
    "a rule of IPv6 about the bridge": (
        "ip6tables -A FORWARD -i cni0 -j ACCEPT",
        "taken away: the rule -A FORWARD -i cni0 -j ACCEPT (filter of ip6tables)",
        "",
    ),
    "another's rule of IPv6": (
        "ip6tables -A INPUT -p tcp --dport 22 -j ACCEPT",
        "left untouched: the rule -A INPUT -p tcp -m tcp --dport 22 -j ACCEPT (filter of ip6tables)",
        "ip6tables -F INPUT; ip6tables -X; nft flush table ip6 filter; nft delete table ip6 filter",
    ),
    "a rule in the other backend": (
        "iptables-legacy -A FORWARD -s 10.244.0.0/16 -j ACCEPT",
        "taken away: the rule -A FORWARD -s 10.244.0.0/16 -j ACCEPT (filter of iptables-legacy)",
        "",
    ),
    "another's rule in the other backend": (
        "iptables-legacy -A INPUT -p tcp --dport 22 -j ACCEPT",
        "left untouched: the rule -A INPUT -p tcp -m tcp --dport 22 -j ACCEPT (filter of iptables-legacy)",
        "iptables-legacy -F INPUT; rm -f /run/xtables.lock",
    ),
    "an nft table about pods": (
        "nft -f - <<< 'add table ip mine; add chain ip mine f; add rule ip mine f ip saddr 10.244.1.0/24 accept'",
        "taken away: the nft table ip mine",
        "",
    ),
    "a rule about the bridge in another's nft table": (
        (
            "nft -f - <<< 'add table inet wall; add chain inet wall f; add rule inet wall f tcp dport 22 accept; "
            'add rule inet wall f iifname "cni0" accept\''
        ),
        "taken away: 1 of 2 rules of the nft table inet wall",
        "nft delete table inet wall",
    ),
    "another's nft table": (
        "nft add table inet theirs",
        "left untouched: the nft table inet theirs",
        "nft delete table inet theirs",
    ),
    "a route to pods": (
        "ip route add 10.244.7.0/24 via 172.17.0.9 table 99",
        "taken away: the route 10.244.7.0/24 via 172.17.0.9 dev docker0 table 99",
        "",
    ),
    "a bridge by hand, under another name": (
        "ip link add br9 type bridge; ip addr add 10.244.0.1/24 dev br9",
        "taken away: the interface br9",
        "",
    ),
    "a reservation by hand": (
        "mkdir -p /var/lib/cni/networks/k8s; echo 10.244.0.2 a >/var/lib/cni/networks/k8s/reserved",
        "taken away: the file /var/lib/cni/networks/k8s/reserved",
        "",
    ),
    "a name of a container": ("ip netns add a", "taken away: the namespace's name /var/run/netns/a", ""),
    "a container of Docker's": (
        (
            "ip link add veth1234567 type veth peer name tmp1; ip link set veth1234567 master docker0; "
            "iptables -A DOCKER -d 172.17.0.2/32 -p tcp --dport 80 -j ACCEPT"
        ),
        "left untouched: the interface veth1234567",
        "ip link del veth1234567; iptables -F DOCKER",
    ),
    "a route of NetworkManager's": (
        "ip route add 192.168.9.0/24 via 172.17.0.9 proto 18",
        "left untouched: the route 192.168.9.0/24 via 172.17.0.9",
        "ip route del 192.168.9.0/24",
    ),
    "another's namespace and plug-in": (
        "ip netns add theirs; mkdir -p /opt/cni/bin; touch /opt/cni/bin/bridge",
        "left untouched: the file /opt/cni/bin/bridge",
        (
            "ip netns del theirs; umount /run/netns || true; rmdir /run/netns; rm /opt/cni/bin/bridge;"
            "rmdir --ignore-fail-on-non-empty /opt/cni/bin /opt/cni"
        ),
    ),
}


RENAME = "ip link set {0} down; ip link set {0} name {1}; ip link set {1} up; "
ROUTE = "ip route replace 10.244.7.0/24 via 172.17.0.9 dev {} proto static\n"


def test_what_was_there_before_is_kept_when_a_link_is_renamed_under_the_lab(kept: HostUnderTest) -> None:
    before = kept.state()
    kept.type(f"ip addr add 10.244.0.1/24 dev docker0; {ROUTE.format('docker0')}")
    theirs = kept.state()
    try:
        kept.labctl("up")
        # Going down takes the route along; who renames a link puts it back.
        kept.type(RENAME.format("docker0", "cni0") + ROUTE.format("cni0"))
        kept.labctl("status", code=1)
        assert "taken away" not in kept.labctl("reset").err
        done = kept.labctl("step", "0", "--apply", code=4)
        assert "cni0 was there before" in done.err.replace("\n", " ")
        kept.labctl("down")
        kept.type(RENAME.format("cni0", "docker0") + ROUTE.format("docker0"))
        # The kernel has put a label to it; `del` fails if it is gone.
        kept.type("ip addr del 10.244.0.1/24 dev docker0; ip addr add 10.244.0.1/24 dev docker0")
        assert kept.state() == theirs
    finally:
        kept.type("ip addr del 10.244.0.1/24 dev docker0; ip route del 10.244.7.0/24")
    assert kept.state() == before


def test_what_came_since_is_taken_away_if_it_is_the_labs_and_named_if_not(kept: HostUnderTest) -> None:
    before = kept.state()
    kept.labctl("up")
    kept.type("\n".join(typed for typed, _, _ in SINCE.values()))
    try:
        done = kept.labctl("reset")
        missing = [said for _, said, _ in SINCE.values() if said not in done.err]
        assert not missing, done.err
        done = kept.labctl("reset", "--to", "3")
        assert "taken away" not in done.err
        done = kept.labctl("down")
        assert [line for line in done.err.splitlines() if "taken away: the interface cni0" in line]
        assert kept.state() != before
    finally:
        kept.type("\n".join(cleared for _, _, cleared in SINCE.values() if cleared))
    assert kept.state() == before
