"""What labctl reads of a namespace is what iproute2 says of it, whatever odd things there are."""

from __future__ import annotations

import errno
import json
import socket
import struct
from typing import TYPE_CHECKING, Any

import pytest

from labctl.errors import KernelRefused, WorldGone
from labctl.kernel import rtnetlink
from labctl.kernel.net_looks import as_link
from labctl.model import Place

if TYPE_CHECKING:
    from labctl.model.ports import Net
    from tests.lab_under_test import LabUnderTest

pytestmark = pytest.mark.machine

HERE = Place("master")
LINES = (
    "link add cni0 type bridge",
    "link set cni0 up",
    "addr add 10.0.0.1/24 dev cni0",
    "link add v1 type veth peer name far netns odd",
    "link set v1 master cni0 up",
    "link set v1 type bridge_slave hairpin on",
    "link add w1 type veth peer name w2",
    "link set w1 alias 'hello wörld'",
    "link set w1 up",
    "link set w2 up",
    "addr add 10.1.0.1 peer 10.1.0.2/32 dev w1",
    "addr add 10.1.0.9/24 dev w1 label w1:x",
    "addr add 10.1.0.9/8 dev w2",
    "addr add fd00::1/64 dev w1",
    "link add link w1 name mv type macvlan",
    "route add blackhole 10.9.0.0/16",
    "route add unreachable 10.8.0.0/16 metric 77",
    "route add prohibit 10.7.0.0/16",
    "route add throw 10.6.0.0/16",
    "route add 10.20.0.0/16 via 10.0.0.5",
    "route add 10.21.0.0/16 via 10.0.0.5 proto static src 10.0.0.1 metric 5",
    "route add 10.30.0.0/16 nexthop via 10.0.0.5 nexthop via 10.0.0.6",
    "route add 10.40.0.0/16 via inet6 fd00::9 dev w1",
    "route add 10.50.0.0/16 dev cni0 table 300",
    "route add 10.60.0.0/16 dev cni0 table 70000 proto 99",
    "neigh add 10.0.0.77 lladdr 02:00:00:00:00:01 dev cni0 nud permanent",
    "neigh add 10.0.0.78 lladdr 02:00:00:00:00:02 dev cni0 nud stale",
)


@pytest.fixture
def odd(lab: LabUnderTest) -> LabUnderTest:
    done = lab.type("master", "ip netns add odd\nip -batch - <<'END'\n" + "\n".join(LINES) + "\nEND\n")
    assert done.code == 0, done.err
    return lab


def _ip(lab: LabUnderTest, *words: str) -> list[dict[str, Any]]:
    done = lab.kernel.programs(HERE).run(("ip", "-j", *words))
    assert done.code == 0, done.err
    said: list[dict[str, Any]] = json.loads(done.out)
    return said


def _net(lab: LabUnderTest) -> Net:
    lab.kernel.refresh()
    return lab.kernel.net(HERE)


def test_links(odd: LabUnderTest) -> None:
    said = {each["ifname"]: each for each in _ip(odd, "-d", "link")}
    links = _net(odd).links()
    assert {link.name for link in links} == set(said) >= {"lo", "cni0", "v1", "w1", "w2", "mv"}
    names = {link.index: link.name for link in links}
    assert _net(odd).link_names() == names
    for link in links:
        told = said[link.name]
        assert _net(odd).link(link.name) == link
        assert (link.index, link.mac) == (told["ifindex"], told["address"])
        assert link.up is ("UP" in told["flags"])
        assert link.kind == told.get("linkinfo", {}).get("info_kind", "")
        assert names.get(link.master or 0) == told.get("master")
        assert link.hairpin is told.get("linkinfo", {}).get("info_slave_data", {}).get("hairpin", False)
        assert link.alias == told.get("ifalias", "")
        assert link.peer_netns == told.get("link_netnsid")
        if "link" in told:
            assert names[link.peer_index or 0] == told["link"]
    assert [link.name for link in links if link.hairpin] == ["v1"]
    assert [link.alias for link in links if link.name == "w1"] == ["hello wörld"]


@pytest.mark.parametrize("name", ["none", "", "a-name-as-long-as-none-can-be"])
def test_no_link(odd: LabUnderTest, name: str) -> None:
    if name in ("none", ""):
        assert _net(odd).link(name) is None
    else:
        with pytest.raises(KernelRefused, match="refused to look at"):
            _net(odd).link(name)


def test_addresses(odd: LabUnderTest) -> None:
    said = [
        (each["label"], f"{each['local']}/{each['prefixlen']}")
        for link in _ip(odd, "-4", "addr")
        for each in link["addr_info"]
    ]
    assert [(each.device, each.cidr) for each in _net(odd).addresses()] == said
    assert ("w1", "10.1.0.1/32") in said
    assert ("w1:x", "10.1.0.9/24") in said


def test_routes(odd: LabUnderTest) -> None:
    kinds = {"1": "unicast", "6": "blackhole", "7": "unreachable", "8": "prohibit", "9": "9"}
    said = [
        (kinds[each["type"]], each["dst"], each.get("gateway", ""), each.get("prefsrc", ""), each.get("metric", 0))
        for each in _ip(odd, "-4", "-d", "-N", "route", "show", "table", "all")
        if each.get("table") != "255"
    ]
    found = _net(odd).routes()
    spelled = [(r.kind, r.destination.removesuffix("/32"), r.via, r.source, r.metric) for r in found]
    assert sorted(spelled) == sorted(said)
    tables = {route.destination: (route.table, route.protocol, route.device) for route in found}
    assert tables["10.50.0.0/16"] == (300, "boot", "cni0")
    assert tables["10.60.0.0/16"] == (70000, "99", "cni0")
    assert tables["10.21.0.0/16"] == (254, "static", "cni0")
    assert tables["10.0.0.0/24"] == (254, "kernel", "cni0")


def test_the_way_of_a_packet(odd: LabUnderTest) -> None:
    for target in ("10.0.0.3", "10.20.1.1", "10.21.1.1", "10.40.0.1", "10.1.0.2", "127.0.0.1", "10.0.0.1"):
        (said,) = _ip(odd, "route", "get", target)
        way = _net(odd).route_to(target)
        assert way is not None
        assert (way.device, way.source) == (said["dev"], said["prefsrc"])
        assert way.via == said.get("gateway", "")
    for target in ("10.9.0.1", "10.8.0.1", "10.7.0.1"):
        assert _net(odd).route_to(target) is None


def test_neighbours(odd: LabUnderTest) -> None:
    net = _net(odd)
    assert [(each.device, each.address, each.mac) for each in net.neighbours()] == [
        ("cni0", "10.0.0.77", "02:00:00:00:00:01")
    ]
    for each in ("10.0.0.77", "10.0.0.78", "10.0.0.79"):
        net.forget_neighbour(each)
    assert [each["dst"] for each in _ip(odd, "neigh")] == ["10.0.0.77"]


def test_of_who_does_not_answer_nothing_is_remembered(odd: LabUnderTest) -> None:
    silent = [f"10.0.0.{number}" for number in (40, 41, 42)]
    assert [each.answered for each in odd.kernel.packets.ping([(HERE, each) for each in silent])] == [False] * 3
    assert sorted(each["dst"] for each in _ip(odd, "neigh", "show", "dev", "cni0")) == ["10.0.0.77", "10.0.0.78"]


def test_numbers_of_namespaces(odd: LabUnderTest) -> None:
    far = Place("master", "odd")
    numbers = {each["name"]: each["id"] for each in _ip(odd, "netns") if "id" in each}
    assert _net(odd).number_of(far) == numbers["odd"]
    assert _net(odd).number_of(Place("master", "a")) is None


def test_many_links_come_in_many_pieces(lab: LabUnderTest) -> None:
    many = 300
    lines = "".join(f"link add m{each} type bridge\n" for each in range(many))
    assert lab.type("master", f"ip -batch - <<'END'\n{lines}END\n").code == 0
    assert {f"m{each}" for each in range(many)} < {link.name for link in _net(lab).links()}


def test_a_container_that_is_gone(odd: LabUnderTest) -> None:
    far = Place("master", "odd")
    assert [link.name for link in odd.kernel.net(far).links()] == ["lo", "far"]
    odd.type("master", "ip netns del odd")
    with pytest.raises(KernelRefused):
        odd.kernel.net(far).links()
    with pytest.raises(WorldGone):
        odd.kernel.net(Place("nobody")).links()


def test_who_only_looks_does_not_wait_for_pyroute2(lab: LabUnderTest) -> None:
    def imported(*arguments: str) -> set[str]:
        said = lab.labctl(*arguments, environment={"PYTHONPROFILEIMPORTTIME": "1"})
        return {line.rpartition("|")[2].strip() for line in said.err.splitlines() if line.startswith("import time:")}

    assert "pyroute2" in imported("step", "0", "--apply")
    for look in (("status",), ("step", "0", "--verify"), ("snapshot",)):
        assert "pyroute2" not in imported(*look)
        assert "labctl.kernel.net_looks" in imported(*look)


def test_what_the_kernel_has_learned_of_one_destination_is_no_route(lab: LabUnderTest) -> None:
    """A router behind which a link has a smaller MTU says so by ICMP, and the kernel remembers that for ten minutes."""
    script = """
    for each in near router far; do ip netns add $each; done
    ip -n near link add n0 type veth peer name r0 netns router
    ip -n router link add r1 mtu 1400 type veth peer name f0 mtu 1400 netns far
    ip -n near addr add 10.1.0.1/24 dev n0; ip -n near link set n0 up; ip -n near route add default via 10.1.0.2
    ip -n router addr add 10.1.0.2/24 dev r0; ip -n router link set r0 up
    ip -n router addr add 10.2.0.2/24 dev r1; ip -n router link set r1 up
    ip netns exec router sysctl -qw net.ipv4.ip_forward=1
    ip -n far addr add 10.2.0.3/24 dev f0; ip -n far link set f0 up; ip -n far route add default via 10.2.0.2
    ip netns exec near ping -c 2 -i 0.1 -W 1 -M do -s 1440 10.2.0.3 || true
    ip -n near route get 10.2.0.3
    """
    assert "mtu 1400" in lab.type("master", script).out
    net = lab.kernel.net(Place("master", "near"))
    assert sorted(route.destination for route in net.routes()) == ["10.1.0.0/24", "default"]
    way = net.route_to("10.2.0.3")
    assert way is not None
    assert way.via == "10.1.0.2"


def _link_message(slave_kind: bytes, slave_data: bytes) -> bytes:
    """An RTM_NEWLINK of eth0, a slave of what there is none of here; numbers of if_link.h."""
    slave = rtnetlink.attribute(4, slave_kind + b"\0") + rtnetlink.attribute(5, slave_data)
    head = struct.pack("=BxHiII", 0, 1, 2, 1, 0)
    return head + rtnetlink.attribute(3, b"eth0\0") + rtnetlink.attribute(18, slave)


@pytest.mark.parametrize(("kind", "expected"), [(b"bridge", True), (b"bond", False), (b"team", False)])
def test_only_a_port_of_a_bridge_has_hairpin(kind: bytes, expected: bool) -> None:  # noqa: FBT001 (a table's column)
    link = as_link(_link_message(kind, rtnetlink.attribute(4, b"\2")))
    assert (link.name, link.up, link.hairpin) == ("eth0", True, expected)


def _message(kind: int, payload: bytes = b"", flags: int = 2) -> bytes:
    return struct.pack("=IHHII", 16 + len(payload), kind, flags, 1, 0) + payload


DONE, ERROR, LINK, INTERRUPTED = 3, 2, 16, 0x10


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ((_message(LINK, b"one!") + _message(LINK, b"two!"), _message(DONE, bytes(4))), ([b"one!", b"two!"], True)),
        ((_message(LINK, b"one!", 2 | INTERRUPTED), _message(DONE, bytes(4))), ([b"one!"], False)),
        ((_message(LINK, b"one!"), _message(DONE, bytes(4), 2 | INTERRUPTED)), ([b"one!"], False)),
        ((_message(1) + _message(LINK, b"one!") + _message(DONE),), ([b"one!"], True)),
    ],
)
def test_a_dump_is_heard_to_its_end(answers: tuple[bytes, ...], expected: tuple[list[bytes], bool]) -> None:
    assert _hear(answers) == expected


@pytest.mark.parametrize(
    ("answers", "number"),
    [
        ((_message(LINK, b"one!"), _message(DONE, struct.pack("=i", -errno.EPERM))), errno.EPERM),
        ((_message(LINK, b"one!"), _message(ERROR, struct.pack("=i", -errno.ENODEV) + bytes(16))), errno.ENODEV),
        ((_message(LINK, bytes(1 << 16)),), errno.EMSGSIZE),
    ],
)
def test_a_dump_that_the_kernel_cannot_end_is_an_error(answers: tuple[bytes, ...], number: int) -> None:
    with pytest.raises(OSError) as refused:  # noqa: PT011 (its number is asked for below)
        _hear(answers)
    assert refused.value.errno == number


def _hear(answers: tuple[bytes, ...]) -> tuple[list[bytes], bool]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        for each in answers:
            theirs.send(each)
        return rtnetlink.hear_out(ours, dump=True)


def test_what_changes_while_it_is_told_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupted twice: the third answer is given; interrupted each time: an error, and not for ever."""
    hear_out, heard = rtnetlink.hear_out, []

    def interrupted(sock: socket.socket, *, dump: bool) -> tuple[list[bytes], bool]:
        found, _ = hear_out(sock, dump=dump)
        heard.append(len(found))
        return found, len(heard) == 3

    monkeypatch.setattr(rtnetlink, "hear_out", interrupted)
    body = struct.pack("=BxHiII", 0, 0, 0, 0, 0)
    assert len(rtnetlink.ask(18, body, dump=True)) == heard[-1]
    assert len(heard) == 3
    with pytest.raises(OSError, match="faster than it can be told"):
        rtnetlink.ask(18, body, dump=True)


def test_what_is_cut_short_is_no_attribute_of_another() -> None:
    whole = rtnetlink.attribute(3, b"cni0\0") + rtnetlink.attribute(5, b"\1\0\0\0")
    assert rtnetlink.attributes(whole) == {3: b"cni0\0", 5: b"\1\0\0\0"}
    assert rtnetlink.attributes(whole[:-1]) == {3: b"cni0\0"}
    assert rtnetlink.attributes(whole[:8]) == {}
    assert rtnetlink.attributes(b"") == {}
    assert rtnetlink.number(b"\1\0") == 1
    assert rtnetlink.number(None) is None
    assert (rtnetlink.text(b"x\0y"), rtnetlink.text(None), rtnetlink.address(None)) == ("x", "", "")
