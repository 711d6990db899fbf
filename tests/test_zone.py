"""The Kubernetes DNS specification, version 1.1.0, name by name, and what is put on the wire."""

from __future__ import annotations

import random
from ipaddress import IPv4Network

import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdatatype
import pytest

from labctl.kernel.dns_wire import respond
from labctl.model.naming import Endpoint, Entry, EntryPort
from labctl.model.zone import Zone

HTTP = (EntryPort("http", 80), EntryPort("", 81), EntryPort("dns", 53, "udp"))
BEHIND = (Endpoint("10.244.0.3", "b"), Endpoint("10.244.1.2", "c"), Endpoint("10.244.1.9"))
ENTRIES = (
    Entry("mystuff", "my-svc", "10.96.0.100", HTTP),
    Entry("mystuff", "heads", "", HTTP, BEHIND),
    Entry("mystuff", "nobody", "", HTTP),
    Entry("kube-system", "kube-dns", "10.96.0.10", (EntryPort("dns", 53, "udp"),)),
    Entry("mystuff", "near", external_name="my-svc.mystuff.svc.cluster.local"),
    Entry("mystuff", "away", external_name="www.example.org"),
    Entry("mystuff", "lost", external_name="nosuch.mystuff.svc.cluster.local"),
    Entry("mystuff", "ring", external_name="gnir.mystuff.svc.cluster.local"),
    Entry("mystuff", "gnir", external_name="ring.mystuff.svc.cluster.local"),
)
ZONE = Zone(ENTRIES, IPv4Network("10.244.0.0/16"), serial=7)
SVC = "mystuff.svc.cluster.local"
NS = "kube-dns.kube-system.svc.cluster.local."
SOA = f"{NS} hostmaster.cluster.local. 7 7200 1800 86400 1"
NOTHING: tuple[str, ...] = ()


def ask(name: str, kind: str, **more: int) -> dns.message.Message:
    query = dns.message.make_query(name, kind, **more)  # type: ignore[arg-type]  # numbers only, by name
    wire = respond(ZONE, query.to_wire())
    assert wire is not None
    answer = dns.message.from_wire(wire)
    assert query.is_response(answer)
    return answer


def data(answer: dns.message.Message, section: str = "answer") -> set[str]:
    return {record.to_text() for each in getattr(answer, section) for record in each}


@pytest.mark.parametrize(
    ("name", "kind", "code", "expected"),
    [
        # 2.2 the version
        ("dns-version.cluster.local", "TXT", "NOERROR", {'"1.1.0"'}),
        # 2.3.1 a Service with an address
        (f"my-svc.{SVC}", "A", "NOERROR", {"10.96.0.100"}),
        (f"MY-svc.{SVC.upper()}", "A", "NOERROR", {"10.96.0.100"}),
        (f"my-svc.{SVC}", "AAAA", "NOERROR", NOTHING),
        (f"my-svc.{SVC}", "MX", "NOERROR", NOTHING),
        # 2.3.2 its ports, but for one without a name
        (f"_http._tcp.my-svc.{SVC}", "SRV", "NOERROR", {f"0 100 80 my-svc.{SVC}."}),
        (f"_dns._udp.my-svc.{SVC}", "SRV", "NOERROR", {f"0 100 53 my-svc.{SVC}."}),
        (f"_http._udp.my-svc.{SVC}", "SRV", "NXDOMAIN", NOTHING),
        (f"_http._tcp.my-svc.{SVC}", "A", "NOERROR", NOTHING),
        (f"_tcp.my-svc.{SVC}", "SRV", "NOERROR", NOTHING),
        # 2.3.3 its address
        ("100.0.96.10.in-addr.arpa", "PTR", "NOERROR", {f"my-svc.{SVC}."}),
        ("101.0.96.10.in-addr.arpa", "PTR", "NXDOMAIN", NOTHING),
        ("0.96.10.in-addr.arpa", "PTR", "NOERROR", NOTHING),
        # 2.4.1 a headless Service: all who are behind it, and each by its host name or what stands for it
        (f"heads.{SVC}", "A", "NOERROR", {"10.244.0.3", "10.244.1.2", "10.244.1.9"}),
        (f"b.heads.{SVC}", "A", "NOERROR", {"10.244.0.3"}),
        (f"10-244-1-9.heads.{SVC}", "A", "NOERROR", {"10.244.1.9"}),
        (f"nosuch.heads.{SVC}", "A", "NXDOMAIN", NOTHING),
        (f"b.my-svc.{SVC}", "A", "NXDOMAIN", NOTHING),
        (f"nobody.{SVC}", "A", "NXDOMAIN", NOTHING),
        (f"_http._tcp.nobody.{SVC}", "SRV", "NXDOMAIN", NOTHING),
        # 2.4.2 their ports
        (
            f"_http._tcp.heads.{SVC}",
            "SRV",
            "NOERROR",
            {f"0 33 80 {each}.heads.{SVC}." for each in ("b", "c", "10-244-1-9")},
        ),
        # 2.4.3 their addresses, of those that have a host name
        ("3.0.244.10.in-addr.arpa", "PTR", "NOERROR", {f"b.heads.{SVC}."}),
        ("9.1.244.10.in-addr.arpa", "PTR", "NXDOMAIN", NOTHING),
        # 2.5 another name
        (f"near.{SVC}", "A", "NOERROR", {f"my-svc.{SVC}.", "10.96.0.100"}),
        (f"near.{SVC}", "CNAME", "NOERROR", {f"my-svc.{SVC}."}),
        (f"near.{SVC}", "AAAA", "NOERROR", {f"my-svc.{SVC}."}),
        (f"away.{SVC}", "A", "NOERROR", {"www.example.org."}),
        (f"lost.{SVC}", "A", "NXDOMAIN", {f"nosuch.{SVC}."}),
        # pods
        ("10-244-0-2.default.pod.cluster.local", "A", "NOERROR", {"10.244.0.2"}),
        ("10-244-0-2.default.pod.cluster.local", "AAAA", "NOERROR", NOTHING),
        ("10-96-0-2.default.pod.cluster.local", "A", "NXDOMAIN", NOTHING),
        ("10-244-0.default.pod.cluster.local", "A", "NXDOMAIN", NOTHING),
        ("10-244-0-02.default.pod.cluster.local", "A", "NXDOMAIN", NOTHING),
        ("x.10-244-0-2.default.pod.cluster.local", "A", "NXDOMAIN", NOTHING),
        ("default.pod.cluster.local", "A", "NOERROR", NOTHING),
        # names that only have others below them, and those that nobody has
        (SVC, "A", "NOERROR", NOTHING),
        ("svc.cluster.local", "A", "NOERROR", NOTHING),
        ("pod.cluster.local", "A", "NOERROR", NOTHING),
        ("nosuch.svc.cluster.local", "A", "NXDOMAIN", NOTHING),
        (f"nosuch.{SVC}", "A", "NXDOMAIN", NOTHING),
        ("my-svc\\.mystuff.svc.cluster.local", "A", "NXDOMAIN", NOTHING),
        # the zones themselves
        ("cluster.local", "SOA", "NOERROR", {SOA}),
        ("cluster.local", "NS", "NOERROR", {NS}),
        ("cluster.local", "A", "NOERROR", NOTHING),
        ("cluster.local", "ANY", "NOERROR", {SOA, NS}),
        ("in-addr.arpa", "SOA", "NOERROR", {SOA}),
        ("1.ip6.arpa", "PTR", "NXDOMAIN", NOTHING),
        # what is not theirs
        ("www.example.org", "A", "REFUSED", NOTHING),
        ("local", "A", "REFUSED", NOTHING),
        (".", "NS", "REFUSED", NOTHING),
        ("cluster.local", "AXFR", "REFUSED", NOTHING),
    ],
)
def test_each_name_of_the_specification(name: str, kind: str, code: str, expected: set[str] | tuple[str, ...]) -> None:
    answer = ask(name, kind)
    assert dns.rcode.to_text(answer.rcode()) == code
    assert data(answer) == set(expected)
    assert bool(answer.flags & dns.flags.AA) is (code != "REFUSED")
    # A denial carries the SOA of its zone, or nobody may keep it (RFC 2308).
    final = [each for each in answer.answer if dns.rdatatype.to_text(each.rdtype) in (kind, "CNAME")]
    denies = code == "NXDOMAIN" or (code == "NOERROR" and not final and kind != "ANY")
    if denies:
        assert data(answer, "authority") == {SOA}
    elif code == "REFUSED":
        assert not answer.authority


def test_names_that_lead_in_a_ring_come_to_an_end() -> None:
    assert len(data(ask(f"ring.{SVC}", "A"))) == 2


def test_the_hosts_of_srv_records_come_with_their_addresses() -> None:
    answer = ask(f"_http._tcp.heads.{SVC}", "SRV")
    assert data(answer, "additional") == {"10.244.0.3", "10.244.1.2", "10.244.1.9"}


def test_what_was_asked_is_repeated_letter_by_letter() -> None:
    answer = ask(f"My-SvC.{SVC}", "A")
    assert answer.answer[0].name.to_text() == f"My-SvC.{SVC}."


def test_another_class_is_refused() -> None:
    for kind in ("CH", "ANY"):
        query = dns.message.make_query("version.bind", "TXT", rdclass=kind)
        answer = dns.message.from_wire(respond(ZONE, query.to_wire()) or b"")
        assert answer.rcode() == dns.rcode.REFUSED


@pytest.mark.parametrize(("payload", "cut"), [(None, True), (600, True), (1232, True), (65535, True)])
def test_what_is_too_long_for_udp_is_cut_and_said_in_full_over_tcp(payload: int | None, cut: bool) -> None:  # noqa: FBT001 (a parameter of the test)
    behind = tuple(Endpoint(f"10.244.{number // 200}.{number % 200}", f"pod-{number}") for number in range(200))
    zone = Zone((Entry("mystuff", "many", "", (), behind),), IPv4Network("10.244.0.0/16"))
    query = dns.message.make_query(f"many.{SVC}", "A", use_edns=payload is not None, payload=payload)
    wire = respond(zone, query.to_wire()) or b""
    assert len(wire) <= min(payload or 512, 1232)
    assert bool(dns.message.from_wire(wire).flags & dns.flags.TC) is cut
    whole = dns.message.from_wire(respond(zone, query.to_wire(), over_tcp=True) or b"")
    assert not whole.flags & dns.flags.TC
    assert len(data(whole)) == 200


def test_a_newer_version_of_edns_is_told_so() -> None:
    query = dns.message.make_query(f"my-svc.{SVC}", "A", use_edns=1)
    assert dns.message.from_wire(respond(ZONE, query.to_wire()) or b"").rcode() == dns.rcode.BADVERS


def test_what_is_no_question_is_not_answered_as_one() -> None:
    query = dns.message.make_query(f"my-svc.{SVC}", "A")
    for opcode in (dns.opcode.NOTIFY, dns.opcode.UPDATE, dns.opcode.STATUS):
        query.set_opcode(opcode)
        answer = respond(ZONE, query.to_wire()) or b""
        assert dns.message.from_wire(answer).rcode() in (dns.rcode.NOTIMP, dns.rcode.FORMERR)
    assert respond(ZONE, dns.message.make_response(dns.message.make_query("a.", "A")).to_wire()) is None
    assert respond(ZONE, b"short") is None


@pytest.mark.parametrize("seed", range(4))
def test_malformed_packets_get_an_error_or_silence(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 (any numbers will do)
    for wire in malformed(chance, 500):
        answer = respond(ZONE, wire)
        if answer is not None:
            assert answer[:2] == wire[:2]
            assert answer[2] & 0x80
            assert len(answer) <= 1232
            if dns.message.from_wire(answer).rcode() == dns.rcode.FORMERR:
                assert len(answer) == 12


def malformed(chance: random.Random, count: int) -> list[bytes]:
    """Questions that were cut, bent and lengthened, and mere noise."""
    good = [
        dns.message.make_query(name, "SRV").to_wire() for name in (f"my-svc.{SVC}", "a" * 63 + ".cluster.local", ".")
    ]
    packets = []
    for _ in range(count):
        packet = bytearray(chance.choice(good))
        match chance.randrange(6):
            case 0:
                del packet[chance.randrange(len(packet)) :]
            case 1:
                for _ in range(chance.randrange(1, 8)):
                    packet[chance.randrange(len(packet))] = chance.randrange(256)
            case 2:
                packet += chance.randbytes(chance.randrange(1, 600))
            case 3:
                packet = bytearray(chance.randbytes(chance.randrange(1, 300)))
            case 4:  # a name that leads to itself, or out of the message
                packet[12:] = bytes((0xC0 | chance.randrange(64), chance.choice((12, 255, 0)))) + packet[-4:]
            case 5:  # so many of everything
                packet[4:12] = chance.randbytes(8)
        packets.append(bytes(packet))
    return packets
