"""Rules for Services, read without a kernel: names, texts, what counts, and the words in which it is said."""

from __future__ import annotations

import re

import pytest

from labctl.errors import CannotTell
from labctl.model.iptables_save import split_save
from labctl.model.probe import share_bounds
from labctl.model.service_chains import hash_name, spell_probability
from labctl.resources.service_reading.exact import is_exact
from labctl.resources.service_reading.portals import read_portals
from labctl.resources.service_reading.remove import Search
from labctl.resources.service_reading.spell import wanted_rules
from tests.service_tables import MASTER, MINE, RANGE, B, C, D, load, portal, problems, saved, typed


@pytest.mark.parametrize(
    ("name", "protocol", "known"),
    [
        ("default/kubernetes:https", "tcp", "NPX46M4PTMTKRN6Y"),
        ("kube-system/kube-dns:dns", "udp", "TCOU7JCQXEZGVUNU"),
        ("kube-system/kube-dns:dns-tcp", "tcp", "ERIFXISQEP7F7OF4"),
        ("mystuff/my-svc:http", "tcp", "QFGHW72L5AIIA6IV"),
    ],
)
def test_chains_are_called_as_kube_proxy_calls_them(name: str, protocol: str, known: str) -> None:
    assert hash_name(name, protocol) == known


def test_probabilities_are_spelled_as_the_kernel_keeps_them() -> None:
    assert [spell_probability(left) for left in (2, 3, 4, 7)] == [
        "0.50000000000",
        "0.33333333349",
        "0.25000000000",
        "0.14285714272",
    ]


def test_the_issues_bounds_for_300_connections_over_3() -> None:
    assert share_bounds(300, 3) == (55, 145)
    assert share_bounds(300, 1) == (300, 300)
    assert share_bounds(1, 3) == (0, 1)


def exact(text: str, *portals: object) -> bool:
    mine = portals or (MINE,)
    return is_exact(wanted_rules(mine, RANGE), mine, split_save(text))  # type: ignore[arg-type]  # portals they are


def test_kube_proxys_own_rules_are_known_at_sight() -> None:
    assert exact(saved(MINE))
    assert problems(saved(MINE)) == []
    both = saved(MINE, portal(D, name="other/svc:web", vip="10.96.7.7", node_port=0))
    assert exact(both)
    assert problems(both) == []


def test_without_endpoints_it_is_refused() -> None:
    none = portal()
    assert exact(saved(none), none)
    assert problems(saved(none), none) == []
    assert "REJECT" in saved(none)
    assert problems(saved(MINE), none)[0].startswith("mystuff/my-svc:http from a pod of master")
    without = re.sub(r".*REJECT.*\n", "", saved(none))
    assert (
        "10.96.0.100:80 is not refused to a pod of master (in FORWARD); expected REJECT" in problems(without, none)[0]
    )


OTHER_NAMES = saved(MINE).replace("KUBE-", "MY-").replace("0x4000", "0x80")
ONE_BY_ONE = f"""
PREROUTING -d 10.96.0.100/32 -p tcp -m tcp --dport 80 -j BALANCE
OUTPUT -d 10.96.0.100/32 -p tcp -m tcp --dport 80 -j BALANCE
PREROUTING -p tcp -m tcp --dport 30080 -m addrtype --dst-type LOCAL -j OUTSIDE
BALANCE -p tcp -m statistic --mode nth --every 3 --packet 0 -j DNAT --to-destination {D}:80
BALANCE -p tcp -m statistic --mode random ! --probability 0.50000000000 -j DNAT --to-destination {C}:80
BALANCE -p tcp -j DNAT --to-destination {B}:80
OUTSIDE -j MARK --set-xmark 0x1/0xffffffff
OUTSIDE -g BALANCE
POSTROUTING -s {B}/32 -d {B}/32 -o cni0 -j MASQUERADE
POSTROUTING -m mark --mark 0x1 -j SNAT --to-source 10.128.0.2
"""


@pytest.mark.parametrize("right", [OTHER_NAMES, typed(ONE_BY_ONE)], ids=["other names", "one by one"])
def test_another_right_way_counts(right: str) -> None:
    assert not exact(right)
    assert problems(right) == []


def without(*patterns: str) -> str:
    """kube-proxy's rules, less the lines in which one of these is found."""
    text = saved(MINE)
    for pattern in patterns:
        changed = re.sub(rf"^-A .*{pattern}.*\n", "", text, flags=re.MULTILINE)
        assert changed != text, pattern
        text = changed
    return text


MARKED = "-s 10.244.0.3/32 .*KUBE-MARK-MASQ"
WRONG = {
    "no jump from OUTPUT": (
        without("OUTPUT .*portals"),
        "10.96.0.100:80 leads master itself nowhere (no rule of OUTPUT takes it); expected one of 3 endpoints",
    ),
    "an endpoint is missing": (
        without(f"-> {C}:80"),
        f"mystuff/my-svc:http never goes to {C}:80 from a pod of master, master itself, b and outside; expected 33 %",
    ),
    "a wrong target": (
        saved(MINE).replace(f"--to-destination {C}:80", "--to-destination 10.244.9.9:80"),
        f"mystuff/my-svc:http never goes to {C}:80 from",
    ),
    "one that is no endpoint": (
        saved(portal(B, C, D, "10.244.9.9")),
        "goes to 10.244.9.9:80 from a pod of master, master itself, b and outside (25 %), which is no endpoint of it",
    ),
    "a skewed share": (
        saved(MINE).replace("--probability 0.50000000000", "--probability 0.33333333349"),
        "with a share of 22 %; expected 33 %",
    ),
    "the last one by chance too": (
        saved(MINE).replace(
            f'"mystuff/my-svc:http -> {D}:80"',
            f'"mystuff/my-svc:http -> {D}:80" -m statistic --mode random --probability 0.33333333349',
        ),
        "22 % of what a pod of master, master itself and b sends to 10.96.0.100:80 goes to no endpoint; expected none",
    ),
    "no mark": (
        without(MARKED),
        "b that reaches itself by 10.96.0.100:80 keeps its own address (no rule marks it); expected MASQUERADE",
    ),
    "another mark": (
        saved(MINE).replace("--set-xmark 0x4000/0x4000", "--set-xmark 0x8000/0x8000"),
        "keeps its own address (it is marked 0x8000, which POSTROUTING does not masquerade)",
    ),
    "no masquerading": (without("MASQUERADE --random-fully"), "b that reaches itself by 10.96.0.100:80 keeps its own"),
    "no node port": (without("--dport 30080"), "10.128.0.2:30080 leads outside nowhere"),
    "node port without a new source": (
        without("external destinations"),
        "what comes from outside to 10.128.0.2:30080 keeps its source (no rule marks it); expected MASQUERADE",
    ),
    "somebody's rule comes first": (
        saved(MINE).replace("-A PREROUTING", "-A PREROUTING -d 10.96.0.0/16 -j ACCEPT\n-A PREROUTING", 1),
        "10.96.0.100:80 leads a pod of master and b nowhere (PREROUTING says ACCEPT); expected one of 3 endpoints",
    ),
    "another port": (
        saved(MINE).replace("--dport 80 -j KUBE-SVC", "--dport 8080 -j KUBE-SVC"),
        "10.96.0.100:80 leads a pod of master and b nowhere (no rule of PREROUTING takes it)",
    ),
    "udp": (saved(MINE).replace("-p tcp", "-p udp"), "leads a pod of master"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_named(case: str) -> None:
    text, says = WRONG[case]
    assert text != saved(MINE)
    assert not exact(text)
    assert any(says in problem for problem in problems(text)), problems(text)


def test_a_match_that_nobody_understands_is_told_from_a_wrong_one() -> None:
    strange = saved(MINE).replace(
        "-A PREROUTING", "-A PREROUTING -p tcp -m set --match-set some dst -j RETURN\n-A PREROUTING", 1
    )
    with pytest.raises(CannotTell, match=r"it cannot be told what this rule of PREROUTING matches: .*--match-set some"):
        problems(strange)
    for_others = strange.replace("-p tcp -m set", "-d 10.96.0.7/32 -p tcp -m set")
    assert problems(for_others) == []


def gone(text: str, *portals: object, shared: bool = True) -> tuple[set[str], dict[str, tuple[str, ...]]]:
    """What of the table nat goes with the Services."""
    removal = Search(MASTER, tuple(portals) or (MINE,), shared, split_save(text)).find()["nat"]  # type: ignore[arg-type]  # portals they are
    return set(removal.chains), dict(removal.rules)


def test_all_of_it_goes_whatever_it_is_called() -> None:
    for text in (saved(MINE), OTHER_NAMES, typed(ONE_BY_ONE)):
        chains, rules = gone(text)
        held = split_save(text)["nat"]
        built_in = {"PREROUTING", "OUTPUT", "POSTROUTING"}
        assert chains == set(held) - built_in
        left = {chain: [each for each in held[chain] if each not in rules.get(chain, ())] for chain in built_in}
        assert not any(left.values()), left


def test_somebody_elses_service_and_what_it_needs_stay() -> None:
    other = portal(D, name="other/svc:web", vip="10.96.7.7", node_port=0)
    chains, rules = gone(saved(MINE, other))
    assert not chains & {"KUBE-SERVICES", "KUBE-MARK-MASQ", "KUBE-POSTROUTING", "KUBE-NODEPORTS", other.chain}
    assert MINE.chain in chains
    assert set(rules) == {"KUBE-SERVICES", "KUBE-NODEPORTS"}
    chains, _ = gone(saved(MINE, other), other, shared=False)
    assert chains == {other.chain, other.backends[0].chain}


def test_a_chain_of_an_endpoint_that_was_taken_away_goes_too() -> None:
    chains, _ = gone(saved(MINE), portal(B, C))
    assert MINE.backends[2].chain in chains


def test_rules_of_others_stay() -> None:
    others = """
    PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
    PREROUTING -p tcp -m tcp --dport 30080 -j LOG
    DOCKER -i docker0 -j RETURN
    POSTROUTING -s 10.244.0.0/24 ! -o cni0 -j MASQUERADE
    """
    assert gone(typed(others)) == (set(), {})
    chains, rules = gone(typed(others.strip() + ONE_BY_ONE))
    assert chains == {"BALANCE", "OUTSIDE"}
    assert not any("docker" in text or "LOG" in text or "! -o" in text for texts in rules.values() for text in texts)


def test_one_load_is_one_transaction_a_table() -> None:
    text = load(MINE)
    assert text.count("COMMIT") == 2
    assert [line for line in text.splitlines() if line.startswith("*")] == ["*nat", "*filter"]


def test_services_are_read_from_rules_alone() -> None:
    other = portal(D, name="other/svc:web", vip="10.96.7.7", node_port=0)
    none = portal(name="empty/svc:", vip="10.96.7.8", node_port=30081)
    assert set(read_portals(saved(MINE, other, none))) == {MINE, other, none}
    (found,) = read_portals(typed(ONE_BY_ONE))
    assert (found.name, found.address, found.port, found.node_port) == ("", "10.96.0.100", 80, 30080)
    assert {backend.target for backend in found.backends} == {f"{each}:80" for each in (B, C, D)}
    assert read_portals("") == ()
