"""The rule that a learner likely meant: the right one in another chain, or one like it about another range."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labctl.resources.iptables_reading.case import Case
    from labctl.resources.iptables_reading.words import Reading


def explain_near_miss(case: Case) -> str:
    """Name such a rule, to be put behind what is missing; empty if there is none."""
    wanted = case.wanted.reading
    for rule in (each for rules in case.chains.values() for each in rules if each.target == wanted.target):
        if rule.chain != wanted.chain and set(wanted.terms) <= set(rule.terms):
            return f"; {rule.chain} has {rule.text}, but this traffic does not pass there"
        if rule.chain == wanted.chain and _is_like(rule, wanted):
            return f"; it has {rule.text}, which is about something else"
    return ""


def _is_like(rule: Reading, wanted: Reading) -> bool:
    """Tell a slip of the pen: the same options, and values that begin alike; Docker's own range does not."""
    pairs = list(zip(rule.terms, wanted.terms, strict=False))
    same = len(rule.terms) == len(wanted.terms) and all(
        (mine.dimension, mine.negated) == (its.dimension, its.negated) for mine, its in pairs
    )
    return same and all(mine.value.partition(".")[0] == its.value.partition(".")[0] for mine, its in pairs)
