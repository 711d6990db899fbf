"""CHECK, GC and STATUS of labnet, and its store."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.cni_runtime import RANGE, RANGE_6, STORE, Runtime, network

if TYPE_CHECKING:
    from tests.lab_under_test import LabUnderTest

pytestmark = [pytest.mark.machine, pytest.mark.anybody]

VALID = "cni.dev/valid-attachments"
_END = "$(ip -j -d link show type veth master cni0 | jq -r '.[0].ifname')"
# What is taken away, and what of the complaint.
DAMAGES = (
    ("ip -n a addr del 10.244.0.2/24 dev eth0", "eth0 of node/a has no address"),
    ("ip -n a addr replace 10.244.0.9/24 dev eth0; ip -n a addr del 10.244.0.2/24 dev eth0", "expected 10.244.0.2/24"),
    ("ip -n a route del default", "a has no default route"),
    ("ip -n a route replace default via 10.244.0.7", "the default route of a is via 10.244.0.7"),
    ("ip -n a link del eth0", "a has no eth0"),
    ("ip -n a link set eth0 down", "eth0 of a is down"),
    ("ip -n a link set eth0 down; ip -n a link set eth0 name eth9", "its other end is not in a"),
    ("ip -n a link set eth0 address 02:00:00:00:00:07", "prevResult says"),
    (f"ip link set {_END} down", "is down; expected up"),
    (f"ip link set {_END} nomaster", "is not a port of cni0"),
    (f"ip link set {_END} type bridge_slave hairpin off", "expected hairpin"),
    ("ip link set cni0 down", "cni0 on node is down"),
    ("ip addr del 10.244.0.1/24 dev cni0", "cni0 of node has no address"),
    ("iptables -D FORWARD -s 10.244.0.0/24 -j ACCEPT", "FORWARD"),
    ("iptables -D FORWARD -d 10.244.0.0/24 -j ACCEPT", "FORWARD"),
    ("iptables -t nat -F", "POSTROUTING"),
    (f"sed -i 's/.* a .*/10.244.0.99 other/' {STORE}/reserved", "no address is reserved for a eth0"),
    (f"sed -i 's/^10.244.0.2 a /10.244.0.8 a /' {STORE}/reserved", "10.244.0.8/24"),
    ("rm /var/run/netns/a", "has no /var/run/netns/a"),
    ("ln -sfT /proc/999999999/ns/net /var/run/netns/a", "leads to /proc/999999999/ns/net"),
)  # fmt: skip


def _checked(said: dict[str, Any], **more: Any) -> dict[str, Any]:  # noqa: ANN401 (of a configuration)
    return network(prevResult=said, **more)


@pytest.mark.parametrize(("damage", "complaint"), DAMAGES)
def test_check_finds_each_thing_taken_away(lab: LabUnderTest, damage: str, complaint: str) -> None:
    runtime = Runtime(lab)
    said = runtime.add().said
    before = lab.snapshot()
    assert runtime.call("CHECK", "a", _checked(said)).code == 0
    assert lab.snapshot() == before
    runtime.type(damage)
    damaged = lab.snapshot()
    answer = runtime.call("CHECK", "a", _checked(said))
    assert (answer.code, answer.said["code"]) == (1, 101), answer
    assert complaint in answer.said["msg"], answer
    assert lab.snapshot() == damaged
    # DEL takes away what is left, and a new ADD mends what is shared.
    assert runtime.call("DEL").code == 0
    assert runtime.call("CHECK", "a", _checked(runtime.add().said)).code == 0


def test_check_of_ipv6_finds_each_thing_taken_away(lab: LabUnderTest) -> None:
    runtime = Runtime(lab)
    both = network(RANGE, RANGE_6)
    for damage in (
        "ip -n a addr del fd00:10:244::2/64 dev eth0",
        "ip -n a -6 route del default",
        "ip addr del fd00:10:244::1/64 dev cni0",
        "ip6tables -F FORWARD",
        "ip6tables -t nat -F POSTROUTING",
    ):
        said = runtime.add("a", both).said
        assert runtime.call("CHECK", "a", {**both, "prevResult": said}).code == 0
        runtime.type(damage)
        answer = runtime.call("CHECK", "a", {**both, "prevResult": said})
        assert answer.said["code"] == 101, damage
        assert runtime.call("DEL", "a", both).code == 0


def test_check_holds_what_add_answered_against_the_kernel(lab: LabUnderTest) -> None:
    runtime = Runtime(lab)
    said = runtime.add().said
    assert runtime.call("CHECK", "a", network()).said["code"] == 7
    for key, value in (("ips", []), ("interfaces", []), ("ips", [{"address": "10.244.0.3/24", "interface": 2}])):
        assert runtime.call("CHECK", "a", _checked({**said, key: value})).said["code"] == 101, key
    assert runtime.call("CHECK", "b", _checked(said)).said["code"] == 101
    assert runtime.call("CHECK", "a", _checked(said), interface="eth1").said["code"] == 101


def test_gc_takes_away_what_the_runtime_does_not_name(lab: LabUnderTest) -> None:
    runtime = Runtime(lab)
    other = {**network({"subnet": "10.245.0.0/24"}, bridge="cni1", version="1.1.0"), "name": "other"}
    now = network(version="1.1.0")
    runtime.add("a", now)
    runtime.add("b", other, interface="net1")
    # Step 1's own lines: made by hand, no interface.
    runtime.type(f"printf '%s\\n' '10.244.0.1 cni0' '10.244.0.9 b' >>{STORE}/reserved")
    before = lab.snapshot()
    runtime.add("b", now)
    runtime.add("a", now, interface="eth1")
    kept = [{"containerID": "a", "ifname": "eth0"}]
    # Without the key nothing is known to be valid, or not: nothing is taken away.
    unnamed = runtime.call("GC", "a", now)
    assert (unnamed.code, unnamed.said["code"]) == (1, 7)
    assert lab.snapshot() != before
    for bad in ("all", [7], [{"containerID": "a"}]):
        assert runtime.call("GC", "a", {**now, VALID: bad}).said["code"] == 7
    assert runtime.call("GC", "a", {**now, VALID: kept}).code == 0
    assert lab.snapshot() == before
    assert runtime.call("GC", "a", {**now, VALID: kept}).code == 0
    assert lab.snapshot() == before
    # An empty list, also as Go spells it.
    nobody: tuple[list[str] | None, ...] = ([], None)
    for empty in nobody:
        runtime.call("ADD", "a", now)
        assert runtime.call("GC", "a", {**now, VALID: empty}).code == 0
        assert runtime.type(f"cat {STORE}/reserved") == "10.244.0.1 cni0\n10.244.0.9 b\n"
        assert runtime.type("ls /var/run/netns; ip -br link show type veth master cni0") == "b\n"
    assert runtime.type("ip -br link show type veth master cni1 | wc -l") == "1\n"


# `ip` as labnet finds it: refuses to delete one link.
_REFUSING_IP = """\
#!/bin/sh
given=$(cat)
case $given in *"link del dev $(cat /run/refused)"*) echo 'RTNETLINK answers: Device or resource busy' >&2
  echo 'Command failed -:1' >&2; exit 1 ;; esac
printf '%s\\n' "$given" | /usr/sbin/ip "$@"
"""


def test_gc_takes_away_what_it_can_and_says_what_it_cannot(lab: LabUnderTest) -> None:
    runtime = Runtime(lab)
    now = network(version="1.1.0", **{VALID: []})
    ends = [runtime.add("a", now, interface=each).said["interfaces"][1]["name"] for each in ("eth0", "eth1")]
    runtime.add("b", now)
    runtime.type(f"cat >/opt/labctl/bin/ip <<'END'\n{_REFUSING_IP}END\nchmod +x /opt/labctl/bin/ip")
    runtime.type(f"echo {ends[0]} >/run/refused")
    answer = runtime.call("GC", "a", now)
    assert (answer.code, answer.said["code"]) == (1, 102), answer
    assert f"link del dev {ends[0]}" in answer.said["msg"]
    # What is still there is still noted: the next GC knows of it.
    assert runtime.type("/usr/sbin/ip -br link show type veth master cni0 | wc -l") == "1\n"
    assert runtime.type(f"cat {STORE}/reserved") == "10.244.0.2 a eth0\n"
    assert runtime.type("ls /var/run/netns") == "a\n"
    runtime.type("rm /opt/labctl/bin/ip")
    assert runtime.call("GC", "a", now).code == 0
    assert runtime.type(f"ls {STORE} /var/run/netns; ip -br link show type veth master cni0").split() == [
        f"{STORE}:",
        "/var/run/netns:",
    ]


def test_gc_and_status_need_no_attachment(lab: LabUnderTest) -> None:
    runtime = Runtime(lab)
    now = network(version="1.1.0")
    before = runtime.state()
    for command, configuration in (("GC", {**now, VALID: []}), ("STATUS", now)):
        answer = runtime.ask({"CNI_COMMAND": command, "CNI_PATH": "/opt/cni/bin"}, json.dumps(configuration))
        assert (answer.code, answer.said) == (0, None)
    assert runtime.state() == before


def test_the_store_gives_the_lowest_free_address_and_releases_only_its_own(lab: LabUnderTest) -> None:
    runtime = Runtime(lab)
    lines = "".join(f"10.244.0.{number} x{number} eth0\n" for number in range(3, 20))
    runtime.type(f"mkdir -p {STORE}; printf '%s' '{lines}' >{STORE}/reserved")
    assert runtime.add("a").addresses == ["10.244.0.2/24"]
    assert runtime.add("b").addresses == ["10.244.0.20/24"]
    assert runtime.call("DEL", "a").code == 0
    assert runtime.type(f"cat {STORE}/reserved") == f"{lines}10.244.0.20 b eth0\n"
    assert runtime.add("a").addresses == ["10.244.0.2/24"]
    # A line without an interface is somebody's own, of whatever name.
    runtime.type(f"echo '10.244.0.21 a' >>{STORE}/reserved")
    assert runtime.call("DEL", "a").code == 0
    assert runtime.type(f"tail -n1 {STORE}/reserved") == "10.244.0.21 a\n"


def test_who_answers_is_asked_only_if_wanted(lab: LabUnderTest) -> None:
    runtime = Runtime(lab)
    runtime.add("b")
    # Somebody has an address that nobody reserved.
    runtime.type("ip -n b addr add 10.244.0.3/24 dev eth0; ip -n b addr add 10.244.0.4/24 dev eth0")
    assert runtime.add("a").addresses == ["10.244.0.3/24"]
    assert runtime.call("DEL", "a").code == 0
    asking = network()
    asking["ipam"]["scan"] = True
    assert runtime.add("a", asking).addresses == ["10.244.0.5/24"]


def test_who_answers_is_asked_of_the_next_few_addresses_only(lab: LabUnderTest) -> None:
    runtime = Runtime(lab)
    wide = network({"subnet": "10.244.0.0/16"}, {"subnet": "10.224.0.0/12"}, {"subnet": "fd00:10:244::/64"})
    runtime.add("b", wide)
    # nmap of a range of a million addresses takes hours; what it was asked is written down.
    script = '#!/bin/sh\necho "$*" >>/run/asked\nexec /usr/bin/nmap "$@"\n'
    runtime.type(f"cat >/opt/labctl/bin/nmap <<'END'\n{script}END\nchmod +x /opt/labctl/bin/nmap")
    answering = "".join(f"addr add 10.244.0.{number}/16 dev eth0\n" for number in range(3, 23))
    runtime.type(f"ip -n b -batch - <<'END'\n{answering}END")
    wide["ipam"]["scan"] = True
    assert runtime.add("a", wide).addresses == ["10.244.0.23/16", "10.224.0.3/12", "fd00:10:244::3/64"]
    first, second = runtime.type("cat /run/asked").splitlines()
    hosts = [{word for word in line.split() if word.startswith("10.")} for line in (first, second)]
    assert hosts[0] == {f"10.{net}.0.{number}" for net in (224, 244) for number in range(3, 11)}
    # One that is silent is not asked again.
    assert hosts[1] == {f"10.244.0.{number}" for number in range(11, 43)}


def test_a_question_that_could_not_be_asked_is_no_silence(lab: LabUnderTest) -> None:
    runtime = Runtime(lab)
    before = runtime.state()
    script = "#!/bin/sh\necho 'nobody may ask' >&2\nexit 1\n"
    runtime.type(f"cat >/opt/labctl/bin/nmap <<'END'\n{script}END\nchmod +x /opt/labctl/bin/nmap")
    asking = network()
    asking["ipam"]["scan"] = True
    answer = runtime.call("ADD", "a", asking)
    assert (answer.code, answer.said["code"]) == (1, 102), answer
    assert "nobody may ask" in answer.said["msg"]
    assert runtime.state() == before
