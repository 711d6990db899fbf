"""The rule that a learner likely meant: the right one in another chain, or one like it about another range."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labctl.resources.iptables_reading.case import Case


def explain_near_miss(case: Case) -> str:
    """Name such a rule, to be put behind what is missing; empty if there is none."""
    wanted = case.wanted.reading
    shape = [(term.dimension, term.negated) for term in wanted.terms]
    for rule in (each for rules in case.chains.values() for each in rules if each.target == wanted.target):
        if rule.chain != wanted.chain and set(wanted.terms) <= set(rule.terms):
            return f"; {rule.chain} has {rule.text}, but this traffic does not pass there"
        if rule.chain == wanted.chain and [(term.dimension, term.negated) for term in rule.terms] == shape:
            return f"; it has {rule.text}, which is about something else"
    return ""
