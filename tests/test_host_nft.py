"""What of an nft table is the lab's, and that none is dropped which could not be looked at."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import pytest

from labctl.model.baseline import Baseline
from labctl.model.values import Completed
from labctl.world.host.marks import Marks
from labctl.world.host.nft import drop_empty, take_marked
from labctl.world.topology import read_lab, spread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labctl.model.ports import Kernel

LAB = read_lab(spread(2, None))


class Nft:
    """A kernel whose only program is nft; it lists these entries, and notes what else it is told."""

    def __init__(self, entries: list[dict[str, Any]] | None, *tables: dict[str, str]) -> None:
        self.entries, self.tables, self.told = entries, tables, ""

    def programs(self, _place: object) -> Nft:
        return self

    def run(self, argv: Sequence[str], text: str = "") -> Completed:
        if argv[-1] == "-":
            self.told += text
            return Completed(0, "", "")
        listed = [{"table": each} for each in self.tables] if argv[-1] == "tables" else self.entries
        return Completed(1, "", "no") if listed is None else Completed(0, json.dumps({"nftables": listed}), "")


def rule(chain: str, handle: int, *expressions: dict[str, Any]) -> dict[str, Any]:
    return {"rule": {"family": "ip", "table": "t", "chain": chain, "handle": handle, "expr": [*expressions]}}


def source(address: object) -> dict[str, Any]:
    return {"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}}, "right": address}}


PODS = source({"prefix": {"addr": "10.244.1.0", "len": 24}})
WIDER = source({"prefix": {"addr": "10.244.0.0", "len": 15}})
PORT = {"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": 22}}
CHAIN = {"chain": {"family": "ip", "table": "t", "name": "f", "handle": 1}}
SET = {"set": {"family": "ip", "name": "pods", "table": "t", "type": "ipv4_addr", "handle": 2, "elem": ["10.244.0.7"]}}
AT_PORT = {"chain": {"family": "netdev", "table": "t", "name": "f", "handle": 1, "dev": "vetha", "hook": "ingress"}}
WHOLE = ("the nft table ip t", "delete table ip t\n")


@pytest.mark.parametrize(
    ("entries", "said", "told"),
    [
        ([CHAIN, rule("f", 3, PORT)], "", ""),
        ([CHAIN, rule("f", 3, WIDER)], "", ""),
        ([CHAIN, rule("f", 3, PODS)], *WHOLE),
        ([CHAIN, rule("f", 3, PODS), rule("g", 4, {"jump": {"target": "f"}})], *WHOLE),
        ([SET, rule("f", 3, source("@pods"))], *WHOLE),
        ([SET], *WHOLE),
        ([AT_PORT, rule("f", 3, {"drop": None})], *WHOLE),
        (
            [CHAIN, rule("f", 3, PODS), rule("f", 4, PORT)],
            "1 of 2 rules of the nft table ip t",
            "delete rule ip t f handle 3\n",
        ),
        ([SET, rule("f", 4, PORT)], "", ""),
        (None, "", ""),
    ],
)
def test_rules_about_pods_are_the_labs_and_others_stay(
    entries: list[dict[str, Any]] | None, said: str, told: str
) -> None:
    nft = Nft(entries)
    assert take_marked(cast("Kernel", nft), LAB.nodes[0], "ip t", Marks(LAB)) == said
    assert nft.told == told


@pytest.mark.parametrize(
    ("entries", "told"),
    [
        ([{"table": {}}, {"chain": {"name": "INPUT", "policy": "accept"}}], "delete chain ip nat INPUT\n"),
        ([{"table": {}}, rule("INPUT", 3, PORT)], None),
        (None, None),
    ],
)
def test_a_table_of_iptables_is_dropped_only_if_it_is_seen_to_be_empty(
    entries: list[dict[str, Any]] | None, told: str | None
) -> None:
    nft = Nft(entries, {"family": "ip", "name": "nat"})
    drop_empty(cast("Kernel", nft), LAB.nodes[0], Baseline("boot", nft=()))
    assert nft.told == ("" if told is None else f"{told}delete table ip nat\n")
