"""What labnet makes and takes away: ADD and DEL in real namespaces, for IPv4 and IPv6, alone and in a list."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.cni_runtime import DEBIAN, LABNET, RANGE, RANGE_6, STORE, Runtime, needs_reference, network
from tests.lab_under_test import LabUnderTest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.machine

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
VERSIONS = ("0.3.1", "0.4.0", "1.0.0", "1.1.0")


def test_every_version_gets_a_result_of_its_own(lab: LabUnderTest) -> None:
    runtime = Runtime(lab)
    for version in VERSIONS:
        for container in ("a", "b"):
            said = runtime.add(container, network(RANGE, RANGE_6, version=version)).said
            assert said["cniVersion"] == version
            versions = [each.get("version") for each in said["ips"]]
            assert versions == (["4", "6"] if version.startswith("0.") else [None, None])
            assert [each["name"] for each in said["interfaces"]][::2] == ["cni0", "eth0"]
            assert [each.get("sandbox") for each in said["interfaces"]] == [None, None, runtime.netns(container)]
            assert {each["interface"] for each in said["ips"]} == {2}
            assert {(each["dst"], each["gw"]) for each in said["routes"]} == {
                ("0.0.0.0/0", "10.244.0.1"),
                ("::/0", "fd00:10:244::1"),
            }
        for container in ("a", "b"):
            assert runtime.call("DEL", container, network(RANGE, RANGE_6, version=version)).said is None


def test_containers_reach_each_other_the_node_and_the_internet_in_both_families(lab: LabUnderTest) -> None:
    runtime = Runtime(lab)
    both = network(RANGE, RANGE_6, clusterRange=["10.244.0.0/16", "fd00:10:244::/48"])
    a, b = (runtime.add(each, both).addresses for each in ("a", "b"))
    assert (a, b) == (
        ["10.244.0.2/24", "fd00:10:244::2/64"],
        ["10.244.0.3/24", "fd00:10:244::3/64"],
    )
    for address in ("10.244.0.3", "fd00:10:244::3", "10.244.0.1", "fd00:10:244::1", "10.128.0.2", "203.0.113.10"):
        assert runtime.pings("a", address), address
    assert runtime.type("ip6tables -S FORWARD").splitlines()[1:] == [
        "-A FORWARD -s fd00:10:244::/48 -j ACCEPT",
        "-A FORWARD -d fd00:10:244::/48 -j ACCEPT",
    ]
    assert "-s fd00:10:244::/64 ! -o cni0 -j MASQUERADE" in runtime.type("ip6tables -t nat -S")
    assert runtime.type("ip -n a -6 route show default").startswith("default via fd00:10:244::1 dev eth0")
    for each in ("a", "b"):
        assert runtime.call("DEL", each, both).code == 0
    assert runtime.type("ls /var/run/netns; ip -br link show type veth master cni0") == ""


def test_del_of_what_is_gone_is_success_however_often(lab: LabUnderTest) -> None:
    runtime = Runtime(lab)
    before = runtime.state()
    assert runtime.call("DEL").code == 0
    assert runtime.state() == before
    result = runtime.add().said
    runtime.add("b")
    assert runtime.call("DEL", "b").code == 0
    bare = runtime.state()
    runtime.add("b")
    # As containerd does it: with everything, then with an empty CNI_NETNS and no prevResult; `ctr` only does this.
    assert runtime.call("DEL", "b", network(prevResult=result)).code == 0
    assert runtime.call("DEL", "b", CNI_NETNS="").code == 0
    assert runtime.state() == bare
    runtime.add("b")
    assert runtime.call("DEL", "b", CNI_NETNS="").code == 0
    assert runtime.state() == bare
    runtime.add("b")
    assert runtime.call("DEL", "b", CNI_NETNS="/proc/999999/ns/net").code == 0
    assert runtime.state() == bare


def test_del_when_the_container_or_its_cable_is_gone(lab: LabUnderTest) -> None:
    runtime = Runtime(lab)
    runtime.add("b")
    for damage in (
        "ip netns del t",
        "ip -n t link del eth0",
        "rm /var/run/netns/t.link; ip -n t link set eth0 down",
        "ip link set $(ip -j -d link show type veth master cni0 | jq -r '.[-1].ifname') name other",
        "rm -r /var/lib/cni/networks/net",
        "iptables -t nat -F; iptables -F FORWARD; ip link del cni0",
    ):
        runtime.type("ip netns add t; touch /var/run/netns/t.link")
        before = runtime.type("ip -br link show type veth | wc -l")
        runtime.add("t", CNI_NETNS="/var/run/netns/t")
        runtime.type(damage)
        assert runtime.call("DEL", "t", CNI_NETNS="/var/run/netns/t").code == 0, damage
        assert runtime.type("ip -br link show type veth | wc -l") == before, damage
        assert " t " not in runtime.type(f"cat {STORE}/reserved || true"), damage
        runtime.type("ip netns del t 2>/dev/null || true; rm -f /var/run/netns/t.link")


def test_a_second_add_is_refused_and_the_first_is_untouched(lab: LabUnderTest) -> None:
    runtime = Runtime(lab)
    runtime.add()
    before = lab.snapshot()
    again = runtime.call("ADD")
    assert (again.code, again.said["code"]) == (1, 100)
    assert "a has an interface eth0 already" in again.said["msg"]
    # The same container by another namespace, and another container in this one.
    other = runtime.call("ADD", CNI_NETNS=runtime.netns("b"))
    assert (other.code, other.said["code"]) == (1, 100)
    stranger = runtime.call("ADD", "stranger", CNI_NETNS=runtime.netns("a"))
    assert (stranger.code, stranger.said["code"]) == (1, 100)
    assert lab.snapshot() == before
    # A runtime sends DEL for an ADD that failed: the cable that was there is another's.
    assert runtime.call("DEL", "stranger", CNI_NETNS=runtime.netns("a")).code == 0
    assert lab.snapshot() == before


def test_a_failure_in_the_middle_leaves_nothing(lab: LabUnderTest) -> None:
    runtime = Runtime(lab)
    runtime.add("b")
    before = runtime.state()
    # The last route cannot be made: its gateway is out of reach.
    broken = network()
    broken["ipam"]["routes"] = [{"dst": "0.0.0.0/0"}, {"dst": "192.0.2.0/24", "gw": "198.51.100.1"}]
    answer = runtime.call("ADD", "a", broken)
    assert (answer.code, answer.said["code"]) == (1, 102)
    assert "everything was taken back" in answer.said["msg"]
    assert runtime.state() == before
    assert runtime.add("a").addresses == ["10.244.0.3/24"]


def test_the_namespace_may_be_a_process_or_a_descriptor(lab: LabUnderTest) -> None:
    runtime = Runtime(lab)
    assert runtime.netns("a").startswith("/proc/")
    runtime.type(f"exec 9<{runtime.netns('a')}; sleep infinity </dev/null >/dev/null 2>&1 & echo $! >/run/holder")
    held = f"/proc/{runtime.type('cat /run/holder').strip()}/fd/9"
    result = runtime.add("a", CNI_NETNS=held).said
    assert result["interfaces"][-1]["sandbox"] == held
    assert runtime.pings("a", "10.244.0.1")
    assert runtime.call("CHECK", "a", network(prevResult=result), CNI_NETNS=held).code == 0
    assert runtime.call("DEL", "a", CNI_NETNS=held).code == 0
    assert not runtime.pings("a", "10.244.0.1")
    runtime.type("kill -9 $(cat /run/holder)")


def test_the_namespace_may_be_a_relative_path(lab: LabUnderTest) -> None:
    runtime = Runtime(lab)
    folder, _, name = runtime.netns("a").rpartition("/")
    variables = runtime.variables("ADD", "a") | {"CNI_NETNS": name}
    spelled = (f"{key}={value}" for key, value in variables.items())
    done = runtime.run("env", "-i", "-C", folder, *spelled, LABNET, text=json.dumps(network()))
    assert done.code == 0, done
    assert runtime.pings("a", "10.244.0.1")
    runtime.type(f"test /var/run/netns/a -ef {folder}/{name}")


def test_an_answer_that_nobody_gets_is_taken_back(lab: LabUnderTest) -> None:
    runtime = Runtime(lab)
    runtime.add("b")
    before = runtime.state()
    variables = runtime.variables("ADD", "a") | {"CNI_NETNS": runtime.netns("a")}
    spelled = " ".join(f"{key}={value}" for key, value in variables.items())
    for out in (">/dev/full", ">&-"):
        done = runtime.run("sh", "-c", f"exec env -i {spelled} {LABNET} {out}", text=json.dumps(network()))
        assert (done.code, done.err) == (1, "")
        assert runtime.state() == before


def test_a_container_may_have_two_interfaces_of_one_network_or_of_two(lab: LabUnderTest) -> None:
    runtime = Runtime(lab)
    second = {**network({"subnet": "10.245.0.0/24"}, bridge="cni1"), "name": "second"}
    results = {
        "eth0": (network(), runtime.add("a").said),
        "eth1": (network(), runtime.add("a", interface="eth1").said),
        "net2": (second, runtime.add("a", second, interface="net2").said),
    }
    addresses = [said["ips"][0]["address"] for _, said in results.values()]
    assert addresses == ["10.244.0.2/24", "10.244.0.3/24", "10.245.0.2/24"]
    # Whose default route was there first keeps it.
    assert [len(said["routes"]) for _, said in results.values()] == [1, 0, 0]
    for interface, (configuration, said) in list(results.items()):
        answer = runtime.call("CHECK", "a", {**configuration, "prevResult": said}, interface=interface)
        assert answer.code == 0, answer
    for interface, (configuration, _) in list(results.items()):
        assert "a" in runtime.type("ls /var/run/netns")
        assert runtime.call("DEL", "a", configuration, interface=interface).code == 0
        del results[interface]
        links = [each["ifname"] for each in json.loads(runtime.type(f"nsenter --net={runtime.netns('a')} ip -j link"))]
        assert links == ["lo", *results]
    assert runtime.type("ls /var/run/netns; ls /var/lib/cni/networks/*").split() == [
        "/var/lib/cni/networks/net:",
        "/var/lib/cni/networks/second:",
    ]


@needs_reference
def test_first_in_a_list_before_portmap_and_firewall(lab: LabUnderTest) -> None:
    runtime = Runtime(lab)
    runtime.add("b")
    before = runtime.state()
    ports: dict[str, Any] = {
        "type": "portmap",
        "runtimeConfig": {"portMappings": [{"hostPort": 8080, "containerPort": 5000, "protocol": "tcp"}]},
    }
    chain: list[dict[str, Any]] = [network(), ports, {"type": "firewall"}]
    result: dict[str, Any] | None = None
    for each in chain:
        told = {"cniVersion": "1.0.0", "name": "net", **each} | ({"prevResult": result} if result else {})
        result = runtime.add("a", told, plugin=_path(each), PATH=PATH).said
    assert result
    assert result["ips"][0]["address"] == "10.244.0.3/24"
    for each in (chain[0], chain[2]):  # portmap 1.1.1 looks for IPv6 rules that it never made
        told = {"cniVersion": "1.0.0", "name": "net", **each, "prevResult": result}
        answer = runtime.call("CHECK", "a", told, plugin=_path(each), PATH=PATH)
        assert answer.code == 0, answer
    assert runtime.pings("a", "203.0.113.10")
    for each in reversed(chain):
        told = {"cniVersion": "1.0.0", "name": "net", **each, "prevResult": result}
        assert runtime.call("DEL", "a", told, plugin=_path(each), PATH=PATH).code == 0
    # portmap and firewall leave their own chains behind, empty of the container.
    assert "10.244.0.3" not in runtime.state()
    assert runtime.add("a").addresses == ["10.244.0.3/24"]
    assert runtime.call("DEL", "a").code == 0
    assert json.loads(runtime.state())["places"] == json.loads(before)["places"]


def _path(configuration: dict[str, Any]) -> str:
    return f"{'/opt/labctl/bin' if configuration['type'] == 'labnet' else DEBIAN}/{configuration['type']}"


def test_what_an_earlier_plugin_told_is_passed_on(lab: LabUnderTest) -> None:
    runtime = Runtime(lab)
    told = {
        "cniVersion": "1.0.0",
        "interfaces": [{"name": "vpn0", "mac": "02:00:00:00:00:01"}],
        "ips": [{"address": "192.0.2.2/24", "interface": 0}],
        "routes": [{"dst": "192.0.2.0/24"}],
        "dns": {"nameservers": ["192.0.2.53"]},
    }
    said = runtime.add("a", network(prevResult=told)).said
    assert said["interfaces"][0] == told["interfaces"][0]  # type: ignore[index]
    assert [each["address"] for each in said["ips"]] == ["192.0.2.2/24", "10.244.0.2/24"]
    assert [each["interface"] for each in said["ips"]] == [0, 3]
    assert said["routes"][0] == {"dst": "192.0.2.0/24"}
    assert said["dns"] == told["dns"]


def test_twenty_adds_at_once(home: Path) -> None:
    with LabUnderTest(home, _spread(20)) as lab:
        runtime = Runtime(lab)
        names = [each.name for each in lab.lab.nodes[0].containers]
        lines = [
            f'env -i {_spell(runtime, name)} /opt/labctl/bin/labnet <in >{name}.out & pids="$pids $!"' for name in names
        ]
        script = "\n".join(
            [
                "cd $(mktemp -d); pids=",
                f"cat >in <<'END'\n{json.dumps(network())}\nEND",
                *lines,
                "for pid in $pids; do wait $pid; done; cat *.out",
            ]
        )
        said = [json.loads(line) for line in runtime.type(script).splitlines()]
        addresses = {each["ips"][0]["address"] for each in said}
        assert addresses == {f"10.244.0.{number}/24" for number in range(2, 22)}
        assert len(runtime.type(f"cat {STORE}/reserved").splitlines()) == 20
        rules = runtime.type("iptables-save | grep -c -e '-A FORWARD' -e MASQUERADE")
        assert rules == "3\n"
        (others,) = [
            addresses - set(each["ips"][0]["address"].split())
            for each in said
            if each["interfaces"][2]["sandbox"] == runtime.netns("a")
        ]
        assert all(runtime.pings("a", each.partition("/")[0]) for each in others)
        runtime.type(script.replace("CNI_COMMAND=ADD", "CNI_COMMAND=DEL"))
        assert runtime.type(f"ls /var/run/netns {STORE}; ip -br link show type veth master cni0").split() == [
            f"{STORE}:",
            "/var/run/netns:",
        ]


def _spell(runtime: Runtime, name: str) -> str:
    variables = runtime.variables("ADD", name) | {"CNI_NETNS": runtime.netns(name)}
    return " ".join(f"{key}={value}" for key, value in variables.items())


def _spread(containers: int) -> dict[str, Any]:
    from labctl.world.topology import spread

    return spread(1, containers)
