"""Strategies: any tables of iptables that a real one would take, near enough to the pods to matter."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from labctl.resources.iptables import IptablesRule
from tests.iptables_memory import MemoryFirewall

PODS = "10.244.0.0/16"
MINE = "10.244.0.0/24"
FROM = IptablesRule("master", "filter", "FORWARD", ("-s", PODS), "ACCEPT")
TO = IptablesRule("master", "filter", "FORWARD", ("-d", PODS), "ACCEPT")
NAT = IptablesRule(
    "master", "nat", "POSTROUTING", ("-s", MINE, "!", "-o", "cni0"), "MASQUERADE", node_address="10.128.0.2"
)
NAT_IN_CLUSTER = IptablesRule(
    "master", "nat", "POSTROUTING", NAT.match, "MASQUERADE", node_address="10.128.0.2", cluster_range=PODS
)
WANTED = (FROM, TO, NAT, NAT_IN_CLUSTER)

OWN_CHAINS = ("ONE", "TWO")  # the wanted chain jumps to both, ONE to TWO: the kernel refuses loops
RANGES = (PODS, MINE, "10.244.1.0/24", "10.244.128.0/17", "10.244.0.0/17", "10.0.0.0/8", "10.244.0.5", "172.17.0.0/16")
LINKS = ("cni0", "eth0", "docker0", "cni+", "e+")
MATCHES = (
    ("-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED"),
    ("-m", "conntrack", "--ctstate", "NEW"),
    ("-m", "conntrack", "--ctstate", "INVALID"),
    ("-m", "limit", "--limit", "1/sec"),
    ("-m", "mark", "--mark", "0x1"),
    ("-m", "comment", "--comment", 'the pods\' "own" \\ rule'),
)


@dataclass(frozen=True)
class Line:
    """A rule and its chain."""

    chain: str
    words: tuple[str, ...]


@st.composite
def lines(draw: st.DrawFn, table: str) -> Line:
    """One rule; most have few matches."""
    built_in = "FORWARD" if table == "filter" else "POSTROUTING"
    chain = draw(st.sampled_from((built_in, built_in, *OWN_CHAINS)))
    words: list[str] = []
    options = [("-s", RANGES), ("-d", RANGES), ("-o", LINKS), ("-p", ("tcp", "udp", "icmp"))]
    if table == "filter":
        options.insert(2, ("-i", LINKS))
    for option, values in options:
        if draw(st.integers(0, 2)) == 0:
            words += [*(["!"] if draw(st.integers(0, 3)) == 0 else []), option, draw(st.sampled_from(values))]
    if draw(st.integers(0, 3)) == 0:
        words += draw(st.sampled_from(MATCHES))
    targets = {
        "filter": ("ACCEPT", "ACCEPT", "DROP", "RETURN"),
        "nat": ("MASQUERADE", "MASQUERADE", "ACCEPT", "RETURN"),
    }
    ends: list[tuple[str, ...]] = [("-j", target) for target in targets[table]]
    if table == "nat":
        ends += [("-j", "SNAT", "--to-source", address) for address in ("10.128.0.2", "10.9.9.9")]
    further = {built_in: OWN_CHAINS, "ONE": ("TWO",), "TWO": ()}[chain]
    ends += [(flag, to) for to in further for flag in ("-j", "-g")]
    return Line(chain, (*words, *draw(st.sampled_from(ends))))


def rules(table: str) -> st.SearchStrategy[list[Line]]:
    """Some rules of a table."""
    return st.lists(lines(table), max_size=7)


@st.composite
def firewalls(draw: st.DrawFn, table: str) -> MemoryFirewall:
    """A packet filter with rules in one table."""
    firewall = MemoryFirewall()
    firewall.set_policy("FORWARD", draw(st.sampled_from(("DROP", "DROP", "DROP", "ACCEPT"))))
    for chain in OWN_CHAINS:
        firewall.add_chain(table, chain)
    for line in draw(rules(table)):
        firewall.append(table, line.chain, line.words)
    return firewall
