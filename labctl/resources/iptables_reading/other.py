"""The rules of the other backend: every packet passes those of iptables-nft *and* of iptables-legacy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labctl.model.iptables_save import parse_save
from labctl.model.resource import Absent, Present
from labctl.model.value import replace
from labctl.resources.iptables_semantics import judge

if TYPE_CHECKING:
    from labctl.model.values import Ruleset
    from labctl.resources.iptables_reading.case import Wanted


def explain_other_backend(wanted: Wanted, seen: Absent | Present, text: str) -> str:
    """Say what the rules in `text` (`Firewall.other_backend`) mean for what was seen here; empty for nothing.

    Nothing there can be repaired through `iptables`, so this is an aside and never drift.

    Raises:
        CannotTell: the rules there are too many and too tangled.
    """
    other = parse_save(text).get(wanted.table)
    if other is None:
        return ""
    legacy_is_mine = text.startswith("# iptables-nft")
    name, mine = ("iptables-nft", "legacy") if legacy_is_mine else ("iptables-legacy", "nft")
    there = judge(replace(wanted, policy=""), other)
    does_it = isinstance(there, Present) and not there.drift
    if isinstance(seen, Absent):
        return f"{name} holds one, but iptables here is the {mine} backend" if does_it else ""
    if wanted.table == "filter" and not does_it and _may_drop(other, wanted.chain):
        return f"{name} may drop it all the same: see {name}-save (iptables here is the {mine} backend)"
    return ""


def _may_drop(ruleset: Ruleset, chain: str) -> bool:
    return ruleset.policy(chain) == "DROP" or any(
        word in ("DROP", "REJECT") for rule in ruleset.of(chain) for word in rule.words
    )
