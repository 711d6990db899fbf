"""The parts of the conformance checker that reach no machine: what counts as left over, the choice, the documents."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from labctl.cni.conformance.call import Answer
from labctl.cni.conformance.check import CannotAsk, Check, Level, NotApplicable, Outcome, Verdict
from labctl.cni.conformance.checks import CHECKS
from labctl.cni.conformance.checks.neighbours import count_lost
from labctl.cni.conformance.leftovers import find_leftovers
from labctl.cni.conformance.network import Network, default_configuration, read_configuration
from labctl.cni.conformance.report import as_document, as_junit
from labctl.cni.conformance.runner import choose, exit_code
from labctl.cni.conformance.view import Interface, read_view
from labctl.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


def _verdict(outcome: Outcome, level: Level = Level.MUST, why: str = "") -> Verdict:
    return Verdict(Check("ABC-01", level, "5 Success", "It does.", lambda _bench: None), outcome, why)


def test_every_check_has_a_number_of_its_own_and_a_sentence() -> None:
    names = [check.id for check in CHECKS]
    assert len(set(names)) == len(names) > 80
    for check in CHECKS:
        assert check.says.endswith("."), check.id
        assert check.section[0] in "12345", check.id


def test_checks_are_chosen_by_number_or_by_kind() -> None:
    assert [check.id for check in choose(CHECKS, "RES-02, VER-01")] == ["VER-01", "RES-02"]
    assert {check.id[:3] for check in choose(CHECKS, "GC,CON")} == {"GC-", "CON"}
    assert choose(CHECKS, "") == CHECKS
    with pytest.raises(UsageError, match="ADD-99"):
        choose(CHECKS, "ADD-01,ADD-99")


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        ([(Outcome.PASS, Level.MUST), (Outcome.NOT_APPLICABLE, Level.MUST)], 0),
        ([(Outcome.FAIL, Level.SHOULD)], 0),
        ([(Outcome.FAIL, Level.MUST), (Outcome.UNKNOWN, Level.MUST)], 1),
        ([(Outcome.PASS, Level.MUST), (Outcome.UNKNOWN, Level.SHOULD)], 6),
    ],
)
def test_the_exit_code(outcomes: list[tuple[Outcome, Level]], code: int) -> None:
    assert exit_code(_verdict(outcome, level) for outcome, level in outcomes) == code


def test_junit_tells_a_should_without_failing_it() -> None:
    verdicts = [
        _verdict(Outcome.PASS),
        _verdict(Outcome.FAIL, Level.MUST, "sent\x00 <this>"),
        _verdict(Outcome.FAIL, Level.SHOULD, "that"),
        _verdict(Outcome.NOT_APPLICABLE),
        _verdict(Outcome.UNKNOWN, why="broke"),
    ]
    suite = ET.fromstring(as_junit("p", verdicts))  # noqa: S314 (our own)
    assert dict(suite.attrib) == {
        "name": "labctl cni conformance p", "tests": "5", "failures": "1", "errors": "1", "skipped": "1",
    }  # fmt: skip  # a table
    assert [[part.tag for part in case] for case in suite] == [[], ["failure"], ["system-out"], ["skipped"], ["error"]]
    assert suite[1][0].text == "sent\N{REPLACEMENT CHARACTER} <this>"


def test_the_document_holds_what_was_promised() -> None:
    (check,) = as_document("p", [_verdict(Outcome.FAIL, why="so")])["checks"]
    assert {key: check[key] for key in ("id", "section", "level", "outcome", "why")} == {
        "id": "ABC-01", "section": "5 Success", "level": "MUST", "outcome": "fail", "why": "so",
    }  # fmt: skip  # a table


def _snapshot(links: dict[str, str], rules: list[str], files: dict[str, str]) -> dict[str, Any]:
    return {
        "places": {"n": {"links": {name: {"kind": kind} for name, kind in links.items()}}},
        "nodes": {"n": {"iptables": {"nat": rules}, "files": files}},
    }


@pytest.mark.parametrize(
    ("code", "killed", "words"),
    [
        (0, False, "exit code 0"),
        (124, False, "no end within 10 seconds"),
        (-9, False, "an end by signal 9, by which labctl ends output without end, too"),
        (-9, True, "nothing more: it was killed in the middle, on purpose"),
        (-11, False, "an end by signal 11"),
        (139, False, "exit code 139"),
        (0, True, "exit code 0"),
    ],
)
def test_how_a_call_ended_is_said(code: int, killed: bool, words: str) -> None:  # noqa: FBT001 (a table's column)
    assert f"; came {words}, no word" in str(Answer((("CNI_COMMAND", "ADD"),), "{}", code, "", "", killed=killed))


def test_what_is_left_over() -> None:
    before = _snapshot(
        {"eth0": ""}, ["-A X"], {"/var/lib/cni/last": "10.244.0.2", "/var/lib/cni/10.244.0.20": "box-10"}
    )
    after = _snapshot(
        {"eth0": "", "veth1": "veth", "cni0": "bridge"},
        ["-A X", "-A X"],
        {
            "/var/lib/cni/last": "10.244.0.3",
            "/var/lib/cni/10.244.0.20": "box-10",
            "/var/lib/cni/10.244.0.3": "",
            "/var/lib/cni/all": "box-1 eth0",
            "/var/lib/cni/lock": "",
        },
    )
    assert find_leftovers("n", before, after, ("box-1",), ("10.244.0.3",)) == [
        "the link veth1",
        "the nat rule -A X",
        "the file /var/lib/cni/all, which names box-1",
        "the file /var/lib/cni/10.244.0.3",
    ]
    assert not find_leftovers("n", after, before, ("box-1",), ("10.244.0.3",))


def test_a_view_of_the_kernel() -> None:
    links = [
        {"ifname": "lo", "flags": ["LOOPBACK"], "address": "00:00:00:00:00:00", "addr_info": []},
        {
            "ifname": "eth0", "flags": ["UP"], "address": "02:00:00:00:00:01", "link_type": "ether", "master": "br",
            "addr_info": [
                {"local": "10.0.0.2", "prefixlen": 24, "scope": "global"},
                {"local": "fe80::1", "prefixlen": 64, "scope": "link"},
            ],
        },
    ]  # fmt: skip  # as ip(8) prints it
    routes = [{"dst": "default", "gateway": "10.0.0.1", "dev": "eth0"}, {"dst": "10.0.0.9", "dev": "eth0"}]
    view = read_view(f"{json.dumps(links)}\n{json.dumps(routes)}\n")
    assert view.interface("eth0") == Interface("eth0", "02:00:00:00:00:01", True, "ether", "br", ("10.0.0.2/24",))  # noqa: FBT003 (up)
    assert view.routes == (("0.0.0.0/0", "10.0.0.1", "eth0"), ("10.0.0.9/32", "", "eth0"))
    assert read_view("").interface("eth0") is None


def test_the_plugins_own_part_of_a_list(tmp_path: Path) -> None:
    file = tmp_path / "c.conflist"
    plugins = [{"type": "other"}, {"type": "mine", "ipam": {"subnet": "10.1.0.0/16"}}]
    file.write_text(json.dumps({"cniVersion": "1.0.0", "name": "net", "plugins": plugins}), encoding="utf-8")
    found = read_configuration(file, "mine")
    assert found == {"cniVersion": "1.0.0", "name": "net", "type": "mine", "ipam": {"subnet": "10.1.0.0/16"}}
    beside = Network(found).beside(3, 30)
    assert (beside.name, beside.configuration["ipam"]) == ("net-3", {"subnet": "10.244.103.0/30"})


@pytest.mark.parametrize("text", ["", "[]", '{"plugins": 3}', '{"plugins": []}'])
def test_what_is_no_configuration(tmp_path: Path, text: str) -> None:
    file = tmp_path / "c.conf"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=r"c\.conf"):
        read_configuration(file, "mine")
    with pytest.raises(UsageError, match="cannot be read"):
        read_configuration(tmp_path / "none", "mine")


def test_a_configuration_whose_range_is_unknown_has_no_second_network() -> None:
    with pytest.raises(NotApplicable):
        Network({"name": "n", "ipam": {"type": "dhcp"}}).beside(1, 24)
    assert Network(default_configuration("p", delegated=True)).delegate == "host-local"
    assert not Network(default_configuration("p", delegated=False)).delegate


def test_an_error_that_ping_tells_is_no_answer() -> None:
    said = """PING 10.1.0.9 (10.1.0.9) 56(84) bytes of data.
64 bytes from 10.1.0.9: icmp_seq=1 ttl=64 time=0.020 ms
From 10.1.0.1 icmp_seq=2 Destination Host Unreachable
From 10.1.0.1 icmp_seq=3 Destination Port Unreachable
64 bytes from 10.1.0.9: icmp_seq=5 ttl=64 time=0.020 ms

--- 10.1.0.9 ping statistics ---
6 packets transmitted, 2 received, +2 errors, 66.6667% packet loss, time 10ms
"""
    assert count_lost(said) == (3, 6)
    with pytest.raises(CannotAsk):
        count_lost("ping: connect: Network is unreachable")
