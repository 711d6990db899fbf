"""Packets between real network namespaces: what is a yes, what is a no, and what cannot be told."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from labctl.errors import KernelRefused
from labctl.model.values import EchoResult
from tests.packet_scene import YES

if TYPE_CHECKING:
    from tests.packet_scene import Scene

pytestmark = pytest.mark.machine


def test_a_ping_is_answered_from_every_place_and_in_the_order_asked(scene: Scene) -> None:
    asks = [("a", "10.0.0.3"), ("b", "10.0.0.2"), ("a", "10.0.0.9"), ("host", "10.0.0.3"), ("a", "10.0.0.3")]
    assert [result.answered for result in scene.ping(*asks)] == [True, True, False, True, True]


def test_silence_from_a_firewall_is_a_no(scene: Scene) -> None:
    scene.run("b", "iptables -A INPUT -j DROP")
    asked = scene.ping(("a", "10.0.0.3"), ("a", "10.0.0.1"))
    assert asked == [EchoResult(answered=False, why="no answer from 10.0.0.3"), YES]


def test_without_a_route_the_answer_is_no(scene: Scene) -> None:
    (result,) = scene.ping(("b", "10.1.0.2"))
    assert result == EchoResult(answered=False, why="network is unreachable: no route to 10.1.0.2")


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("unreachable", "no route to host: a route says that 10.9.0.1 is unreachable"),
        ("prohibit", "permission denied: a route says that 10.9.0.1 is prohibited, or it is a broadcast address"),
        ("blackhole", "no route to host: the route to 10.9.0.1 is a blackhole"),
    ],
)
def test_a_route_of_the_sender_that_refuses_is_a_no(scene: Scene, kind: str, why: str) -> None:
    scene.run("a", f"ip route add {kind} 10.9.0.0/16")
    assert scene.ping(("a", "10.9.0.1")) == [EchoResult(answered=False, why=why)]


def test_what_a_router_refuses_is_a_no_in_its_words(scene: Scene) -> None:
    scene.order("expect", control="192.0.2.1")  # a control that nobody answers: silence would not be believed
    scene.run("host", "sysctl -w net.ipv4.ip_forward=1")
    scene.run("host", "ip route add unreachable 10.9.0.0/16")
    scene.run("host", "iptables -A FORWARD -d 10.1.0.2 -j REJECT")
    rejected, unrouted = scene.ping(("a", "10.1.0.2"), ("far", "10.9.0.1"))
    assert rejected == EchoResult(answered=False, why="10.0.0.1 says: port unreachable")
    assert unrouted == EchoResult(answered=False, why="10.1.0.1 says: host unreachable")


def test_routes_in_a_circle_are_named(scene: Scene) -> None:
    scene.run("host", "sysctl -w net.ipv4.ip_forward=1")
    scene.run("far", "sysctl -w net.ipv4.ip_forward=1")
    scene.run("host", "ip route add 10.9.0.0/16 via 10.1.0.2")
    (result,) = scene.ping(("a", "10.9.0.1"))
    assert not result.answered
    assert result.measured
    assert "circle" in result.why


def test_the_firewall_of_the_sender_is_named(scene: Scene) -> None:
    scene.run("a", "iptables -A OUTPUT -p icmp -j DROP")
    (result,) = scene.ping(("a", "10.0.0.3"))
    assert result == EchoResult(answered=False, why="the firewall of the sender refused it")


def test_an_interface_that_is_down_answers_nothing_until_it_is_up(scene: Scene) -> None:
    scene.run("b", "ip link set eth0 down")
    (down,) = scene.ping(("a", "10.0.0.3"))
    scene.run("b", "ip link set eth0 up")
    assert down == EchoResult(answered=False, why="no answer: nobody answers ARP for 10.0.0.3")
    assert scene.ping(("a", "10.0.0.3")) == [YES]


def leave_failed_entry(scene: Scene, place: str, address: str) -> None:
    """Have somebody else ask for an address that nobody has yet: the kernel asks again only after 1 s."""
    code = f"import socket; socket.socket(2, 2).sendto(b'', ('{address}', 9))"
    assert scene.order("run", place, sys.executable, "-c", code)[0] == 0
    assert "INCOMPLETE" in scene.run(place, f"ip neigh show {address}")


def test_an_arp_entry_of_an_earlier_failure_does_not_spoil_the_next_ping(scene: Scene) -> None:
    scene.run("b", "ip addr del 10.0.0.3/24 dev eth0")
    leave_failed_entry(scene, "a", "10.0.0.3")
    scene.run("b", "ip addr add 10.0.0.3/24 dev eth0")
    assert scene.ping(("a", "10.0.0.3")) == [YES]


def test_nor_does_one_on_the_way(scene: Scene) -> None:
    scene.order("expect", through=["host"])
    scene.run("host", "sysctl -w net.ipv4.ip_forward=1")
    scene.run("far", "ip addr del 10.1.0.2/24 dev eth0")
    leave_failed_entry(scene, "host", "10.1.0.2")
    scene.run("far", "ip addr add 10.1.0.2/24 dev eth0")
    scene.run("far", "ip route add default via 10.1.0.1")
    assert scene.ping(("a", "10.1.0.2")) == [YES]


def test_a_ping_leaves_no_failed_arp_entry_and_keeps_the_others(scene: Scene) -> None:
    scene.run("a", "ip neigh add 10.0.0.77 lladdr 02:00:00:00:00:77 dev eth0 nud permanent")
    scene.ping(("a", "10.0.0.9"), ("a", "10.0.0.3"))
    entries = scene.run("a", "ip neigh show")
    assert "10.0.0.9 " not in entries
    assert "10.0.0.3 " in entries
    assert "10.0.0.77 " in entries


def test_a_place_that_is_gone_cannot_tell_and_does_not_disturb_the_others(scene: Scene) -> None:
    gone, there = scene.ping(("nowhere", "10.0.0.3"), ("a", "10.0.0.3"))
    assert gone == EchoResult(answered=False, why="nowhere could not be entered: nowhere is gone", measured=False)
    assert there == YES


def test_silence_without_a_control_cannot_tell(scene: Scene) -> None:
    scene.run("host", "iptables -A INPUT -d 203.0.113.10 -j DROP")
    answered, silent, no_route = scene.ping(("a", "10.0.0.3"), ("a", "10.0.0.9"), ("b", "10.1.0.2"))
    assert answered == YES
    assert not silent.measured
    assert "control ping from host to 203.0.113.10" in silent.why
    assert no_route.measured


def test_silence_while_the_arp_table_overflows_cannot_tell(scene: Scene) -> None:
    scene.order("expect", overflows=True)
    answered, silent = scene.ping(("a", "10.0.0.3"), ("a", "10.0.0.9"))
    assert answered == YES
    assert not silent.measured
    assert "gc_thresh3" in silent.why


def test_what_is_no_address_is_not_looked_up_and_cannot_tell(scene: Scene) -> None:
    (result,) = scene.ping(("a", "localhost"))
    assert not result.measured
    assert scene.order("converse", ("a", "localhost", 5000))[0].startswith("refused: ")


RESPONDER = """
import os, socket, sys
door = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
os.write(int(sys.argv[1]), b"ready\\n")
os.close(int(sys.argv[1]))
def with_checksum(kind, rest):
    total = (kind << 8) + sum(int.from_bytes(rest[at:at + 2], "big") for at in range(0, len(rest), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return bytes([kind, 0]) + (0xFFFF - total).to_bytes(2, "big") + rest
def requests():
    while True:
        packet, caller = door.recvfrom(2048)
        if packet[20] == 8:
            yield packet, packet[24:], caller
"""
LATE = """
held = []
for packet, rest, caller in requests():
    held.append((with_checksum(0, rest), caller))
    if caller[0] == "10.1.0.1":
        for answer, asker in held:
            door.sendto(answer, asker)
"""
FORGER = """
for packet, rest, caller in requests():
    door.sendto(with_checksum(0, rest[:-1] + bytes([rest[-1] ^ 1])), caller)
    door.sendto(with_checksum(0, bytes([rest[0] ^ 1]) + rest[1:]), caller)
    door.sendto(with_checksum(3, bytes(4) + packet[:16] + bytes([10, 9, 9, 9]) + packet[20:]), caller)
    for malformed in packet[:22], b"\\x45", b"\\x40" + bytes(12), b"":
        door.sendto(with_checksum(3, bytes(4) + malformed), caller)
"""


def respond(scene: Scene, program: str) -> None:
    """Have a program answer the pings to the far host in the kernel's stead."""
    scene.run("host", "sysctl -w net.ipv4.ip_forward=1")
    scene.run("far", "sysctl -w net.ipv4.icmp_echo_ignore_all=1")
    assert scene.order("start", "far", sys.executable, "-c", RESPONDER + program, "{fd}") == "ready\n"


def test_an_answer_as_late_as_the_control_counts(scene: Scene) -> None:
    """The far host keeps what it would answer until the control, which is sent after the wait, reaches it too."""
    scene.order("expect", control="10.1.0.2")
    respond(scene, LATE)
    assert scene.ping(("a", "10.1.0.2")) == [YES]


def test_what_answers_another_ping_or_is_malformed_is_no_answer(scene: Scene) -> None:
    respond(scene, FORGER)
    assert scene.ping(("a", "10.1.0.2")) == [EchoResult(answered=False, why="no answer from 10.1.0.2")]


def test_thousands_of_asks_and_hundreds_of_places_are_answered_and_nothing_stays_open(scene: Scene) -> None:
    places = [f"n{number}" for number in range(230)]
    for place in places:
        scene.run("host", f"ip netns add {place}")
        scene.run(place, "ip link set lo up")
    before = scene.order("descriptors")
    asks = [(place, "127.0.0.1") for place in places for _ in range(5)]
    asks += [("a", "10.0.0.3")] * 850
    results = scene.ping(*asks)
    assert len(results) == 2000
    assert set(results) == {YES}
    assert scene.order("descriptors") == before


# ---- TCP, and the internet host --------------------------------------------------------------------------------


def test_a_conversation_tells_the_address_that_was_seen(scene: Scene) -> None:
    scene.serve("host", "10.0.0.1")
    asks = [("a", "10.0.0.1", 5000), ("b", "10.0.0.1", 5000), ("host", "10.0.0.1", 5000)]
    assert scene.order("converse", *asks) == ["10.0.0.2", "10.0.0.3", "10.0.0.1"]
    assert scene.order("converse_once", "a", "10.0.0.1", 5000) == "10.0.0.2"


def test_a_conversation_that_does_not_come_about_is_empty(scene: Scene) -> None:
    scene.serve("host", "10.0.0.1")
    scene.run("b", "iptables -A OUTPUT -j DROP")
    silent = ("a", "10.0.0.9", 5000)
    mute = ("a", "10.0.0.1", 80)  # a server that waits to be spoken to
    refused, unrouted, dropped = ("a", "10.0.0.3", 5000), ("b", "10.1.0.2", 5000), ("b", "10.0.0.1", 5000)
    assert scene.order("converse", silent, mute, refused, unrouted, dropped) == [""] * 5


_SLOW = """
import os, socket, sys, time
server = socket.create_server(("10.0.0.1", 5000))
os.write(int(sys.argv[1]), b"ready\\n")
os.close(int(sys.argv[1]))
caller, _ = server.accept()
time.sleep(1)  # the slow server itself: longer than a packet is waited for, shorter than who is connected
caller.sendall(b"late\\n")
"""


def test_who_is_connected_may_be_slow_to_answer(scene: Scene) -> None:
    """On a busy machine the other end may not get its turn for longer than a packet takes: that is no silence."""
    assert scene.order("start", "host", sys.executable, "-c", _SLOW, "{fd}") == "ready\n"
    assert scene.order("converse", ("a", "10.0.0.1", 5000), ("a", "10.0.0.9", 5000)) == ["late", ""]


def test_a_conversation_that_proves_nothing_is_an_error(scene: Scene) -> None:
    scene.serve("host", "10.0.0.1")
    scene.run("host", "iptables -A INPUT -d 203.0.113.10 -j DROP")
    asks = [("nowhere", "10.0.0.1", 5000), ("a", "10.0.0.9", 5000), ("a", "10.0.0.1", 5000), ("b", "10.1.0.2", 5000)]
    gone, silent, heard, unrouted = scene.order("converse", *asks)
    assert gone == "refused: 10.0.0.1 could not be asked from nowhere: nowhere is gone"
    assert silent.startswith("refused: 10.0.0.9 said nothing, but the control ping")
    assert heard == "10.0.0.2"
    assert unrouted == ""
    with pytest.raises(KernelRefused, match="nowhere is gone"):
        scene.order("converse_once", "nowhere", "10.0.0.1", 5000)
