"""Step 10 in a real lab: names as a container's own resolver finds them, live, under bad questions, and gone again."""

from __future__ import annotations

import json
import random
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from labctl.engine.report import Outcome
from labctl.errors import ForeignObject, KernelRefused, ToolMissing
from labctl.model.naming import SERVICES_FOLDER
from labctl.model.service import dns_pod
from labctl.model.values import NameAnswer, NameAsk
from labctl.world.topology import spread
from tests.lab_under_test import LabUnderTest
from tests.test_zone import malformed

if TYPE_CHECKING:
    from pathlib import Path

    from labctl.model.values import Completed

pytestmark = pytest.mark.machine

NUMBER = 10
VIP = "10.96.0.10"
DOMAIN = "mystuff.svc.cluster.local"


@pytest.fixture
def served(lab: LabUnderTest) -> LabUnderTest:
    """A lab in which the step is done."""
    lab.apply(range(NUMBER + 1))
    return lab


def look_up(lab: LabUnderTest, place: str, name: str) -> list[str]:
    """The addresses that the C library finds for a name, as any program there would."""
    done = lab.kernel.programs(lab.lab.place(place)).run(("getent", "ahostsv4", name))
    return [line.split()[0] for line in done.out.splitlines() if "STREAM" in line]


def ask(lab: LabUnderTest, name: str, kind: str) -> NameAnswer:
    (answer,) = lab.kernel.packets.ask_names((NameAsk(lab.lab.place("worker/c"), VIP, (name,), kind),))
    assert isinstance(answer, NameAnswer), answer
    return answer


def in_pod(lab: LabUnderTest, *argv: str, text: str = "") -> Completed:
    return lab.kernel.programs(dns_pod(lab.lab).place).run(argv, text)


def test_the_c_library_finds_what_the_probes_claim(served: LabUnderTest) -> None:
    assert look_up(served, "master/b", "my-svc") == ["10.96.0.100"]
    assert look_up(served, "master/a", "my-svc") == []
    assert look_up(served, "worker/c", "my-svc.mystuff") == ["10.96.0.100"]
    assert look_up(served, "master/a", f"my-svc.{DOMAIN}.") == ["10.96.0.100"]
    assert sorted(look_up(served, "master/a", "my-svc-headless.mystuff")) == ["10.244.0.3", "10.244.1.2", "10.244.1.3"]
    assert look_up(served, "master/a", "c.my-svc-headless.mystuff") == ["10.244.1.2"]
    assert look_up(served, "master/a", "10-244-0-3.mystuff.pod") == ["10.244.0.3"]
    # The node is no pod: it knows no name of the cluster.
    assert look_up(served, "master", "my-svc.mystuff") == []


def test_a_service_is_reached_by_its_name(served: LabUnderTest) -> None:
    said = served.kernel.programs(served.lab.place("master/a")).run(
        ("curl", "-sS", "-m", "5", "http://my-svc.mystuff/")
    )
    assert said.out.strip() in ("b", "c", "d"), said


def test_srv_and_ptr_through_the_service_s_address(served: LabUnderTest) -> None:
    srv = ask(served, f"_http._tcp.my-svc-headless.{DOMAIN}.", "SRV")
    assert set(srv.data) == {f"0 33 80 {name}.my-svc-headless.{DOMAIN}." for name in "bcd"}
    assert ask(served, "3.0.244.10.in-addr.arpa.", "PTR").data == (f"b.my-svc-headless.{DOMAIN}.",)
    assert ask(served, "_dns._udp.kube-dns.kube-system.svc.cluster.local.", "SRV").data
    assert ask(served, "dns-version.cluster.local.", "TXT").data == ('"1.1.0"',)
    assert ask(served, "nosuch.cluster.local.", "A") == NameAnswer("NXDOMAIN")
    assert ask(served, "www.example.org.", "A") == NameAnswer("NXDOMAIN")
    assert ask(served, f"my-svc.{DOMAIN}.", "AAAA") == NameAnswer("NOERROR")


@pytest.mark.parametrize("way", ["exec", "shell", "ip netns exec"])
def test_whatever_is_started_in_a_container_sees_its_own_file(served: LabUnderTest, way: str) -> None:
    match way:
        case "exec":
            said = served.labctl("exec", "master/a", "--", "cat", "/etc/resolv.conf")
        case "shell":
            said = served.labctl("shell", "master/a", text="cat /etc/resolv.conf")
        case _:
            said = served.labctl("exec", "master", "--", "ip", "netns", "exec", "a", "cat", "/etc/resolv.conf")
    assert said.out.startswith(f"nameserver {VIP}\nsearch default.svc.cluster.local ")
    assert "nameserver" not in served.labctl("exec", "master", "--", "cat", "/etc/resolv.conf").out
    mounts = served.labctl("exec", "master", "--", "cat", "/proc/self/mountinfo").out
    assert "resolv.conf" not in mounts


@pytest.mark.anybody
def test_a_file_that_etc_lacks_is_passed_over(lab: LabUnderTest) -> None:
    assert (
        lab.type("master", "mkdir -p /etc/netns/a; echo own >/etc/netns/a/hosts; echo x >/etc/netns/a/nosuch").code == 0
    )
    done = lab.labctl("exec", "master/a", "--", "cat", "/etc/hosts")
    assert (done.code, done.out) == (0, "own\n")
    assert lab.kernel.programs(lab.lab.place("master/a")).run(("cat", "/etc/hosts")).out == "own\n"
    # And the next one, elsewhere, sees the node's.
    assert "own" not in lab.kernel.programs(lab.lab.place("master/b")).run(("cat", "/etc/hosts")).out
    assert lab.kernel.files("master").read("/etc/netns/a/hosts") == "own\n"


def until(seconds: float, holds: object, say: object) -> None:
    """Ask until it holds; each question takes its time, so nobody has to sleep."""
    end = monotonic() + seconds
    while not holds():  # type: ignore[operator]  # both are callables without arguments
        assert monotonic() < end, say()  # type: ignore[operator]  # as above


@pytest.mark.anybody
def test_a_service_that_comes_or_goes_shows_within_a_second(served: LabUnderTest) -> None:
    def found() -> tuple[str, ...]:
        return ask(served, "mine.default.svc.cluster.local.", "A").data

    assert found() == ()
    for address in ("10.96.7.7", "10.96.7.8"):  # the second in place of the first, as long as it is
        assert served.type("master", f"echo clusterIP {address} >{SERVICES_FOLDER}/mine.default").code == 0
        until(1.0, lambda address=address: found() == (address,), found)
        assert look_up(served, "master/a", "mine") == [address]
    served.type("master", f"rm {SERVICES_FOLDER}/mine.default")
    until(1.0, lambda: found() == (), found)
    # The servers are those that were started at first.
    assert served.report(NUMBER).outcome is Outcome.DONE


@pytest.mark.anybody
def test_what_is_no_entry_is_not_answered_for_and_harms_no_other(served: LabUnderTest) -> None:
    typed = (
        f"cd {SERVICES_FOLDER}; echo nonsense >broken.default; mkdir folder.default; mkfifo pipe.default;"
        "ln -s /etc/hostname link.default; ln -s my-svc.mystuff alias.default;"
        "head -c 100000 /dev/zero >zero.default;"
        "echo clusterIP 10.96.7.7 >.hidden.default; echo clusterIP 10.96.7.7 >UPPER.default"
    )
    assert served.type("master", typed).code == 0
    for name in ("broken", "folder", "pipe", "link", "alias", "zero", "hidden", "upper"):
        assert ask(served, f"{name}.default.svc.cluster.local.", "A") == NameAnswer("NXDOMAIN"), name
    assert ask(served, f"my-svc.{DOMAIN}.", "A").data == ("10.96.0.100",)


_SEND = """
import json, socket, sys
packets = json.loads(sys.stdin.read())
for place in sys.argv[1:]:
    address, port = place.split(":")
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for packet in packets:
        try:
            udp.sendto(bytes.fromhex(packet), (address, int(port)))
        except OSError as error:
            assert error.errno == 111, error
    for packet in packets[::10]:
        with socket.create_connection((address, int(port)), timeout=5) as tcp:
            tcp.sendall(bytes.fromhex(packet))
with socket.create_connection(("127.0.0.1", 10053), timeout=5) as tcp:
    tcp.sendall(b"\\xff\\xff half a message")
    tcp.settimeout(20)
    assert tcp.recv(1) == b"", "it waits for ever"
"""


@pytest.mark.anybody
def test_two_hundred_malformed_questions_change_nothing(served: LabUnderTest) -> None:
    packets = [each.hex() for each in malformed(random.Random(10), 200)]  # noqa: S311 (any numbers will do)
    done = in_pod(served, "python3", "-c", _SEND, "127.0.0.1:53", "127.0.0.1:10053", text=json.dumps(packets))
    assert done.code == 0, done.err
    assert ask(served, f"my-svc.{DOMAIN}.", "A").data == ("10.96.0.100",)
    assert served.report(NUMBER).outcome is Outcome.DONE


@pytest.mark.anybody
def test_an_answer_that_is_too_long_comes_over_tcp(served: LabUnderTest) -> None:
    lines = "".join(f"endpoint 10.244.9.{number} pod-{number}\\n" for number in range(1, 201))
    served.type("master", f"printf 'clusterIP None\\n{lines}' >{SERVICES_FOLDER}/many.default")
    assert len(look_up(served, "master/a", "many")) == 200


@pytest.fixture
def without_dnsmasq(lab: LabUnderTest) -> LabUnderTest:
    """A file that nobody may run is as good as none."""
    lab.apply(range(NUMBER))
    assert lab.type("master", "touch /tmp/nothing; mount --bind /tmp/nothing $(command -v dnsmasq)").code == 0
    return lab


@pytest.mark.anybody
def test_without_dnsmasq_the_step_says_so_and_nothing_is_left(without_dnsmasq: LabUnderTest) -> None:
    lab = without_dnsmasq
    before = lab.snapshot()
    with pytest.raises(ToolMissing, match="dnsmasq is not installed; everything was taken back") as error:
        lab.apply((NUMBER,))
    assert "package dnsmasq" in error.value.hint
    assert lab.snapshot() == before
    said = lab.labctl("step", str(NUMBER), "--apply")
    assert said.code == 5
    assert "hint: install the package dnsmasq-base; labctl doctor names the command" in said.err


@pytest.mark.anybody
@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_a_port_that_is_taken_is_named(lab: LabUnderTest, protocol: str) -> None:
    lab.apply(range(NUMBER + 1))
    script = (
        "import socket, time\n"
        f"taker = socket.socket(socket.AF_INET, socket.SOCK_{'STREAM' if protocol == 'tcp' else 'DGRAM'})\n"
        "taker.bind(('0.0.0.0', 53))\n"
        + ("taker.listen()\n" if protocol == "tcp" else "")
        + "open('/tmp/taken', 'w').close()\ntime.sleep(1000)\n"
    )
    lab.type("master", "kill $(ip netns pids kube-dns | xargs ps -o pid=,comm= -p | awk '/dnsmasq/ {print $1}')")
    take = f'ip netns exec kube-dns setsid -f python3 -c "{script}" </dev/null >/dev/null 2>&1'
    assert lab.type("master", f"{take}; timeout 10 bash -c 'until [ -e /tmp/taken ]; do sleep 0.05; done'").code == 0
    before = lab.snapshot()
    expected = ForeignObject if protocol == "tcp" else KernelRefused
    with pytest.raises(expected, match=r"taken by `python3 -c|Address already in use") as error:
        lab.apply((NUMBER,))
    assert not isinstance(error.value, ToolMissing)
    assert lab.snapshot() == before


def test_undo_leaves_no_process_and_no_file(served: LabUnderTest) -> None:
    pids = served.type("master", "ip netns pids kube-dns").out.split()
    assert len(pids) == 2
    served.undo_from(NUMBER)
    places = " ".join(f"/proc/{pid}" for pid in pids)
    left = served.type("master", f"ls -d {places} /var/lib/kube-dns /etc/netns/* /run/netns/kube-dns")
    assert left.out == ""
    assert served.type("worker", "ls -A /etc/netns").out == ""


@pytest.mark.anybody
@pytest.mark.parametrize(("nodes", "containers"), [(1, 1), (1, 3), (3, 1)])
def test_other_labs_have_names_too(home: Path, nodes: int, containers: int) -> None:
    with LabUnderTest(home, spread(nodes, containers)) as lab:
        lab.apply(range(NUMBER + 1))
        assert lab.report(NUMBER).outcome is Outcome.DONE, lab.report(NUMBER).causes()


@pytest.mark.anybody
def test_a_name_server_that_says_nothing_is_a_plain_no(served: LabUnderTest) -> None:
    served.type("master", "ip netns pids kube-dns | xargs kill -STOP")
    report = served.report(NUMBER)
    assert report.outcome is Outcome.WRONG
    assert any(f"no answer from {VIP}" in each for each in report.causes())
    served.type("master", "ip netns pids kube-dns | xargs kill -CONT")


def test_undo_while_a_container_still_looks_at_its_file(served: LabUnderTest) -> None:
    """A program in a container has the file mounted in a namespace of its own; that keeps nobody from removing it."""
    hold = "ip netns exec a setsid -f sleep 1000 </dev/null >/dev/null 2>&1; ip netns pids a"
    (*_, pid) = served.type("master", hold).out.split()
    served.undo_from(NUMBER)
    assert served.type("master", "ls -A /etc/netns").out == ""
    assert served.type("master", f"kill {pid}").code == 0
