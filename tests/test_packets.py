"""Packets between real network namespaces: what is a yes, what is a no, and what cannot be told.

Each test has a machine of its own: a process below `unshare`, of this very file, that makes namespaces and does what
it is told over a pipe. Nothing outside it changes, and its end takes everything away. The scene::

    a 10.0.0.2 ──┐
    b 10.0.0.3 ──┼── bridge 10.0.0.1   host   10.1.0.1 ──── far 10.1.0.2
                                       203.0.113.10 on lo: the control
"""

from __future__ import annotations

import ast
import ctypes
import itertools
import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import pytest

from labctl.errors import KernelRefused, LabError
from labctl.kernel import internet, neighbours
from labctl.kernel.packets import SidePackets
from labctl.model import Place
from labctl.model.value import as_dict
from labctl.model.values import EchoResult

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.machine

YES = EchoResult(answered=True)
CONTROL = "203.0.113.10"
UNSHARE = ("unshare", "-Urnmpf", "--mount-proc", "--kill-child")
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
SCENE = """
ip link set lo up
ip netns add a
ip netns add b
ip netns add host
ip netns add far
ip -n host link set lo up
ip -n host addr add 203.0.113.10/32 dev lo
ip -n host link add bridge type bridge
ip -n host addr add 10.0.0.1/24 dev bridge
ip -n host link set bridge up
ip -n host link add va type veth peer name eth0 netns a
ip -n host link set va master bridge up
ip -n host link add vb type veth peer name eth0 netns b
ip -n host link set vb master bridge up
ip -n host link add vfar type veth peer name eth0 netns far
ip -n host addr add 10.1.0.1/24 dev vfar
ip -n host link set vfar up
ip -n a addr add 10.0.0.2/24 dev eth0
ip -n a link set eth0 up
ip -n a route add default via 10.0.0.1
ip -n b addr add 10.0.0.3/24 dev eth0
ip -n b link set eth0 up
ip -n far addr add 10.1.0.2/24 dev eth0
ip -n far link set eth0 up
ip -n far route add default via 10.1.0.1
"""


# ---- inside: what the process below `unshare` does ----------------------------------------------------------------


@contextmanager
def enter(place: Place) -> Iterator[None]:
    """Be in the network namespace that `ip netns` knows by the place's name; a stand-in for the kernel's own."""
    if not Path(f"/run/netns/{place}").exists():
        raise KernelRefused(f"{place} is gone")
    setns = ctypes.CDLL(None, use_errno=True).setns
    with Path("/proc/self/ns/net").open() as home, Path(f"/run/netns/{place}").open() as there:
        assert setns(there.fileno(), 0) == 0
        try:
            yield
        finally:
            assert setns(home.fileno(), 0) == 0


@dataclass
class Inside:
    """The orders that `Scene` can give; each takes and returns what JSON can carry."""

    control: str = CONTROL
    through: tuple[str, ...] = ()
    overflows: bool = False
    standing: list[subprocess.Popen[str]] = field(default_factory=list)

    def packets(self) -> SidePackets:
        """Build what is tested. A full ARP table is faked: filling it would disturb the whole machine."""
        if self.overflows:
            neighbours.count_overflows = itertools.count().__next__
        return SidePackets(enter, (Place("host"), self.control), [Place(name) for name in self.through])

    def run(self, place: str, *argv: str) -> tuple[int, str, str]:
        """Run a program to its end; its code, output and errors."""
        with enter(Place(place)):
            done = subprocess.run(argv, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    def start(self, place: str, *argv: str) -> str:
        """Start a program that stays; wait for the line that it says on the descriptor that `{fd}` stands for."""
        ours, theirs = os.pipe()
        with enter(Place(place)), os.fdopen(ours) as said:
            command = [word.format(fd=theirs) for word in argv]
            self.standing.append(subprocess.Popen(command, pass_fds=[theirs], text=True))
            os.close(theirs)
            return said.readline()

    def expect(self, **settings: object) -> None:
        """Choose the control, the places on the way, or that the ARP table overflows."""
        vars(self).update(settings)

    def ping(self, *asks: tuple[str, str]) -> list[tuple[Any, ...]]:
        """Ping."""
        results = self.packets().ping([(Place(place), address) for place, address in asks])
        return [tuple(as_dict(result).values()) for result in results]

    def converse(self, *asks: tuple[str, str, int]) -> list[str]:
        """Open TCP connections; an error as its text, marked."""
        lines = self.packets().converse_all([(Place(place), address, port) for place, address, port in asks])
        return [f"refused: {line}" if isinstance(line, LabError) else line for line in lines]

    def converse_once(self, place: str, address: str, port: int) -> str:
        """Open one TCP connection."""
        return self.packets().converse(Place(place), address, port)

    def descriptors(self) -> int:
        """Count the open descriptors of this process."""
        return len(list(Path("/proc/self/fd").iterdir()))

    def memory(self) -> int:
        """How much the last program that stays takes, in kB (PSS)."""
        rollup = Path(f"/proc/{self.standing[-1].pid}/smaps_rollup").read_text()
        return int(rollup.partition("\nPss:")[2].split()[0])


def obey(orders: IO[str], answers: IO[str]) -> None:
    """Make the scene, then do as told, line by line."""
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
    for line in SCENE.split("\n"):
        if line:
            subprocess.run(line.split(), check=True)
    Path("/proc/sys/net/ipv4/ip_forward").write_text("0")
    inside = Inside()
    print("ready", file=answers, flush=True)
    for order in orders:
        name, arguments, settings = json.loads(order)
        try:
            answer = [True, getattr(inside, name)(*arguments, **settings)]
        except KernelRefused as error:
            answer = [False, str(error)]
        print(json.dumps(answer), file=answers, flush=True)


# ---- outside: the tests --------------------------------------------------------------------------------------------


class Scene:
    """The machine of one test, from outside."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        """Wait until it stands."""
        assert process.stdin
        assert process.stdout
        self.orders, self.answers = process.stdin, process.stdout
        assert self.answers.readline() == "ready\n"

    def order(self, name: str, *arguments: object, **settings: object) -> Any:  # noqa: ANN401 - whatever JSON carries
        """Have `Inside` do something."""
        print(json.dumps([name, arguments, settings]), file=self.orders, flush=True)
        went_well, answer = json.loads(self.answers.readline())
        if not went_well:
            raise KernelRefused(answer)
        return answer

    def run(self, place: str, command: str) -> str:
        """Run a command line at a place; it must succeed."""
        code, out, err = self.order("run", place, *command.split())
        assert code == 0, f"{command}: {err}"
        return str(out)

    def ping(self, *asks: tuple[str, str]) -> list[EchoResult]:
        """Ping from places to addresses."""
        return [EchoResult(*result) for result in self.order("ping", *asks)]

    def serve(self, place: str, address: str) -> None:
        """Start the internet host's server."""
        argv = (sys.executable, "-I", "-S", str(internet.__file__), address, "{fd}")
        assert self.order("start", place, *argv) == "ready\n"


@pytest.fixture
def scene() -> Iterator[Scene]:
    """Set up the machine that the module's docstring draws."""
    missing = [tool for tool in ("unshare", "ip", "iptables", "mount") if not shutil.which(tool, path=PATH)]
    assert not missing, f"install {missing}"
    environment = {**os.environ, "PATH": PATH, "PYTHONPATH": str(Path(internet.__file__).parents[2])}
    command = (*UNSHARE, sys.executable, __file__)
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True, env=environment) as process:
        yield Scene(process)
        process.kill()


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


CLIENT = """
import socket, sys
def call(port, say=b""):
    caller = socket.create_connection(("10.0.0.1", port), timeout=20)
    caller.sendall(say)
    return caller
def hear(caller):
    heard = b""
    while part := caller.recv(4096):
        heard += part
    return heard
"""


def act(scene: Scene, client: str) -> list[Any]:
    """Run a client of the internet host at `a`; the values that it printed, a line each."""
    code, out, err = scene.order("run", "a", sys.executable, "-c", CLIENT + client)
    assert code == 0, err
    return [ast.literal_eval(line) for line in out.splitlines()]


def test_the_internet_host_answers_http(scene: Scene) -> None:
    scene.serve("host", "10.0.0.1")
    heads = [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /x HTTP/1.0\r\n\r\n", b"HEAD / HTTP/1.1\r\n\r\n"]
    heads += [b"POST / HTTP/1.1\r\n\r\nbody", b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"x" * 9000]
    get, old, head, post, nonsense, long = act(scene, f"for head in {heads}: print(hear(call(80, head)))")
    assert get == old
    assert get.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 17\r\n")
    assert get.endswith(b"\r\n\r\nyou are 10.0.0.2\n")
    assert head == get.removesuffix(b"you are 10.0.0.2\n")
    assert post.startswith(b"HTTP/1.1 405 ")
    assert nonsense.startswith(b"HTTP/1.1 400 ")
    assert long.startswith(b"HTTP/1.1 431 ")


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_curl_understands_the_internet_host(scene: Scene) -> None:
    scene.serve("host", "10.0.0.1")
    assert scene.run("b", "curl -s --max-time 20 http://10.0.0.1/") == "you are 10.0.0.3\n"
    assert scene.run("b", "curl -s --max-time 20 --http1.0 http://10.0.0.1/x") == "you are 10.0.0.3\n"
    assert "200 OK" in scene.run("b", "curl -s --max-time 20 --head http://10.0.0.1/")


def test_what_the_caller_says_does_not_cost_it_the_answer(scene: Scene) -> None:
    """Closing a connection over unread bytes sends a reset, which throws away what is on its way."""
    scene.serve("host", "10.0.0.1")
    client = "for port in 5000, 80:\n print(hear(call(port, b'GET / HTTP/1.1\\r\\n\\r\\n' + b'x' * 100000)))"
    raw, web = act(scene, client)
    assert raw == b"10.0.0.2\n"
    assert web.endswith(b"you are 10.0.0.2\n")


def test_slow_and_silent_callers_do_not_keep_others_from_an_answer(scene: Scene) -> None:
    """Beyond 128 callers the oldest is hung up on, so at least 272 of these 400 on port 80 read an end."""
    scene.serve("host", "10.0.0.1")
    client = """
import select
idle = [call(80, say) for _ in range(200) for say in (b"", b"GET")]
also = [call(5000) for _ in range(100)]
print(hear(call(5000)))
print(hear(call(80, b"GET / HTTP/1.1\\r\\n\\r\\n"))[-17:])
print(len(select.select(idle, [], [], 0)[0]) >= 400 - 128)
"""
    assert act(scene, client) == [b"10.0.0.2\n", b"you are 10.0.0.2\n", True]
    assert scene.order("memory") < 16_000  # a runaway; a bare Python takes 5,000 to 9,000


def test_a_port_that_is_taken_is_said_in_one_line(scene: Scene) -> None:
    code, _, err = scene.order("run", "a", sys.executable, "-I", "-S", str(internet.__file__), "10.7.7.7")
    assert code == 1
    assert err.startswith("the internet host cannot listen at 10.7.7.7: ")
    assert err.count("\n") == 1


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        obey(sys.stdin, sys.stdout)
