"""What counts as the wanted rule: tables of iptables, what is seen in them, and the words in which it is said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from labctl.model.iptables_save import parse_save
from labctl.model.resource import Absent, Present
from labctl.resources.iptables import IptablesRule
from labctl.resources.iptables_semantics import judge, perform_all, plan_apply, plan_revert

if TYPE_CHECKING:
    from labctl.model.values import Ruleset

PODS = "10.244.0.0/16"
MINE = "10.244.0.0/24"

FROM = IptablesRule("master", "filter", "FORWARD", ("-s", PODS), "ACCEPT")
TO = IptablesRule("master", "filter", "FORWARD", ("-d", PODS), "ACCEPT")
NAT = IptablesRule(
    "master", "nat", "POSTROUTING", ("-s", MINE, "!", "-o", "cni0"), "MASQUERADE", node_address="10.128.0.2"
)

DOCKER = """
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-ISOLATION-STAGE-1
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A FORWARD -i docker0 -o docker0 -j ACCEPT
-A DOCKER ! -i docker0 -o docker0 -j DROP
-A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2
-A DOCKER-ISOLATION-STAGE-1 -i br-0123456789ab ! -o br-0123456789ab -j DOCKER-ISOLATION-STAGE-2
-A DOCKER-ISOLATION-STAGE-1 -j RETURN
-A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP
-A DOCKER-ISOLATION-STAGE-2 -o br-0123456789ab -j DROP
-A DOCKER-ISOLATION-STAGE-2 -j RETURN
-A DOCKER-USER -m conntrack --ctstate INVALID -j DROP
-A DOCKER-USER -j RETURN
"""
KUBE_PROXY = """
-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
-A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0
-A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully
"""

# A Service without endpoints, as kube-proxy writes it; the second one's address is up to the test.
REFUSED = """
-A FORWARD -m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A KUBE-SERVICES -d 10.96.0.100/32 -p tcp -m comment --comment "a/b:http has no endpoints" -m tcp --dport 80 -j REJECT
-A KUBE-SERVICES -d {}/32 -p tcp -m tcp --dport 80 -j REJECT --reject-with icmp-port-unreachable
-A FORWARD -m conntrack --ctstate NEW -j KUBE-EXTERNAL-SERVICES
-A KUBE-EXTERNAL-SERVICES -p tcp -m addrtype --dst-type LOCAL -m tcp --dport 30080 -j REJECT
"""


def table(wanted: IptablesRule, rules: str, policy: str = "DROP") -> Ruleset:
    """Read rules, one a line, without `-A CHAIN` where they are of the wanted chain."""
    policies = [(wanted.chain, policy if wanted.table == "filter" else "ACCEPT")]
    lines = [line.strip() for line in rules.strip().splitlines()]
    lines = [line if line.startswith("-A ") else f"-A {wanted.chain} {line}" for line in lines]
    chains = dict.fromkeys(line.split()[1] for line in lines if line.split()[1] != wanted.chain)
    head = [f":{name} {policy} [0:0]" for name, policy in (*policies, *((name, "-") for name in chains))]
    return parse_save("\n".join([f"*{wanted.table}", *head, *lines, "COMMIT"]))[wanted.table]


PRESENT = [
    (FROM, f"-s {PODS} -j ACCEPT", ""),
    (TO, f"-d {PODS} -j ACCEPT", ""),
    (FROM, f'-s {PODS} -m comment --comment "the pods\' own" -j ACCEPT', ""),
    (FROM, f"-s {PODS} -j LOG\n-s {PODS} -j ACCEPT", ""),
    (FROM, "-s 10.0.0.0/8 -j ACCEPT", "-s 10.0.0.0/8 -j ACCEPT does it"),
    (FROM, "-j ACCEPT", "-j ACCEPT does it"),
    (TO, "-j ACCEPT", "-j ACCEPT does it"),
    (FROM, "! -s 192.168.0.0/16 -j ACCEPT", "! -s 192.168.0.0/16"),
    (FROM, "! -d 224.0.0.0/4 -j ACCEPT", "! -d 224.0.0.0/4"),
    (FROM, "-s 10.244.0.0/17 -j ACCEPT\n-s 10.244.128.0/17 -j ACCEPT", "10.244.128.0/17 -j ACCEPT do it"),
    (FROM, "-m iprange --src-range 10.244.0.0-10.244.255.255 -j ACCEPT", "does it"),
    (FROM, f"-s {PODS} -m conntrack --ctstate NEW,RELATED,ESTABLISHED -j ACCEPT", "does it"),
    (FROM, "-m state --state RELATED,ESTABLISHED -j ACCEPT\n-m state --state NEW -j ACCEPT", "do it"),
    (FROM, f"-j PODS\n-A PODS -s {PODS} -j ACCEPT", "does it"),
    (FROM, f"-s {PODS} -j PODS\n-A PODS -j ACCEPT", "does it"),
    (FROM, f"-g PODS\n-j DROP\n-A PODS -s {PODS} -j ACCEPT", "does it"),
    (FROM, f"-j ONE\n-A ONE -g TWO\n-A ONE -j DROP\n-A TWO -j RETURN\n-s {PODS} -j ACCEPT", ""),
    (FROM, f"-j ONE\n-A ONE -j TWO\n-A TWO -j ONE\n-s {PODS} -j ACCEPT", ""),  # a loop, which no kernel takes
    (FROM, f"-m conntrack --ctstate INVALID -j DROP\n-s {PODS} -j ACCEPT", ""),
    (FROM, f"-m limit --limit 1/sec -j DROP\n-s {PODS} -j ACCEPT", "limit --limit 1/sec -j DROP may take a part"),
    (FROM, f"-m mark --mark 0x8000/0x8000 -j DROP\n-s {PODS} -j ACCEPT", ""),
    (FROM, f"-s 172.17.0.0/16 -j DROP\n-s {PODS} -j ACCEPT", ""),
    (FROM, f"-d 169.254.169.254/32 -j DROP\n-s {PODS} -j ACCEPT", ""),
    (FROM, f"-s {PODS} -j ACCEPT\n-j REJECT --reject-with icmp-host-prohibited", ""),
    (FROM, f"{DOCKER}-s {PODS} -j ACCEPT", ""),
    (TO, f"{DOCKER}-d {PODS} -j ACCEPT", ""),
    (FROM, f"{REFUSED.format('10.96.0.7')}-s {PODS} -j ACCEPT", ""),
    (TO, f"{REFUSED.format('10.96.0.7')}-d {PODS} -j ACCEPT", ""),
    (NAT, f"-s {MINE} ! -o cni0 -j MASQUERADE", ""),
    (NAT, f"{KUBE_PROXY}-s {MINE} ! -o cni0 -j MASQUERADE", ""),
    (NAT, f"-s {PODS} ! -o cni0 -j MASQUERADE", f"-s {PODS} ! -o cni0 -j MASQUERADE does it"),
    (NAT, f"-s {MINE} -o eth0 -j MASQUERADE", "eth0 is the way out"),
    (NAT, "-o eth0 -j MASQUERADE", "eth0 is the way out"),
    (NAT, f"-s {MINE} ! -o cni0 -j SNAT --to-source 10.128.0.2", "the node's own address: the same as MASQUERADE"),
    (NAT, f"-s {MINE} -d {PODS} -j RETURN\n-s {MINE} ! -o cni0 -j MASQUERADE", "to pods keeps its source"),
    (NAT, f"-s {MINE} -d {PODS} -j ACCEPT\n-s {MINE} ! -o cni0 -j MASQUERADE", "to pods keeps its source"),
    (NAT, f"-s {MINE} ! -d {PODS} -j MASQUERADE", "to pods keeps its source"),
    (NAT, f"-s {MINE} -o cni+ -j RETURN\n-s {MINE} -j MASQUERADE", "-j MASQUERADE does it"),
    (NAT, f"-j CNI\n-A CNI -d {MINE} -j ACCEPT\n-A CNI -s {MINE} ! -d 224.0.0.0/4 -j MASQUERADE", "does it"),
]

ABSENT = [
    (FROM, "", f"no rule of FORWARD accepts -s {PODS}"),
    (FROM, DOCKER, f"no rule of FORWARD accepts -s {PODS}"),
    (FROM, f"-d {PODS} -j ACCEPT", "no rule"),
    (TO, f"-s {PODS} -j ACCEPT", f"no rule of FORWARD accepts -d {PODS}"),
    (FROM, f"-s {PODS} -j LOG", "no rule"),
    (FROM, f"-s {PODS} -m mark --mark 0x1", "no rule"),
    (FROM, f"-s {PODS} -j DROP", f"-s {PODS} -j DROP would come before"),
    (FROM, "-j REJECT --reject-with icmp-host-prohibited", "would come before one at the end"),
    (FROM, "-p icmp -j ACCEPT", "-p icmp -j ACCEPT accepts only a part of it"),
    (FROM, "-i cni0 -j ACCEPT", "-i cni0 -j ACCEPT accepts only a part of it"),
    (FROM, "-s 10.0.0.0/255.0.255.0 -j ACCEPT", "only a part"),
    (FROM, "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", "no rule"),
    (FROM, "-s 172.17.0.0/16 -j ACCEPT", "no rule"),
    (FROM, f"-A PODS -s {PODS} -j ACCEPT", "no rule"),
    (FROM, f"-j PODS\n-A PODS -s {PODS} -j RETURN\n-A PODS -j ACCEPT", "no rule"),
    (NAT, "", f"no rule of POSTROUTING masquerades -s {MINE} ! -o cni0"),
    (NAT, "-s 172.17.0.0/16 ! -o docker0 -j MASQUERADE", "no rule"),
    (NAT, f"-s {MINE} -d {PODS} -j RETURN", "no rule"),
    (NAT, KUBE_PROXY, "no rule"),
    (NAT, "-o cni0 -j MASQUERADE", "no rule"),
]

DRIFTED = [
    (FROM, f"-s {MINE} -j ACCEPT", f"FORWARD accepts only -s {MINE}; expected -s {PODS}"),
    (TO, "-d 10.244.0.2/32 -j ACCEPT", f"only -d 10.244.0.2/32; expected -d {PODS}"),
    (FROM, f"-s {PODS} -d {PODS} -j ACCEPT", f"only -s {PODS} -d {PODS}"),
    (TO, f"-s {PODS} -d {PODS} -j ACCEPT", f"only -s {PODS} -d {PODS}"),
    (FROM, f"-s {PODS} -p tcp -j ACCEPT", "only -s 10.244.0.0/16 -p tcp"),
    (FROM, f"-s {PODS} -i cni0 -j ACCEPT", "-i cni0"),
    (FROM, f"-s {PODS} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", "--ctstate RELATED,ESTABLISHED;"),
    (FROM, f"-s {PODS} -m limit --limit 1/sec -j ACCEPT", "--limit 1/sec"),
    (FROM, f"! -s {MINE} -j ACCEPT", f"! -s {MINE}"),
    (FROM, f"-j PODS\n-A PODS -s {PODS} -p udp -j ACCEPT", "(in PODS)"),
    (FROM, f"-p tcp -j PODS\n-A PODS -s {PODS} -j ACCEPT", "only -p tcp -s"),
    (FROM, f"-j DROP\n-s {PODS} -j ACCEPT", "-j DROP comes before -s 10.244.0.0/16 -j ACCEPT and takes all of it"),
    (FROM, "-j REJECT --reject-with icmp-host-prohibited\n-j ACCEPT", "-j REJECT"),
    (FROM, f"-s {MINE} -j DROP\n-s {PODS} -j ACCEPT", "-s 10.244.0.0/24 -j DROP comes before"),
    (FROM, f"-d 10.244.0.3/32 -j DROP\n-s {PODS} -j ACCEPT", "takes a part of it"),
    (FROM, f"-i cni0 -o cni0 -j DROP\n-s {PODS} -j ACCEPT", "-i cni0 -o cni0 -j DROP"),
    (FROM, f"-p icmp -j DROP\n-s {PODS} -j ACCEPT", "-p icmp -j DROP"),
    (FROM, f"-p tcp -m tcp --dport 80 -j DROP\n-s {PODS} -j ACCEPT", "--dport 80 -j DROP"),
    (FROM, f"-s {MINE} -m limit --limit 1/sec -j DROP\n-s {PODS} -j ACCEPT", "may take a part of it"),
    (FROM, f"-j BAD\n-s {PODS} -j ACCEPT\n-A BAD -j DROP", "in BAD, -j DROP comes before"),
    (FROM, f"-j FEW\n-s {PODS} -j ACCEPT\n-A FEW -m set --match-set few src -j RETURN\n-A FEW -j DROP", "in FEW"),
    (FROM, f"-s {PODS} -j RETURN\n-s {PODS} -j ACCEPT", "-j RETURN comes before"),
    (FROM, f"-j DOCKER-USER\n-A DOCKER-USER -j RETURN\n-A DOCKER-USER -s {PODS} -j ACCEPT", "in DOCKER-USER"),
    (FROM, f"{REFUSED.format('10.244.0.3')}-s {PODS} -j ACCEPT", "in KUBE-SERVICES, -d 10.244.0.3/32"),
    (FROM, f"-j KUBE-SERVICES\n-s {PODS} -j ACCEPT\n-A KUBE-SERVICES -p tcp -j REJECT", "in KUBE-SERVICES, -p tcp"),
    (FROM, f"-d 10.96.0.7/32 -p tcp -j REJECT\n-s {PODS} -j ACCEPT", "-d 10.96.0.7/32 -p tcp -j REJECT"),
    (NAT, f"-s {MINE} -j MASQUERADE", "also rewrites what stays on the bridge"),
    (NAT, "-j MASQUERADE", "also rewrites what stays on the bridge"),
    (NAT, f"-s {MINE} -o cni0 -j MASQUERADE", f"only -s {MINE} -o cni0; expected -s {MINE} ! -o cni0"),
    (NAT, f"-s {MINE} ! -o cni0 -p tcp -j MASQUERADE", "-p tcp"),
    (NAT, "-s 10.244.0.2/32 ! -o cni0 -j MASQUERADE", "only -s 10.244.0.2/32"),
    (NAT, f"-s {MINE} ! -o cni0 -j SNAT --to-source 10.9.9.9", "10.9.9.9"),
    (NAT, f"-s {MINE} ! -o cni0 -j SNAT --to-source 10.128.0.2-10.128.0.9", "own address 10.128.0.2"),
    (NAT, f"-s {MINE} -j RETURN\n-s {MINE} ! -o cni0 -j MASQUERADE", "-j RETURN comes before"),
    (NAT, f"-j ACCEPT\n-s {MINE} ! -o cni0 -j MASQUERADE", "-j ACCEPT comes before"),
    (NAT, f"-s {MINE} -d 10.128.0.0/20 -j RETURN\n-s {MINE} ! -o cni0 -j MASQUERADE", "takes a part"),
]


@pytest.mark.parametrize(("wanted", "rules", "note"), PRESENT)
def test_what_does_the_job_counts(wanted: IptablesRule, rules: str, note: str) -> None:
    seen = judge(wanted.wanted, table(wanted, rules))
    assert isinstance(seen, Present)
    assert seen.drift == ()
    assert note in seen.note
    assert bool(note) == bool(seen.note)


@pytest.mark.parametrize(("wanted", "rules", "why"), ABSENT)
def test_what_is_about_something_else_is_not_it(wanted: IptablesRule, rules: str, why: str) -> None:
    seen = judge(wanted.wanted, table(wanted, rules))
    assert isinstance(seen, Absent)
    assert why in seen.why


@pytest.mark.parametrize(("wanted", "rules", "sentence"), DRIFTED)
def test_a_near_miss_says_what_was_found_and_expected(wanted: IptablesRule, rules: str, sentence: str) -> None:
    seen = judge(wanted.wanted, table(wanted, rules))
    assert isinstance(seen, Present)
    assert sentence in "; ".join(seen.drift)
    assert "expected" in "; ".join(seen.drift)


@pytest.mark.parametrize(("wanted", "rules", "_said"), [*PRESENT, *ABSENT, *DRIFTED])
def test_apply_makes_it_right_and_revert_makes_it_absent(wanted: IptablesRule, rules: str, _said: str) -> None:
    before = table(wanted, rules)
    applied = perform_all(before, plan_apply(wanted.wanted, before))
    seen = judge(wanted.wanted, applied)
    assert isinstance(seen, Present)
    assert seen.drift == ()
    for ruleset in (before, applied):
        reverted = perform_all(ruleset, plan_revert(wanted.wanted, ruleset))
        assert isinstance(judge(wanted.wanted, reverted), Absent)


@pytest.mark.parametrize("rules", ["", f"-s {PODS} -j ACCEPT", "-j ACCEPT"])
def test_policy_accept_opens_the_node(rules: str) -> None:
    ruleset = table(FROM, rules, policy="ACCEPT")
    seen = judge(FROM.wanted, ruleset)
    assert isinstance(seen, Present)
    assert "policy of FORWARD is ACCEPT: that opens the node to everything; expected DROP" in seen.drift
    assert perform_all(ruleset, plan_apply(FROM.wanted, ruleset)).policy("FORWARD") == "DROP"
    assert perform_all(ruleset, plan_revert(FROM.wanted, ruleset)).policy("FORWARD") == "DROP"


def test_the_policy_is_not_looked_at_unless_one_is_expected() -> None:
    wanted = IptablesRule("master", "filter", "FORWARD", ("-s", PODS), "ACCEPT", policy="")
    assert judge(wanted.wanted, table(wanted, f"-s {PODS} -j ACCEPT", policy="ACCEPT")) == Present()


def test_snat_does_not_count_where_the_node_has_no_known_address() -> None:
    wanted = IptablesRule("master", "nat", "POSTROUTING", NAT.match, "MASQUERADE")
    seen = judge(wanted.wanted, table(wanted, f"-s {MINE} ! -o cni0 -j SNAT --to-source 10.128.0.2"))
    assert isinstance(seen, Present)
    assert "expected MASQUERADE" in seen.drift[0]


def test_a_return_for_the_pods_of_another_node_needs_the_cluster_range() -> None:
    rules = f"-d 10.244.1.0/24 -j RETURN\n-s {MINE} ! -o cni0 -j MASQUERADE"
    knowing = IptablesRule("master", "nat", "POSTROUTING", NAT.match, "MASQUERADE", cluster_range=PODS)
    with_it, without_it = judge(knowing.wanted, table(knowing, rules)), judge(NAT.wanted, table(NAT, rules))
    assert with_it == Present(note="what goes to pods keeps its source, as Kubernetes wants it")
    assert isinstance(without_it, Present)
    assert "-d 10.244.1.0/24 -j RETURN comes before" in without_it.drift[0]
