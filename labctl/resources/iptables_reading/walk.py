"""Traffic sent through a chain and the chains it jumps to: which rule decides about which part of it.

Matches that we do not understand only ever narrow a rule: such a rule takes what it takes, and everything goes on to
the next one as well. So an accepting rule with one never accepts *all* of anything.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from labctl.errors import CannotTell
from labctl.model.value import Value, replace
from labctl.resources.iptables_reading.traffic import contains, intersect, subtract

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from labctl.resources.iptables_reading.traffic import Box, Space
    from labctl.resources.iptables_reading.words import Reading

_MOST_PIECES = 500  # a rule may cut each piece in four; Docker, libvirt and kube-proxy together come to about ten


class Outcome(StrEnum):
    """What a rule does with what it matches."""

    GOOD = "good"  # the verdict that is wanted
    WRONG = "wrong"  # the wanted kind of verdict with a wrong argument: SNAT to another address
    BAD = "bad"  # another verdict
    RETURN = "return"  # back to the calling chain; in a built-in chain, to the policy
    JUMP = "jump"  # to a chain of the user's
    PASS = "pass"  # noqa: S105 (no password: it counts, logs or marks, and the next rule is asked)
    POLICY = "policy"  # no rule decided


VERDICTS = frozenset((Outcome.GOOD, Outcome.WRONG, Outcome.BAD))


class Leaf(Value):
    """A part of the traffic and what became of it.

    `path` holds the jumps and the rule that decided, last; for POLICY, the RETURN or `-g` that led there, if one did.
    `sure` is False where the part is only what a match that we do not understand may let through.
    """

    outcome: Outcome
    box: Box
    sure: bool
    path: tuple[Reading, ...]

    @property
    def rule(self) -> Reading:
        """The rule that decided."""
        return self.path[-1]


class _Flow(Value):
    box: Box
    sure: bool = True
    returned_by: Reading | None = None


class Walk(Value):
    """Chains to send traffic through. Verdicts in `ignore` are noted, but take nothing away from what follows."""

    space: Space
    chains: Mapping[str, tuple[Reading, ...]]
    outcome_of: Callable[[Reading], Outcome]
    is_certain: Callable[[Reading], bool]
    ignore: frozenset[Outcome] = frozenset()

    def send(self, chain: str, box: Box) -> tuple[Leaf, ...]:
        """Send a box through a built-in chain.

        Raises:
            CannotTell: the rules cut the traffic into too many pieces.
        """
        leaves: list[Leaf] = []
        for flow in self._pass(chain, [_Flow(box)], (), leaves):
            path = () if flow.returned_by is None else (flow.returned_by,)
            leaves.append(Leaf(Outcome.POLICY, flow.box, flow.sure, path))
        return tuple(leaves)

    def _pass(self, chain: str, flows: list[_Flow], path: tuple[Reading, ...], leaves: list[Leaf]) -> list[_Flow]:
        """Send flows through one chain; give back what leaves it undecided."""
        leaving: list[_Flow] = []
        for rule in self.chains.get(chain, ()):
            outcome, certain = self.outcome_of(rule), self.is_certain(rule)
            if outcome is Outcome.PASS:
                continue
            matched = self.space.box(rule.terms)
            staying: list[_Flow] = []
            for flow in flows:
                inside = intersect(flow.box, matched)
                if inside is None:
                    staying.append(flow)
                    continue
                hit = replace(flow, box=inside, sure=flow.sure and certain)
                back, out = self._decide(rule, hit, path, leaves)
                leaving += out
                if not certain or outcome in self.ignore:
                    staying.append(flow)
                else:
                    staying += [*(replace(flow, box=rest) for rest in subtract(flow.box, matched)), *back]
            flows = staying
            if len(flows) + len(leaving) > _MOST_PIECES:
                raise CannotTell(f"the rules of {chain} cut the traffic into too many pieces to tell")
        return _without_repeats(flows + leaving)

    def _decide(
        self, rule: Reading, hit: _Flow, path: tuple[Reading, ...], leaves: list[Leaf]
    ) -> tuple[list[_Flow], list[_Flow]]:
        """Let a rule decide about what it matched: what comes back to the next rule, and what leaves the chain."""
        match self.outcome_of(rule):
            case Outcome.RETURN if Outcome.RETURN not in self.ignore:
                return [], [replace(hit, returned_by=rule)]
            case Outcome.JUMP if rule in path:  # a loop: the kernel refuses them, a text might hold one
                return [hit], []
            case Outcome.JUMP:
                back = self._pass(rule.target, [hit], (*path, rule), leaves)
                if rule.goto:
                    return [], [replace(flow, returned_by=flow.returned_by or rule) for flow in back]
                return back, []
            case outcome if outcome in VERDICTS:
                leaves.append(Leaf(outcome, hit.box, hit.sure, (*path, rule)))
        return [], []


def _without_repeats(flows: list[_Flow]) -> list[_Flow]:
    """Drop flows that lie within another that is as sure: whatever becomes of them becomes of it too."""
    kept: list[_Flow] = []
    for flow in sorted(flows, key=lambda each: not each.sure):
        if not any(contains(other.box, flow.box) for other in kept):
            kept.append(flow)
    return kept
