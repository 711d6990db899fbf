"""IPv6 by labnet: alone, and in a container whose namespace has it turned off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cni_runtime import RANGE, RANGE_6, Runtime, needs_reference, network

if TYPE_CHECKING:
    from tests.lab_under_test import LabUnderTest

pytestmark = pytest.mark.machine


def test_ipv6_alone(lab: LabUnderTest) -> None:
    runtime = Runtime(lab)
    six = network(RANGE_6, clusterRange="::/0")
    assert runtime.add("a", six).addresses == ["fd00:10:244::2/64"]
    assert runtime.add("b", six).addresses == ["fd00:10:244::3/64"]
    assert runtime.pings("a", "fd00:10:244::3")
    # Rules once, however they are spelled.
    assert runtime.type("ip6tables -S FORWARD").count("-A FORWARD -j ACCEPT") == 1
    assert "10." not in runtime.type("ip -n a -4 addr; ip addr show cni0")
    assert runtime.call("CHECK", "a", {**six, "prevResult": runtime.add("b", six, interface="eth1").said}).code == 1


@pytest.mark.parametrize("ipam", [None, pytest.param("host-local", marks=needs_reference)])
def test_a_cluster_range_of_one_family_says_nothing_of_the_other(lab: LabUnderTest, ipam: str | None) -> None:
    runtime = Runtime(lab)
    both = network(RANGE, RANGE_6, clusterRange="10.244.0.0/16")
    both["ipam"] |= {"type": ipam} if ipam else {}
    runtime.add("a", both)
    runtime.add("b", both)
    for family, cluster in (("iptables", "10.244.0.0/16"), ("ip6tables", "fd00:10:244::/64")):
        rules = runtime.type(f"{family} -S FORWARD | tail -n +2").splitlines()
        assert rules == [f"-A FORWARD {flag} {cluster} -j ACCEPT" for flag in ("-s", "-d")]
    runtime.type("ip6tables -P FORWARD DROP")
    assert runtime.pings("a", "fd00:10:244::3")


@pytest.mark.parametrize("name", ["all", "default"])
def test_a_container_in_which_ipv6_is_turned_off_gets_it_for_this_interface(lab: LabUnderTest, name: str) -> None:
    runtime = Runtime(lab)
    both = network(RANGE, RANGE_6, clusterRange=["10.244.0.0/16", "fd00:10:244::/48"])
    inside = f"nsenter --net={runtime.netns('a')}"
    runtime.type(f"{inside} sysctl -q -w net.ipv6.conf.{name}.disable_ipv6=1")
    runtime.add("b", both)
    result = runtime.add("a", both)
    assert result.addresses == ["10.244.0.3/24", "fd00:10:244::3/64"]
    assert runtime.pings("a", "fd00:10:244::2")
    assert runtime.pings("b", "fd00:10:244::3")
    assert runtime.call("CHECK", "a", {**both, "prevResult": result.said}).code == 0
    # What it was turned off for besides stays so.
    assert runtime.type(f"{inside} cat /proc/sys/net/ipv6/conf/{name}/disable_ipv6") == "1\n"
    assert runtime.call("DEL", "a", both).code == 0


def test_ipv6_stays_turned_off_where_no_range_of_it_is_given(lab: LabUnderTest) -> None:
    runtime = Runtime(lab)
    inside = f"nsenter --net={runtime.netns('a')}"
    runtime.type(f"{inside} sysctl -q -w net.ipv6.conf.all.disable_ipv6=1")
    runtime.add("a")
    assert runtime.type(f"{inside} cat /proc/sys/net/ipv6/conf/eth0/disable_ipv6") == "1\n"
