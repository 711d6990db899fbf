"""The entries that DNS answers from, and resolv.conf: what is written is read again, and what is wrong is named."""

from __future__ import annotations

import re
from ipaddress import IPv4Address

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labctl.model.naming import Endpoint, Entry, EntryPort, is_host_name, is_label, read_entry, spell_entry
from labctl.model.resolver import ResolverConfiguration, pod_resolver, read_resolver, spell_resolver

LABELS = st.text("az09-", max_size=61).map(lambda text: f"a{text}9") | st.sampled_from("az09")
ADDRESSES = st.integers(0, (1 << 32) - 1).map(lambda number: str(IPv4Address(number)))
PORTS = st.builds(
    EntryPort, st.sampled_from(["", "http", "dns-tcp", "p1"]), st.integers(1, 65535), st.sampled_from(["tcp", "udp"])
)
ENDPOINTS = st.builds(Endpoint, ADDRESSES, st.just("") | LABELS)
SEVERAL_PORTS = st.lists(PORTS, max_size=3).map(tuple)
ENTRIES = st.one_of(
    st.builds(Entry, LABELS, LABELS, ADDRESSES, st.lists(PORTS, max_size=3).map(tuple)),
    st.builds(
        Entry,
        LABELS,
        LABELS,
        st.just(""),
        st.lists(PORTS, max_size=3).map(tuple),
        st.lists(ENDPOINTS, max_size=3).map(tuple),
    ),
    st.builds(Entry, LABELS, LABELS, external_name=st.just("www.example.org")),
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a loaded machine is no fault of theirs
@given(ENTRIES)
def test_an_entry_that_is_written_is_read_again(entry: Entry) -> None:
    assert read_entry(entry.file_name, spell_entry(entry)) == entry


def test_an_entry_is_what_a_person_would_type() -> None:
    text = "# those behind it\nclusterIP None\n\nport http 80   # its protocol is TCP\nendpoint 10.244.0.3 b\n"
    expected = Entry("mystuff", "my-svc", "", (EntryPort("http", 80),), (Endpoint("10.244.0.3", "b"),))
    assert read_entry("my-svc.mystuff", text) == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "it has 0 lines clusterIP or externalName; expected one"),
        ("clusterIP None\nexternalName a.b\n", "it has 2 lines"),
        ("clusterIP\n", "line 1 is 'clusterIP'"),
        ("clusterIP 10.96.0.1 10.96.0.2\n", "line 1 is 'clusterIP 10.96.0.1 10.96.0.2'"),
        ("clusterIP 10.96.0\n", "'10.96.0' is there; expected an IPv4 address, or None"),
        ("clusterIP 010.96.0.1\n", "expected an IPv4 address, or None"),
        ("clusterIP fd00::1\n", "expected an IPv4 address, or None"),
        ("clusterIP None\nport http\n", "the port http has the number ''; expected 1 to 65535"),
        ("clusterIP None\nport http 65536\n", "the port http has the number '65536'"),
        ("clusterIP None\nport http 99999999999999999999\n", "expected 1 to 65535"),
        ("clusterIP None\nport http 80 tcp\n", "the protocol 'tcp'; expected TCP, UDP, SCTP"),
        ("clusterIP None\nport HTTP 80\n", "'HTTP' is there; expected the name of a port, or -"),
        ("clusterIP None\nport 8080 80\n", "expected the name of a port"),
        ("clusterIP None\nendpoint 10.244.0.3 -b\n", "'-b' is there; expected a host name"),
        ("clusterIP None\nendpoint b\n", "'b' is there; expected an IPv4 address"),
        ("clusterIP 10.96.0.1\nendpoint 10.244.0.3 b\n", "it has endpoints; expected them only with clusterIP None"),
        ("clusterIP None\nnonsense\n", "line 2 is 'nonsense'; expected clusterIP, externalName, port, endpoint"),
        ("externalName -.org\n", "'-.org' is there; expected a host name"),
        ("clusterIP None\n" + "#" * 70000, "it is longer than 65536 bytes"),
    ],
)
def test_what_is_wrong_with_an_entry_is_named(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        read_entry("my-svc.mystuff", text)


@pytest.mark.parametrize(
    "name", ["my-svc", "my-svc.", ".mystuff", "a.b.c", "A.b", "../x.y", "a/b.c", "", "a.b\n", "ä.b"]
)
def test_no_other_file_is_an_entry(name: str) -> None:
    with pytest.raises(ValueError, match=r"is no SERVICE\.NAMESPACE"):
        read_entry(name, "clusterIP None\n")


@pytest.mark.parametrize(
    ("text", "fits"), [("a" * 63, True), ("a" * 64, False), ("1", True), ("a_b", False), ("a\n", False)]
)
def test_labels_are_those_of_rfc_1123(text: str, fits: bool) -> None:  # noqa: FBT001 (a parameter of the test)
    assert is_label(text) is fits


def test_a_host_name_is_no_longer_than_dns_has_room_for() -> None:
    assert is_host_name(".".join(["a" * 49] * 5))
    assert not is_host_name(".".join(["a" * 50] * 5))
    assert not is_host_name("a..b")


def test_what_the_kubelet_writes_is_read_again() -> None:
    wanted = pod_resolver("mystuff", "10.96.0.10")
    assert spell_resolver(wanted) == (
        "nameserver 10.96.0.10\nsearch mystuff.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n"
    )
    assert read_resolver(spell_resolver(wanted)) == wanted


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# no DNS in the lab yet\n", ResolverConfiguration()),
        ("nameserver\n", ResolverConfiguration()),
        ("search a b\ndomain c.\n", ResolverConfiguration(search=("c",))),
        ("options ndots:x timeout:1\noptions ndots:99\n", ResolverConfiguration(ndots=15)),
        (
            "".join(f"nameserver 10.0.0.{each}\n" for each in range(5)),
            ResolverConfiguration(("10.0.0.0", "10.0.0.1", "10.0.0.2")),
        ),
    ],
)
def test_resolv_conf_is_read_as_the_c_library_does(text: str, expected: ResolverConfiguration) -> None:
    assert read_resolver(text) == expected


def test_a_name_is_completed_by_the_search_list() -> None:
    resolver = pod_resolver("mystuff", "10.96.0.10")
    assert resolver.candidates("my-svc") == (
        "my-svc.mystuff.svc.cluster.local.",
        "my-svc.svc.cluster.local.",
        "my-svc.cluster.local.",
        "my-svc.",
    )
    assert resolver.candidates("my-svc.") == ("my-svc.",)
    assert resolver.candidates("a.b.c.d.e.f")[0] == "a.b.c.d.e.f."
    assert read_resolver("").candidates("my-svc.mystuff") == ("my-svc.mystuff.",)
