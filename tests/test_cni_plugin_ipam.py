"""labnet with another plug-in for the addresses, called as section 4 of the specification says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.cni_runtime import DEBIAN, STORE, Runtime, needs_reference, network

if TYPE_CHECKING:
    from tests.lab_under_test import LabUnderTest

pytestmark = [pytest.mark.machine, pytest.mark.anybody]

_SPY = """\
#!/bin/sh
# An IPAM plug-in that writes down how it was called, and answers what a file says.
env | grep -e ^CNI_ -e ^PATH= | sort >/run/spy/$CNI_COMMAND.env
cat >/run/spy/$CNI_COMMAND.json
echo "$CNI_COMMAND" >>/run/spy/calls
cat /run/spy/answer 2>/dev/null
exit "$(cat /run/spy/code 2>/dev/null || echo 0)"
"""


def _local(*ranges: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 (of a configuration)
    sets = [[{"subnet": each}] for each in ranges or ("10.244.0.0/24",)]
    return network(ipam={"type": "host-local", "ranges": sets}, **more)


def _spy(runtime: Runtime, answer: str, code: int = 0) -> None:
    runtime.type(f"mkdir -p /run/spy; cat >/run/spy/spy <<'END'\n{_SPY}END\nchmod +x /run/spy/spy")
    runtime.type(f"cat >/run/spy/answer <<'END'\n{answer}\nEND\necho {code} >/run/spy/code; rm -f /run/spy/calls")


@needs_reference
def test_host_local_gives_the_addresses(lab: LabUnderTest) -> None:
    runtime = Runtime(lab)
    both = _local("10.244.0.0/24", "fd00:10:244::/64")
    a, b = (runtime.add(each, both) for each in ("a", "b"))
    assert (a.addresses, b.addresses) == (
        ["10.244.0.2/24", "fd00:10:244::2/64"],
        ["10.244.0.3/24", "fd00:10:244::3/64"],
    )
    assert runtime.pings("a", "10.244.0.3")
    assert runtime.pings("a", "fd00:10:244::3")
    assert runtime.call("CHECK", "a", {**both, "prevResult": a.said}).code == 0
    # A second ADD asks for no second address, and does not give the first one back.
    again = runtime.call("ADD", "a", both)
    assert (again.code, again.said["code"]) == (1, 100)
    assert runtime.call("CHECK", "a", {**both, "prevResult": a.said}).code == 0
    runtime.type(f"rm {STORE}/10.244.0.2 {STORE}/fd00:*:2")
    assert runtime.call("CHECK", "a", {**both, "prevResult": a.said}).code == 1
    for each in ("a", "b", "a"):
        assert runtime.call("DEL", each, both, CNI_NETNS="").code == 0
    left = runtime.type(f"ls {STORE} /var/run/netns; ip -br link show type veth master cni0").split()
    assert sorted(left) == [f"{STORE}:", "/var/run/netns:", "last_reserved_ip.0", "last_reserved_ip.1", "lock"]


@needs_reference
def test_a_failing_ipam_leaves_nothing(lab: LabUnderTest) -> None:
    runtime = Runtime(lab)
    few = _local("10.244.0.0/30")
    runtime.add("b", few)
    before = runtime.state()
    answer = runtime.call("ADD", "a", few)
    assert answer.code == 1
    assert "host-local" in answer.said["msg"]
    assert runtime.state() == before


def test_it_is_called_with_what_labnet_was_called_with(lab: LabUnderTest) -> None:
    runtime = Runtime(lab)
    configuration = network(ipam={"type": "spy", "mine": [1, 2]}, runtimeConfig={"x": 1})
    given = {"cniVersion": "1.0.0", "ips": [{"address": "10.244.0.77/24", "gateway": "10.244.0.1"}], "dns": {}}
    more = {"CNI_PATH": f"/nowhere:/run/spy:{DEBIAN}", "CNI_ARGS": "K=V", "PATH": "/usr/bin:/bin"}
    _spy(runtime, json.dumps(given))
    added = runtime.add("a", configuration, **more)
    assert added.addresses == ["10.244.0.77/24"]
    checked = {**configuration, "prevResult": added.said}
    assert runtime.call("CHECK", "a", checked, **more).code == 0
    assert runtime.call("DEL", "a", checked, **more).code == 0
    assert runtime.type("cat /run/spy/calls").split() == ["ADD", "CHECK", "DEL"]
    for command, told in (("ADD", configuration), ("CHECK", checked), ("DEL", checked)):
        assert json.loads(runtime.type(f"cat /run/spy/{command}.json")) == told
        variables = dict(line.split("=", 1) for line in runtime.type(f"cat /run/spy/{command}.env").splitlines())
        assert variables == {
            "CNI_COMMAND": command,
            "CNI_CONTAINERID": "a",
            "CNI_IFNAME": "eth0",
            "CNI_NETNS": runtime.netns("a"),
            **more,
        }


@needs_reference
def test_check_asks_of_an_earlier_result_only_what_is_its_own(lab: LabUnderTest) -> None:
    runtime = Runtime(lab)
    local = _local()
    local["ipam"]["routes"] = [{"dst": "0.0.0.0/0"}]
    # What another plug-in of the list made, and took away again: that is its business.
    vpn = {
        "cniVersion": "1.0.0",
        "interfaces": [{"name": "vpn0", "sandbox": runtime.netns("a")}],
        "ips": [{"address": "192.0.2.2/24", "interface": 0}, {"address": "192.0.2.3/24"}],
        "routes": [{"dst": "198.51.100.0/24"}, {"dst": "203.0.113.0/24", "gw": "192.0.2.1"}],
    }
    said = runtime.add("a", {**local, "prevResult": vpn}).said
    assert len(said["ips"]) == 3
    assert len(said["routes"]) == 3
    checked = {**local, "prevResult": said}
    assert runtime.call("CHECK", "a", checked).code == 0
    # The same with another interface of the container.
    second = runtime.add("a", checked, interface="net1").said
    both = {**local, "prevResult": second}
    assert runtime.call("CHECK", "a", both, interface="net1").code == 0
    assert runtime.call("DEL", "a", checked).code == 0
    assert runtime.call("CHECK", "a", both).code == 1
    lost = {**second, "ips": second["ips"][:1]}
    answer = runtime.call("CHECK", "a", {**local, "prevResult": lost}, interface="net1")
    assert (answer.said["code"], answer.said["msg"]) == (101, "prevResult has no address of net1")
    odd = {**second, "ips": [{**each, "address": "somewhere"} for each in second["ips"]]}
    assert runtime.call("CHECK", "a", {**local, "prevResult": odd}, interface="net1").said["code"] == 7


@needs_reference
def test_check_misses_the_routes_that_ipam_gave(lab: LabUnderTest) -> None:
    runtime = Runtime(lab)
    local = _local()
    local["ipam"]["routes"] = [{"dst": "0.0.0.0/0"}, {"dst": "198.51.100.0/24", "gw": "10.244.0.9"}]
    said = runtime.add("a", local).said
    assert runtime.call("CHECK", "a", {**local, "prevResult": said}).code == 0
    runtime.type("ip -n a route del 198.51.100.0/24")
    answer = runtime.call("CHECK", "a", {**local, "prevResult": said})
    assert (answer.said["code"], answer.said["msg"]) == (101, "a has no route to 198.51.100.0/24")


def test_status_is_50_where_the_ipam_plugin_is_missing_or_not_ready(lab: LabUnderTest) -> None:
    runtime = Runtime(lab)
    configuration = network(ipam={"type": "spy"}, version="1.1.0")
    missing = runtime.call("STATUS", "a", configuration)
    assert (missing.code, missing.said["code"]) == (1, 50)
    assert "ipam.type is 'spy'" in missing.said["msg"]
    for answer, code, expected in (
        ("", 0, None),
        ('{"code": 50, "msg": "no lease server"}', 1, 50),
        ('{"code": 51, "msg": "no lease server"}', 1, 51),
        ('{"code": 4, "msg": "unknown CNI_COMMAND: STATUS"}', 1, 50),
        ("not json", 1, 50),
    ):
        _spy(runtime, answer, code)
        said = runtime.call("STATUS", "a", configuration, CNI_PATH="/run/spy").said
        assert (said and said["code"]) == expected, answer


def test_an_ipam_plugin_that_behaves_badly(lab: LabUnderTest) -> None:
    runtime = Runtime(lab)
    configuration = network(ipam={"type": "spy"})
    before = runtime.state()
    for answer, code, expected in (
        ("", 0, 104),
        ("{}", 0, 104),
        ('{"ips": [7]}', 0, 104),
        ('{"ips": [{"address": "somewhere"}]}', 0, 104),
        ('{"ips": [{"address": "10.244.0.2/24", "gateway": "x; reboot"}]}', 0, 104),
        ("not json", 1, 104),
        ('{"code": 11, "msg": "later"}', 1, 11),
        ('{"code": 0, "msg": "odd"}', 1, 104),
        ('{"code": true, "msg": "odd"}', 1, 104),
    ):
        _spy(runtime, answer, code)
        said = runtime.call("ADD", "a", configuration, CNI_PATH="/run/spy")
        assert (said.code, said.said["code"]) == (1, expected), (answer, said)
        # What failed after the ADD was given is given back (section 4).
        assert runtime.type("cat /run/spy/calls").split() == ["ADD", "DEL"], answer
        assert runtime.state() == before, answer


def test_gc_goes_on_where_the_ipam_plugin_fails(lab: LabUnderTest) -> None:
    runtime = Runtime(lab)
    configuration = network(ipam={"type": "spy"}, version="1.1.0")
    _spy(runtime, '{"cniVersion": "1.1.0", "ips": [{"address": "10.244.0.77/24"}]}')
    runtime.add("a", configuration, CNI_PATH="/run/spy")
    _spy(runtime, '{"code": 155, "msg": "no lease server"}', 1)
    answer = runtime.call("GC", "a", {**configuration, "cni.dev/valid-attachments": []}, CNI_PATH="/run/spy")
    assert (answer.code, answer.said["code"], answer.said["msg"]) == (1, 155, "spy: no lease server")
    assert runtime.type(f"ip -br link show type veth master cni0; ls {STORE} /var/run/netns").split() == [
        f"{STORE}:",
        "/var/run/netns:",
    ]


@pytest.mark.long
def test_an_ipam_plugin_that_hangs_is_ended_with_what_it_started(lab: LabUnderTest) -> None:
    runtime = Runtime(lab)
    before = runtime.state()
    # It waits for a child, which has its standard output; nobody ends that but labnet.
    script = "#!/bin/sh\necho $CNI_COMMAND >>/run/spy/calls\nsleep 987654\necho too late\n"
    runtime.type(f"mkdir -p /run/spy; cat >/run/spy/spy <<'END'\n{script}END\nchmod +x /run/spy/spy")
    answer = runtime.call("ADD", "a", network(ipam={"type": "spy"}), CNI_PATH="/run/spy")
    assert (answer.code, answer.said["code"]) == (1, 102), answer
    assert "spy did not end within 30 seconds, and was ended" in answer.said["msg"]
    assert runtime.type("cat /run/spy/calls").split() == ["ADD", "DEL"]
    assert runtime.type("pgrep -fx 'sleep 987654' || true") == ""
    assert runtime.state() == before
