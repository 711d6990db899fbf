"""Does a table of iptables do the job of a wanted rule; if not, why not, and what would have to change. All pure.

`judge` answers for *all* packets that the wanted rule matches (`Case.needed` says which ever come): a wider rule
counts, a narrower one is drift, an earlier DROP is drift. `plan_apply` and `plan_revert` say the changes that lead to
present and to absent; a plan is worked out on copies of the table, so it holds for the whole of them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from labctl.model.iptables_save import spell_words
from labctl.model.resource import Absent, Present
from labctl.model.value import Value
from labctl.model.values import Rule, Ruleset
from labctl.resources.iptables_reading.case import Case, Wanted
from labctl.resources.iptables_reading.near import explain_near_miss
from labctl.resources.iptables_reading.traffic import ADDRESSES, contains, side
from labctl.resources.iptables_reading.walk import Leaf, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable

    from labctl.resources.iptables_reading.words import Reading

_VERBS = {"ACCEPT": "accepts", "MASQUERADE": "masquerades"}
_MOST_NAMED = 3


class Kind(StrEnum):
    """What a change does; each is a method of the port `Firewall`."""

    APPEND = "append"
    INSERT = "insert"
    DELETE = "delete"
    SET_POLICY = "set_policy"


class Change(Value):
    """One change to a chain: the rule's words, or the policy."""

    kind: Kind
    chain: str
    words: tuple[str, ...]


def judge(wanted: Wanted, ruleset: Ruleset) -> Absent | Present:
    """Tell whether the table does the job of the wanted rule.

    Raises:
        CannotTell: the rules are too many and too tangled.
    """
    case = Case(wanted, ruleset)
    policy = _policy_drift(wanted, ruleset)
    if case.problems:
        drift = _explain_candidates(case) if case.candidates else ()
        if not drift and policy:
            drift = (_say_missing(case),)
        return Present((*drift, *policy)) if drift else Absent(_say_missing(case))
    drift = (*(_say_rewriting(case, leaf.rule) for leaf in case.rewriting), *policy)
    return Present(_unique(drift), "" if drift else _explain_why_it_counts(case))


def plan_apply(wanted: Wanted, ruleset: Ruleset) -> tuple[Change, ...]:
    """Say what makes it present without drift; nothing where it is.

    Appends, as the notes do; goes to the head of the chain only where another's rule would have the first word. Takes
    away nothing but its own kind of rule that also rewrites what stays on the bridge.
    """
    changes: list[Change] = []
    while victims := _rules_of(Case(wanted, ruleset).rewriting):
        changes += victims
        ruleset = perform_all(ruleset, victims)
    if Case(wanted, ruleset).problems:
        add = Change(Kind.APPEND, wanted.chain, wanted.words)
        if Case(wanted, perform(ruleset, add)).problems:
            add = Change(Kind.INSERT, wanted.chain, wanted.words)
        changes.append(add)
    return (*changes, *_policy_change(wanted, ruleset))


def plan_revert(wanted: Wanted, ruleset: Ruleset) -> tuple[Change, ...]:
    """Say what makes it absent, whoever made it: every rule that does the job or was meant to goes, in any chain."""
    changes: list[Change] = []
    while victims := _serving(Case(wanted, ruleset)):
        changes += victims
        ruleset = perform_all(ruleset, victims)
    return (*changes, *_policy_change(wanted, ruleset))


def _serving(case: Case) -> tuple[Change, ...]:
    if case.candidates:
        return _rules_of(case.candidates)
    if case.problems:
        return ()
    # Several rules do it together, none of them about it alone: without the last one it is not done.
    return _rules_of([leaf for leaf in case.leaves if leaf.outcome is Outcome.GOOD][-1:])


def _rules_of(leaves: Iterable[Leaf]) -> tuple[Change, ...]:
    return tuple({Change(Kind.DELETE, leaf.rule.chain, leaf.rule.words): None for leaf in leaves})


def perform(ruleset: Ruleset, change: Change) -> Ruleset:
    """Give the table as it is after a change; deleting what is not there changes nothing."""
    rules = list(ruleset.rules)
    rule = Rule(change.chain, change.words)
    match change.kind:
        case Kind.APPEND:
            rules.append(rule)
        case Kind.INSERT:
            rules.insert(0, rule)
        case Kind.DELETE if rule in rules:
            rules.remove(rule)
        case Kind.SET_POLICY:
            policies = {**dict(ruleset.policies), change.chain: change.words[0]}
            return Ruleset(tuple(policies.items()), ruleset.rules)
    return Ruleset(ruleset.policies, tuple(rules))


def perform_all(ruleset: Ruleset, changes: Iterable[Change]) -> Ruleset:
    """Give the table as it is after all changes, in order."""
    for change in changes:
        ruleset = perform(ruleset, change)
    return ruleset


def _found_policy(wanted: Wanted, ruleset: Ruleset) -> str:
    """The policy that was found, where it is not the expected one."""
    if wanted.table != "filter" or not wanted.policy:
        return ""
    found = ruleset.policy(wanted.chain)
    return "" if found in (wanted.policy, "-") else found  # a chain of the user's has none


def _policy_change(wanted: Wanted, ruleset: Ruleset) -> tuple[Change, ...]:
    found = _found_policy(wanted, ruleset)
    return (Change(Kind.SET_POLICY, wanted.chain, (wanted.policy,)),) if found else ()


def _policy_drift(wanted: Wanted, ruleset: Ruleset) -> tuple[str, ...]:
    found = _found_policy(wanted, ruleset)
    if not found:
        return ()
    harm = ": that opens the node to everything" if found == "ACCEPT" else ""
    return (f"policy of {wanted.chain} is {found}{harm}; expected {wanted.policy}",)


def _say_missing(case: Case) -> str:
    wanted = case.wanted
    said = f"no rule of {wanted.chain} {_VERBS[wanted.target]} {spell_words(wanted.match)}"
    parts = [
        leaf.rule.text
        for leaf in case.leaves
        if leaf.outcome is Outcome.GOOD and "NEW" in side(leaf.box, "state")
        if not any(term.dimension in ADDRESSES for rule in leaf.path for term in rule.terms)
    ]
    if parts:
        said += f" ({_several(parts)} {_VERBS[wanted.target]} only a part of it)"
    takers = [leaf.rule.text for leaf in case.problems if leaf.path and leaf.sure]
    said += f"; {_several(takers)} would come before one at the end" if takers else ""
    return said + explain_near_miss(case)


def _explain_candidates(case: Case) -> tuple[str, ...]:
    """Say of rules that were meant to do the job why they do not: overtaken, wrong or too narrow."""
    wrong = [leaf for leaf in case.candidates if leaf.outcome is Outcome.WRONG]
    wide = [leaf for leaf in case.candidates if leaf.outcome is Outcome.GOOD and case.covers(leaf)]
    narrow = [leaf for leaf in case.candidates if leaf.outcome is Outcome.GOOD and not case.covers(leaf)]
    named = {leaf.path for leaf in wrong}
    before = [leaf for leaf in case.problems if leaf.path and leaf.path not in named]
    said = [_say_wrong_source(case, leaf) for leaf in wrong]
    if wide:
        said += [_say_overtaken(case, leaf, wide[0].rule) for leaf in before]
    else:
        said += [_say_narrow(case, leaf) for leaf in narrow]
    return _unique(said[:_MOST_NAMED])


def _say_narrow(case: Case, leaf: Leaf) -> str:
    wanted = case.wanted
    match = spell_words([word for rule in leaf.path for word in rule.match])
    where = "" if leaf.rule.chain == wanted.chain else f" (in {leaf.rule.chain})"
    return f"{wanted.chain} {_VERBS[wanted.target]} only {match}{where}; expected {spell_words(wanted.match)}"


def _say_wrong_source(case: Case, leaf: Leaf) -> str:
    own = f"the node's own address {case.wanted.node_address}" if case.wanted.node_address else "MASQUERADE"
    return f"{leaf.rule.chain} rewrites to {case.new_source(leaf.rule)} ({leaf.rule.text}); expected {own}"


def _say_overtaken(case: Case, leaf: Leaf, served: Reading) -> str:
    how = "takes" if leaf.sure else "may take"
    much = "all of it" if contains(leaf.box, case.needed) else "a part of it"
    return (
        f"in {leaf.rule.chain}, {leaf.rule.text} comes before {served.text} and {how} {much}; "
        f"expected nothing in the way of {spell_words(case.wanted.match)}"
    )


def _say_rewriting(case: Case, rule: Reading) -> str:
    return (
        f"in {rule.chain}, {rule.text} also rewrites what stays on the bridge; "
        f"expected {spell_words(case.wanted.match)} -j {case.wanted.target}"
    )


def _explain_why_it_counts(case: Case) -> str:
    """Say why a table counts that does not simply hold the wanted rule; empty where it does."""
    wanted = case.wanted
    rules = list(dict.fromkeys(leaf.rule for leaf in case.leaves if leaf.outcome is Outcome.GOOD))
    said: list[str] = []
    plain = {(rule.chain, frozenset(rule.terms), rule.target) for rule in rules}
    if (wanted.chain, frozenset(wanted.reading.terms), wanted.target) not in plain:
        said.append(f"{_several(rule.text for rule in rules)} {'does' if len(rules) == 1 else 'do'} it")
    if any(rule.target == "SNAT" for rule in rules):
        said.append(f"{wanted.node_address} is the node's own address: the same as MASQUERADE")
    if wanted.rewrites and any(not _is_for_all_links(case, rule) for rule in rules):
        said.append(f"{wanted.uplink} is the way out")
    left = [leaf for leaf in case.leaves if leaf.outcome is not Outcome.GOOD]
    said += [f"{leaf.rule.text} may take a part of it" for leaf in left if not leaf.sure and leaf.path]
    if any(leaf.sure for leaf in left):
        said.append("what goes to pods keeps its source, as Kubernetes wants it")
    return "; ".join(_unique(said))


def _is_for_all_links(case: Case, rule: Reading) -> bool:
    """Tell whether a rule matches every link by which the wanted rule matches."""
    links = side(case.space.box(case.wanted.reading.terms), "out")
    return links <= side(case.space.box(rule.terms), "out")


def _several(texts: Iterable[str]) -> str:
    named = list(dict.fromkeys(texts))
    more = len(named) - _MOST_NAMED
    return " and ".join(named[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _unique(sentences: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(sentences))
