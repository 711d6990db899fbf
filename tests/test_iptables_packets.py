"""The reading of rules held against real packets: where the model says accepted or rewritten, the kernel does so.

A router with both ends of the wire in one process. UDP datagrams go through it both ways under table after table; a
last one, which the first rule accepts, follows them on the same path: when it has come, what has not come was dropped.
"""

from __future__ import annotations

import json
import sys
from typing import TypeAlias

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from labctl.model.iptables_save import render_save
from labctl.model.values import Rule, Ruleset
from labctl.resources.iptables_reading.case import Case, Wanted
from labctl.resources.iptables_reading.traffic import replace_sides
from labctl.resources.iptables_reading.walk import Outcome
from tests.iptables_memory import BUILT_IN, spell_as_saved
from tests.iptables_namespace import Namespace
from tests.iptables_rules import OWN_CHAINS, rules

pytestmark = [pytest.mark.machine, pytest.mark.anybody]

Arrivals: TypeAlias = "dict[tuple[str, str], str]"  # (source, destination) as sent → the source that the far end saw

PODS_SIDE = ("10.244.0.5", "10.244.1.7", "10.244.200.9", "172.17.0.2")  # behind cni0
FAR_SIDE = ("203.0.113.10", "10.244.1.99", "10.3.3.3")  # behind eth0
LAST = {"cni0": "192.0.2.1", "eth0": "192.0.2.2"}  # where the datagram that ends a round comes from
ROUTER = {"cni0": "10.244.0.1", "eth0": "10.128.0.2"}

SCENE = f"""
echo 1 > /proc/sys/net/ipv4/ip_forward
mkdir -p /run/netns
mac_of() {{ sed 's/.*"address":"\\([0-9a-f:]*\\)".*/\\1/'; }}  # of what `ip -j link show` prints
side() {{ # LINK ROUTER-ADDRESS ADDRESSES…
    link=$1; router=$2; shift 2
    ip netns add "$link"
    ip link add "$link" type veth peer name end netns "$link"
    ip addr add "$router/32" dev "$link"
    ip link set "$link" up
    ip -n "$link" link set end up
    mac=$(ip -n "$link" -j link show end | mac_of)
    for address; do
        ip -n "$link" addr add "$address/32" dev end
        ip route add "$address/32" dev "$link"
        ip neigh add "$address" lladdr "$mac" dev "$link" nud permanent
    done
    ip -n "$link" route add "$router/32" dev end
    ip -n "$link" route add default via "$router"
    ip -n "$link" neigh add "$router" lladdr "$(ip -j link show "$link" | mac_of)" dev end nud permanent
}}
for each in all default; do echo 0 > /proc/sys/net/ipv4/conf/$each/rp_filter; done
side cni0 {ROUTER["cni0"]} {" ".join(PODS_SIDE)} {LAST["cni0"]}
side eth0 {ROUTER["eth0"]} {" ".join(FAR_SIDE)} {LAST["eth0"]}
"""

# Sends every table's round; each round has ports of its own, or conntrack would remember the round before.
SENDER = """
import ctypes, json, os, socket, subprocess, sys
sides, last, tables = json.load(sys.stdin)
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # one CPU, one queue: what is sent first comes first
setns = ctypes.CDLL(None, use_errno=True).setns
home = os.open("/proc/self/ns/net", os.O_RDONLY)

def sockets(link, port):
    there = os.open("/run/netns/" + link, os.O_RDONLY)
    assert setns(there, 0) == 0
    made = {}
    for address in ["0.0.0.0", *sides[link], last[link]]:
        made[address] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made[address].bind((address, 9999 if address == "0.0.0.0" else port))
        made[address].settimeout(20)
    assert setns(home, 0) == 0
    os.close(there)
    return made

answers = []
for number, table in enumerate(tables):
    subprocess.run(["iptables-restore"], input=table, text=True, check=True)
    ends = {link: sockets(link, 10000 + number) for link in sides}
    arrived = []
    for here, there in (("cni0", "eth0"), ("eth0", "cni0")):
        for source in sides[here]:
            for target in sides[there]:
                ends[here][source].sendto(f"{source} {target}".encode(), (target, 9999))
        ends[here][last[here]].sendto(b"last", (sides[there][0], 9999))
        while True:
            data, (seen, _) = ends[there]["0.0.0.0"].recvfrom(100)
            if data == b"last":
                break
            arrived.append([*data.decode().split(), seen])
    for end in ends.values():
        for each in end.values():
            each.close()
    answers.append(arrived)
print(json.dumps(answers))
"""


def some_tables(table: str, policy: str) -> list[Ruleset]:
    """Sixty tables, the same ones each time; without rate limits, of which the model says that it cannot tell."""
    made: list[Ruleset] = []

    @seed(1)
    @settings(max_examples=60, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def make(data: st.DataObject) -> None:
        lines = data.draw(rules(table).filter(lambda lines: all("limit" not in line.words for line in lines)))
        built_in = tuple((chain, policy if chain == "FORWARD" else "ACCEPT") for chain in BUILT_IN[table])
        chains = (*built_in, *((chain, "-") for chain in OWN_CHAINS))
        made.append(Ruleset(chains, tuple(Rule(line.chain, spell_as_saved(line.words)) for line in lines)))

    make()
    return made


def send(namespace: Namespace, table: str, tables: list[Ruleset]) -> list[Arrivals]:
    """Send a round under each table."""
    chain = "FORWARD" if table == "filter" else "POSTROUTING"
    first = Rule(chain, ("-s", "192.0.2.0/24", "-j", "ACCEPT"))
    texts = [render_save({table: Ruleset(each.policies, (first, *each.rules))}) for each in tables]
    asked = json.dumps([{"cni0": PODS_SIDE, "eth0": FAR_SIDE}, LAST, texts])
    done = namespace.run((sys.executable, "-c", SENDER), asked)
    assert done.code == 0, done.err
    return [{(source, target): seen for source, target, seen in arrived} for arrived in json.loads(done.out)]


def expect(table: str, ruleset: Ruleset) -> Arrivals:
    """What the model says of the same round."""
    expected: Arrivals = {}
    for here, there, sources, targets in (("cni0", "eth0", PODS_SIDE, FAR_SIDE), ("eth0", "cni0", FAR_SIDE, PODS_SIDE)):
        for source in sources:
            for target in targets:
                packet = ("-s", source, "-d", target, "-o", there, "-p", "udp")
                if table == "filter":
                    wanted = Wanted(table, "FORWARD", (*packet, "-i", here), "ACCEPT")
                else:
                    wanted = Wanted(table, "POSTROUTING", packet, "MASQUERADE", node_address=ROUTER[there])
                verdict, new_source = decide(Case(wanted, ruleset))
                if table == "nat":
                    expected[source, target] = {
                        Outcome.GOOD: ROUTER[there],
                        Outcome.WRONG: new_source,
                    }.get(verdict, source)
                elif verdict is Outcome.GOOD or (verdict is Outcome.POLICY and ruleset.policy("FORWARD") == "ACCEPT"):
                    expected[source, target] = source
    return expected


def decide(case: Case) -> tuple[Outcome, str]:
    """What becomes of the one packet that the wanted rule describes, the first of its flow."""
    box = case.space.box(case.wanted.reading.terms)
    (leaf,) = case.walk(replace_sides(box, state=frozenset(("NEW",)), mark=frozenset((0,))))
    assert leaf.sure
    return leaf.outcome, case.new_source(leaf.rule) if leaf.path else ""


@pytest.mark.parametrize("backend", ["nft", "legacy"])
@pytest.mark.parametrize(("table", "policy"), [("filter", "DROP"), ("filter", "ACCEPT"), ("nat", "")])
def test_the_kernel_does_what_the_model_says(backend: str, table: str, policy: str) -> None:
    tables = some_tables(table, policy)
    with Namespace(backend) as namespace:
        namespace.must(SCENE)
        arrivals = send(namespace, table, tables)
    for ruleset, arrived in zip(tables, arrivals, strict=True):
        assert arrived == expect(table, ruleset), render_save({table: ruleset})
    everything = len(PODS_SIDE) * len(FAR_SIDE) * 2
    # the tables do tell packets apart, or all of this would show nothing
    if table == "filter":
        assert any(0 < len(arrived) < everything for arrived in arrivals)
    else:
        assert any(0 < sum(sent != seen for (sent, _), seen in each.items()) < everything for each in arrivals)
