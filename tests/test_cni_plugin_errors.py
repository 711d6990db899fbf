"""What labnet says to a request that is wrong: one JSON object on standard output, with the specification's code."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.cni_runtime import DEBIAN, Runtime, needs_reference, network

if TYPE_CHECKING:
    from tests.cni_runtime import Answer
    from tests.lab_under_test import LabUnderTest

pytestmark = [pytest.mark.machine, pytest.mark.anybody]

SUPPORTED = ["0.3.1", "0.4.0", "1.0.0", "1.1.0"]
VARIABLES = (
    ({"CNI_COMMAND": "ENDOW"}, "CNI_COMMAND"),
    ({"CNI_COMMAND": ""}, "CNI_COMMAND"),
    ({"CNI_COMMAND": "add"}, "CNI_COMMAND"),
    ({"CNI_CONTAINERID": ""}, "CNI_CONTAINERID"),
    ({"CNI_CONTAINERID": "-x"}, "CNI_CONTAINERID"),
    ({"CNI_CONTAINERID": "../x"}, "CNI_CONTAINERID"),
    ({"CNI_CONTAINERID": "x" * 256}, "CNI_CONTAINERID"),
    ({"CNI_IFNAME": ""}, "CNI_IFNAME"),
    ({"CNI_IFNAME": "sixteen-letters!"}, "CNI_IFNAME"),
    ({"CNI_IFNAME": "."}, "CNI_IFNAME"),
    ({"CNI_IFNAME": ".."}, "CNI_IFNAME"),
    ({"CNI_IFNAME": "a/b"}, "CNI_IFNAME"),
    ({"CNI_IFNAME": "a:b"}, "CNI_IFNAME"),
    ({"CNI_IFNAME": "a b"}, "CNI_IFNAME"),
    ({"CNI_IFNAME": "eth%d"}, "CNI_IFNAME"),
    ({"CNI_IFNAME": 'e"h'}, "CNI_IFNAME"),
    ({"CNI_IFNAME": "e#h"}, "CNI_IFNAME"),
    ({"CNI_IFNAME": "all"}, "CNI_IFNAME"),
    ({"CNI_IFNAME": "default"}, "CNI_IFNAME"),
    ({"CNI_NETNS": ""}, "CNI_NETNS"),
    ({"CNI_NETNS": "/var/run/netns/nobody"}, "CNI_NETNS"),
    ({"CNI_NETNS": "/etc/passwd"}, "CNI_NETNS"),
    ({"CNI_NETNS": "/"}, "CNI_NETNS"),
    ({"CNI_NETNS": "/proc/self/ns/net"}, "CNI_NETNS"),
)
FIELDS: tuple[tuple[dict[str, Any], str, str], ...] = (
    ({"name": ""}, "name", "''"),
    ({"name": 7}, "name", "7"),
    ({"name": "../up"}, "name", "'../up'"),
    ({"cniVersion": 1}, "cniVersion", "1"),
    ({"bridge": "a b"}, "bridge", "'a b'"),
    ({"bridge": "sixteen-letters-"}, "bridge", "'sixteen-letters-'"),
    ({"bridge": "all"}, "bridge", "'all'"),
    ({"bridge": "default"}, "bridge", "'default'"),
    ({"ipMasq": "yes"}, "ipMasq", "'yes'"),
    ({"ipam": []}, "ipam", "[]"),
    ({"ipam": {}}, "ipam.ranges", "[]"),
    ({"ipam": {"type": "../bridge"}}, "ipam.type", "'../bridge'"),
    ({"ipam": {"type": "no-such"}}, "ipam.type", "'no-such'"),
    ({"ipam": {"ranges": [[{"subnet": "10.244.0.1/24"}]]}}, "ipam.ranges[0].subnet", "'10.244.0.1/24'"),
    ({"ipam": {"ranges": [[{"subnet": "10.244.0.0"}]]}}, "ipam.ranges[0].subnet", "'10.244.0.0'"),
    ({"ipam": {"ranges": [[{"subnet": "10.244.0.0/31"}]]}}, "ipam.ranges[0].subnet", "'10.244.0.0/31'"),
    ({"ipam": {"ranges": [[{"subnet": "127.0.0.0/8"}]]}}, "ipam.ranges[0].subnet", "'127.0.0.0/8'"),
    ({"ipam": {"ranges": [{"subnet": "10.244.0.0/24"}]}}, "ipam.ranges[0]", "{'subnet'"),
    ({"ipam": {"subnet": "10.244.0.0/24", "gateway": "10.9.0.1"}}, "ipam.ranges.gateway", "'10.9.0.1'"),
    ({"ipam": {"subnet": "10.244.0.0/24", "scan": 1}}, "scan", "1"),
    ({"ipam": {"subnet": "10.244.0.0/24", "dataDir": "here"}}, "ipam.dataDir", "'here'"),
    ({"ipam": {"subnet": "10.244.0.0/24", "routes": [{"dst": "all"}]}}, "ipam.routes.dst", "'all'"),
    ({"ipam": {"subnet": "10.244.0.0/24", "gateway": 183762945}}, "ipam.ranges.gateway", "183762945"),
    *(
        ({"ipam": {"subnet": "10.244.0.0/24", "routes": [{"dst": "0.0.0.0/0", "gw": gw}]}}, "ipam.routes.gw", repr(gw))
        for gw in (True, False, 0, 183762945, [], "bridge", "fe80::1%eth0")
    ),
    ({"clusterRange": [f"10.{number}.0.0/16" for number in range(17)]}, "clusterRange", "at most 16 ranges"),
    ({"ipam": {"ranges": [[{"subnet": f"10.9.{number}.0/24"} for number in range(17)]]}}, "ipam.ranges", "at most 16"),
    ({"prevResult": []}, "prevResult", "[]"),
    ({"prevResult": {"cniVersion": "0.4.0", "ips": []}}, "prevResult.cniVersion", "'0.4.0'; expected that of"),
    ({"prevResult": {"cniVersion": 1}}, "prevResult.cniVersion", "1"),
    ({"prevResult": {"ips": ["10.244.0.2"]}}, "prevResult.ips", "'10.244.0.2'"),
    ({"prevResult": {"interfaces": {}}}, "prevResult.interfaces", "{}"),
)
INPUTS = ("", "  \n", "{", "[]", "7", '"ADD"', '{"mtu": NaN}', '{"mtu": 1e999}', "[" * 100_000, "\0")


def _check_error(answer: Answer, code: int, *words: str) -> None:
    assert (answer.code, answer.said["code"]) == (1, code), answer
    assert answer.said["cniVersion"] in SUPPORTED
    for word in words:
        assert word in answer.said["msg"], answer


def test_variables_that_are_missing_or_bad_are_code_4_and_named(lab: LabUnderTest) -> None:
    runtime = Runtime(lab)
    before = runtime.state()
    for changed, name in VARIABLES:
        variables = runtime.variables("ADD", "a") | {"CNI_NETNS": runtime.netns("a")} | changed
        _check_error(runtime.ask(variables, json.dumps(network())), 4, name)
        left_out = {key: value for key, value in variables.items() if key != name}
        _check_error(runtime.ask(left_out, json.dumps(network())), 4, name)
    assert runtime.state() == before


@pytest.mark.parametrize("command", ["ADD", "DEL", "CHECK"])
def test_input_that_is_empty_or_not_json_is_code_6(lab: LabUnderTest, command: str) -> None:
    runtime = Runtime(lab)
    for text in INPUTS:
        _check_error(runtime.ask(runtime.variables(command, "a"), text), 6, "standard input is ")


def test_fields_that_are_bad_are_code_7_and_named_with_their_value(lab: LabUnderTest) -> None:
    runtime = Runtime(lab)
    before = runtime.state()
    for changed, key, value in FIELDS:
        _check_error(runtime.call("ADD", "a", network() | changed), 7, f"{key} is ", value)
    # What Go has not set is null; that is not bad.
    runtime.add("a", network(bridge=None, ipMasq=None, dns=None, prevResult=None))
    assert runtime.state() != before


def test_a_previous_result_that_cannot_be_read_does_not_keep_del_from_its_work(lab: LabUnderTest) -> None:
    runtime = Runtime(lab)
    for previous in ([], "gone", {"ips": [7]}, {"interfaces": {}}, {"dns": 1}, {"cniVersion": "0.4.0", "ips": []}):
        runtime.add("a")
        for command, code in (("ADD", 7), ("CHECK", 7)):
            _check_error(runtime.call(command, "a", network(prevResult=previous)), code, "prevResult")
        assert runtime.call("DEL", "a", network(prevResult=previous)).code == 0, previous
        assert runtime.type("ip -br link show type veth master cni0") == ""


def test_versions_that_it_does_not_speak_are_code_1_with_those_that_it_does(lab: LabUnderTest) -> None:
    runtime = Runtime(lab)
    for version in ("0.1.0", "0.2.0", "9.9.9", "latest", ""):
        answer = runtime.call("ADD", "a", network(version=version))
        _check_error(answer, 1, version)
        assert all(each in answer.said["details"] for each in SUPPORTED)
    without = {key: value for key, value in network().items() if key != "cniVersion"}
    _check_error(runtime.call("ADD", "a", without), 1, "0.1.0")
    for version, command in (("0.3.1", "CHECK"), ("1.0.0", "STATUS"), ("1.0.0", "GC"), ("0.4.0", "GC")):
        answer = runtime.call(command, "a", network(version=version))
        _check_error(answer, 1, f"{command} came with version")
        assert answer.said["cniVersion"] == version


def test_version_echoes_what_it_was_asked_with(lab: LabUnderTest) -> None:
    runtime = Runtime(lab)
    for version in (*SUPPORTED, "0.1.0"):
        # What Podman asks first.
        variables = dict.fromkeys(("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"), "dummy")
        answer = runtime.ask(variables | {"CNI_COMMAND": "VERSION"}, json.dumps({"cniVersion": version}))
        assert (answer.code, answer.said) == (0, {"cniVersion": version, "supportedVersions": SUPPORTED})


def test_what_is_not_ready_is_code_50(lab: LabUnderTest) -> None:
    runtime = Runtime(lab)
    now = network(version="1.1.0")
    assert runtime.call("STATUS", "a", now).code == 0
    runtime.type("ip link add cni0 type veth peer name other")
    _check_error(runtime.call("STATUS", "a", now), 50, "cni0 is not a bridge but veth")
    # Then ADD is refused too, by a code of its own, and leaves what is there.
    before = runtime.state()
    _check_error(runtime.call("ADD", "a", now), 100, "cni0")
    assert runtime.state() == before
    runtime.type("ip link del cni0")
    few = network({"subnet": "10.244.0.0/30"}, version="1.1.0")
    runtime.add("a", few)
    _check_error(runtime.call("STATUS", "a", few), 50, "no address is free")
    before = runtime.state()
    _check_error(runtime.call("ADD", "b", few), 103, "no address of 10.244.0.0/30 is free")
    assert runtime.state() == before


@needs_reference
def test_the_error_of_a_delegate_is_passed_on(lab: LabUnderTest) -> None:
    runtime = Runtime(lab)
    before = runtime.state()
    broken = network(ipam={"type": "host-local", "ranges": [[{"subnet": "10.244.0.0/33"}]]})
    answer = runtime.call("ADD", "a", broken, CNI_PATH=DEBIAN)
    assert answer.code == 1
    assert answer.said["msg"].startswith("host-local: ")
    assert runtime.state() == before
