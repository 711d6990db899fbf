"""labnet on a node that others use too: what is not its own stays, and its own does not get in each other's way."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.cni_runtime import RANGE, RANGE_6, STORE, Runtime, network

if TYPE_CHECKING:
    from tests.lab_under_test import LabUnderTest

pytestmark = [pytest.mark.machine, pytest.mark.anybody]

MAC = "ip -j link show cni0 | jq -r '.[0].address'"
LOWEST = "ip link add low address 02:00:00:00:00:01 type veth peer name wol; ip link set low master cni0"


def test_the_bridge_keeps_its_mac_whoever_comes_and_goes(lab: LabUnderTest) -> None:
    runtime = Runtime(lab)
    runtime.add("a")
    mac = runtime.type(MAC)
    assert runtime.pings("a", "10.244.0.1")
    runtime.type(LOWEST)
    runtime.add("b")
    assert runtime.type(MAC) == mac
    assert runtime.pings("a", "10.244.0.1")
    runtime.type("ip link del low")
    assert runtime.call("DEL", "b").code == 0
    assert runtime.type(MAC) == mac
    assert runtime.pings("a", "10.244.0.1")


@pytest.mark.parametrize(
    "ranges",
    [
        (
            {"subnet": "10.244.0.0/24", "rangeEnd": "10.244.0.9"},
            {**RANGE, "rangeStart": "10.244.0.20"},
        ),
        ({"subnet": "10.244.0.0/24"}, {"subnet": "10.245.0.0/24"}),
    ],
)
def test_a_container_has_an_address_of_each_set(lab: LabUnderTest, ranges: tuple[dict[str, str], ...]) -> None:
    runtime = Runtime(lab)
    wanted = network(*ranges)
    answer = runtime.add("a", wanted)
    held = runtime.type("ip -j -n a -4 addr show dev eth0 | jq -r '.[0].addr_info[] | \"\\(.local)/\\(.prefixlen)\"'")
    assert sorted(answer.addresses) == sorted(held.split())
    assert len(answer.addresses) == 2
    assert runtime.call("CHECK", "a", {**wanted, "prevResult": answer.said}).code == 0
    assert runtime.call("DEL", "a", wanted).code == 0


def test_a_large_store_is_read_whole(lab: LabUnderTest) -> None:
    runtime = Runtime(lab)
    lines = "for i in $(seq 0 250); do for j in $(seq 1 70); do echo 10.9.$i.$j $(printf %064d $i) eth$j; done; done"
    runtime.type(f"mkdir -p {STORE}; {{ {lines}; }} >{STORE}/reserved; test $(stat -c %s {STORE}/reserved) -gt 1100000")
    before = int(runtime.type(f"wc -l <{STORE}/reserved"))
    assert runtime.add("a").addresses == ["10.244.0.2/24"]
    assert int(runtime.type(f"wc -l <{STORE}/reserved")) == before + 1


def test_a_store_that_a_power_cut_emptied_gives_nothing_away(lab: LabUnderTest) -> None:
    runtime = Runtime(lab)
    runtime.add("a")
    runtime.type(f": >{STORE}/reserved")
    answer = runtime.call("ADD", "b")
    assert (answer.code, answer.said["code"]) == (1, 5)
    assert "is empty" in answer.said["msg"]


def test_del_with_the_path_of_another_container_spares_that_one(lab: LabUnderTest) -> None:
    runtime = Runtime(lab)
    runtime.add("a")
    runtime.add("b")
    assert runtime.call("DEL", "a", CNI_NETNS=runtime.netns("b")).code == 0
    assert runtime.pings("b", "10.244.0.1")


def test_a_cable_of_another_that_has_the_name_is_neither_taken_nor_deleted(lab: LabUnderTest) -> None:
    runtime = Runtime(lab)
    runtime.add("a")
    name = runtime.type("ip -j -d link show type veth master cni0 | jq -r '.[0].ifname'").strip()
    assert runtime.call("DEL", "a").code == 0
    runtime.type(f"ip link add {name} type veth peer name other")
    answer = runtime.call("ADD", "a")
    assert (answer.code, answer.said["code"]) == (1, 100)
    assert runtime.call("DEL", "a").code == 0
    empty = network(version="1.1.0", **{"cni.dev/valid-attachments": []})
    assert runtime.call("GC", "a", empty).code == 0
    runtime.type(f"ip link show {name}")


def test_a_name_that_leads_elsewhere_is_left_and_named(lab: LabUnderTest) -> None:
    runtime = Runtime(lab)
    runtime.type("mkdir -p /var/run/netns; ln -s /proc/1/ns/net /var/run/netns/a")
    answer = runtime.call("ADD", "a")
    assert (answer.code, answer.said["code"]) == (1, 100)
    assert "leads to /proc/1/ns/net" in answer.said["msg"]
    assert runtime.call("DEL", "a").code == 0
    assert runtime.type("readlink /var/run/netns/a") == "/proc/1/ns/net\n"


def test_a_name_that_a_person_made_for_the_same_namespace_outlives_del(lab: LabUnderTest) -> None:
    runtime = Runtime(lab)
    runtime.type(f"mkdir -p /var/run/netns; ln -s {runtime.netns('a')} /var/run/netns/a")
    runtime.add("a")
    assert runtime.call("DEL", "a").code == 0
    runtime.type("test -L /var/run/netns/a")


def test_two_networks_on_one_bridge_at_once(lab: LabUnderTest) -> None:
    runtime = Runtime(lab)
    for number in range(4):
        first = network({"subnet": "10.244.0.0/24"}, clusterRange="10.244.0.0/16")
        second = {**network({"subnet": "10.244.7.0/24"}, clusterRange="10.244.0.0/16"), "name": "other"}
        runtime.type(f"echo '{json.dumps(first)}' >/run/1; echo '{json.dumps(second)}' >/run/2")
        call = " ".join(f"{name}={value}" for name, value in runtime.variables("ADD", "").items() if value)
        one = f"env -i {call} CNI_CONTAINERID=a CNI_NETNS={runtime.netns('a')} /opt/labctl/bin/labnet </run/1"
        two = f"env -i {call} CNI_CONTAINERID=b CNI_NETNS={runtime.netns('b')} /opt/labctl/bin/labnet </run/2"
        runtime.type(f"{one} & first=$!; {two} & second=$!; wait $first && wait $second")
        assert runtime.type("iptables-save -t filter | grep -c -e '-s 10.244.0.0/16'") == "1\n", number
        assert runtime.call("DEL", "a", first).code == 0
        assert runtime.call("DEL", "b", second).code == 0
        runtime.type("ip link del cni0; iptables -F FORWARD; iptables -t nat -F")


def test_what_an_administrator_drops_stays_dropped(lab: LabUnderTest) -> None:
    runtime = Runtime(lab)
    runtime.type("iptables -A FORWARD -s 10.244.0.0/24 -d 10.1.2.3 -j DROP")
    runtime.add("a")
    assert "10.1.2.3" in runtime.type("iptables -S FORWARD | sed -n 2p")


PARTS = (
    "-t filter -A FORWARD -s 10.244.0.0/25 -j ACCEPT",
    "-t filter -A FORWARD -d 10.244.0.0/25 -j ACCEPT",
    "-t nat -A POSTROUTING -s 10.244.0.0/25 ! -o cni0 -j MASQUERADE",
    "-t nat -A POSTROUTING -s 10.244.0.0/24 -d 192.0.2.0/24 -j MASQUERADE",
)
WHOLE = (
    "-A FORWARD -s 10.244.0.0/24 -j ACCEPT",
    "-A FORWARD -d 10.244.0.0/24 -j ACCEPT",
    "-A POSTROUTING -s 10.244.0.0/24 ! -o cni0 -j MASQUERADE",
)


def _rules(runtime: Runtime) -> list[str]:
    return runtime.type("iptables -S FORWARD; iptables -t nat -S POSTROUTING").splitlines()


def test_another_s_rule_for_a_part_stays_and_ours_is_put_beside_it(lab: LabUnderTest) -> None:
    runtime = Runtime(lab)
    runtime.type("".join(f"iptables {each}\n" for each in PARTS))
    before = _rules(runtime)
    # The last address of the range is in nobody's part.
    last = network({**RANGE, "rangeStart": "10.244.0.200"})
    said = runtime.add("a", last).said
    both = _rules(runtime)
    assert [each for each in both if each not in WHOLE] == before
    assert [each for each in both if each in WHOLE] == list(WHOLE)
    assert runtime.pings("a", "203.0.113.10")
    assert runtime.call("CHECK", "a", {**last, "prevResult": said}).code == 0
    runtime.add("b", last)
    assert runtime.call("DEL", "a", last).code == 0
    assert _rules(runtime) == both


def test_another_s_rule_that_does_more_than_ours_would_is_enough(lab: LabUnderTest) -> None:
    runtime = Runtime(lab)
    runtime.type("iptables -t nat -A POSTROUTING -s 10.244.0.0/16 -j MASQUERADE")
    said = runtime.add("a").said
    assert (
        runtime.type("iptables -t nat -S POSTROUTING | tail -n +2") == "-A POSTROUTING -s 10.244.0.0/16 -j MASQUERADE\n"
    )
    assert runtime.call("CHECK", "a", network(prevResult=said)).code == 0


def test_what_comes_before_our_rule_is_left_there_and_check_says_so(lab: LabUnderTest) -> None:
    runtime = Runtime(lab)
    said = runtime.add("a").said
    runtime.type("iptables -I FORWARD -s 10.244.0.0/24 -j DROP")
    before = _rules(runtime)
    runtime.add("b")
    assert _rules(runtime) == before
    answer = runtime.call("CHECK", "a", network(prevResult=said))
    assert (answer.code, answer.said["code"]) == (1, 101)
    assert "-s 10.244.0.0/24 -j DROP comes before" in answer.said["msg"]


def test_a_table_of_ipv6_with_rules_of_nft_alone_is_no_obstacle(lab: LabUnderTest) -> None:
    runtime = Runtime(lab)
    alien = "ip6 daddr fd00:9::9 numgen inc mod 2 0 counter drop"
    runtime.type(f"ip6tables -A FORWARD -s fd00:9::/64 -j DROP; nft add rule ip6 filter FORWARD {alien}")
    both = network(RANGE, RANGE_6)
    said = runtime.add("a", both).said
    runtime.add("b", both)
    assert runtime.call("CHECK", "a", {**both, "prevResult": said}).code == 0
    assert runtime.type("nft list chain ip6 filter FORWARD | grep -c 'ip6 saddr fd00:10:244::/64'") == "1\n"


def test_a_table_with_rules_of_nft_alone_is_no_obstacle(lab: LabUnderTest) -> None:
    runtime = Runtime(lab)
    alien = "ip daddr 10.1.2.3 numgen inc mod 2 0 counter drop"
    runtime.type(f"iptables -S FORWARD; nft add rule ip filter FORWARD {alien}")
    said = runtime.add("a").said
    runtime.add("b")
    assert runtime.call("CHECK", "a", network(prevResult=said)).code == 0
    assert runtime.type("nft list chain ip filter FORWARD | grep -c 'ip saddr 10.244.0.0/24'") == "1\n"


def test_check_finds_a_node_that_does_not_forward(lab: LabUnderTest) -> None:
    runtime = Runtime(lab)
    said = runtime.add("a").said
    runtime.type("sysctl -w net.ipv4.ip_forward=0")
    answer = runtime.call("CHECK", "a", network(prevResult=said))
    assert (answer.code, answer.said["code"]) == (1, 101)
    assert "ip_forward" in answer.said["msg"]


@pytest.mark.parametrize("path", ["/proc/self/ns/mnt", "/proc/self/ns/uts", "/etc/passwd", "/run"])
def test_a_path_that_is_no_network_namespace(lab: LabUnderTest, path: str) -> None:
    runtime = Runtime(lab)
    before = lab.snapshot()
    answer = runtime.call("ADD", "a", CNI_NETNS=path)
    assert (answer.code, answer.said["code"]) == (1, 4)
    assert "CNI_NETNS" in answer.said["msg"]
    assert lab.snapshot() == before


def test_asking_for_its_status_makes_nothing(lab: LabUnderTest) -> None:
    before = lab.snapshot()
    assert Runtime(lab).call("STATUS", "a", network(version="1.1.0")).code == 0
    assert lab.snapshot() == before


@pytest.mark.parametrize("gateway", ["10.244.0.0", "10.244.0.255", "fe80::1%x\nlink del dev eth0"])
def test_a_gateway_that_nobody_can_have(lab: LabUnderTest, gateway: str) -> None:
    subnet = "fe80::/64" if "%" in gateway else "10.244.0.0/24"
    answer = Runtime(lab).call("ADD", "a", network({"subnet": subnet, "gateway": gateway}))
    assert (answer.code, answer.said["code"]) == (1, 7)


def test_errors_bear_the_version_of_the_configuration(lab: LabUnderTest) -> None:
    answer = Runtime(lab).call("ADD", "a", network(version="0.4.0"), CNI_NETNS="")
    assert (answer.said["code"], answer.said["cniVersion"]) == (4, "0.4.0")
