"""A wanted rule held against a table: which traffic is meant, which rules serve it, and what stands in the way."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from labctl.model.service_chains import EXTERNAL, SERVICES
from labctl.model.value import Value
from labctl.model.values import Rule, Ruleset
from labctl.resources.iptables_reading.traffic import (
    ADDRESSES,
    INTERFACES,
    contains,
    make_space,
    replace_sides,
    side,
    terms_for,
)
from labctl.resources.iptables_reading.walk import VERDICTS, Leaf, Outcome, Walk
from labctl.resources.iptables_reading.words import Reading, Term, read_rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from labctl.resources.iptables_reading.traffic import Box, Space, Values

_BUILT_IN_VERDICTS = frozenset(("ACCEPT", "DROP", "REJECT", "QUEUE", "NFQUEUE", "MASQUERADE", "SNAT", "NETMAP"))
# No router forwards these: this host, loopback, link-local (RFC 3927 §7), multicast without a daemon, reserved.
_NEVER_FORWARDED = ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4")
_PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")  # RFC 1918
# Bridges that Docker, libvirt, LXC, Incus and Podman make for their own guests. Pods never pass them, and their makers'
# chains drop on them as a matter of course (Docker: DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP).
_BRIDGES_OF_OTHERS = ("docker", "br-", "virbr", "lxcbr", "lxdbr", "incusbr", "podman", "cni-podman")
# Matches which some packets of any traffic are sure to meet: a DROP with one of them does drop.
_PORTS = frozenset(("--dport", "--sport", "--dports", "--sports", "--ports", "--icmp-type"))


class Wanted(Value):
    """The rule that is wanted. `IptablesRule` says what each field means."""

    table: str
    chain: str
    match: tuple[str, ...]
    target: str
    policy: str = ""
    node_address: str = ""
    cluster_range: str = ""
    uplink: str = ""
    alone: bool = True

    @property
    def words(self) -> tuple[str, ...]:
        """The words after `-A CHAIN`."""
        return (*self.match, "-j", self.target)

    @property
    def rewrites(self) -> bool:
        """Tell whether this is about the source address, not about passing."""
        return self.target == "MASQUERADE"

    @cached_property
    def reading(self) -> Reading:
        """The rule as read."""
        return read_rule(Rule(self.chain, self.words))


class Case(Value):
    """A wanted rule and a table; everything else here follows from the two."""

    wanted: Wanted
    ruleset: Ruleset

    @cached_property
    def chains(self) -> Mapping[str, tuple[Reading, ...]]:
        """The rules as read, by chain; user chains without a rule are there too."""
        names = {*dict(self.ruleset.policies), *(rule.chain for rule in self.ruleset.rules)}
        return {name: tuple(read_rule(rule) for rule in self.ruleset.of(name)) for name in names}

    @cached_property
    def space(self) -> Space:
        """The values that this table and the wanted rule can tell apart."""
        terms = [term for rules in self.chains.values() for rule in rules for term in rule.terms]
        ranges = [each for each in (*_NEVER_FORWARDED, *_PRIVATE, self.wanted.cluster_range) if each]
        uplink = [Term("out", self.wanted.uplink)] if self.wanted.uplink else []
        return make_space([*terms, *self.wanted.reading.terms, *terms_for(ranges), *uplink])

    def outcome_of(self, rule: Reading) -> Outcome:
        """Tell what a rule does with what it matches, seen from what is wanted."""
        if rule.target in self.chains:
            return Outcome.JUMP
        match rule.target:
            case "RETURN":
                return Outcome.RETURN
            case "SNAT" if self.wanted.rewrites:
                return Outcome.GOOD if self.new_source(rule) == self.wanted.node_address else Outcome.WRONG
            case self.wanted.target:
                return Outcome.GOOD
        return Outcome.BAD if rule.target in _BUILT_IN_VERDICTS else Outcome.PASS

    @staticmethod
    def new_source(rule: Reading) -> str:
        """Give the address that an SNAT rule puts in, without ports."""
        words = rule.arguments
        return words[words.index("--to-source") + 1].partition(":")[0] if "--to-source" in words else ""

    def is_certain(self, rule: Reading) -> bool:
        """Tell whether we understand all of a rule's matches, but for those that the wanted rule has too."""
        return rule.unknown in ((), self.wanted.reading.unknown)

    def walk(self, box: Box, ignore: Iterable[Outcome] = ()) -> tuple[Leaf, ...]:
        """Send a box through the wanted chain."""
        walk = Walk(self.space, self.chains, self.outcome_of, self.is_certain, frozenset(ignore))
        return walk.send(self.wanted.chain, box)

    def _values(self, dimension: str, ranges: Iterable[str]) -> Values:
        return frozenset().union(*(self.space.select(dimension, each) for each in ranges))

    @cached_property
    def needed(self) -> Box:
        """The traffic that must reach the verdict: what the wanted rule matches, of what ever comes this way.

        Of the states, INVALID and UNTRACKED are left out (dropping them is good practice and no harm); the nat table
        sees the first packet of a flow only (iptables(8)). Marked packets are their marker's business.
        """
        box = self.space.box(self.wanted.reading.terms)
        states = frozenset[int | str](("NEW",) if self.wanted.table == "nat" else ("NEW", "ESTABLISHED", "RELATED"))
        sides: dict[str, Values] = {"state": states, "mark": frozenset((0,))}
        if self.wanted.chain in ("FORWARD", "POSTROUTING"):
            for dimension in ADDRESSES:
                sides[dimension] = side(box, dimension) - self._values(dimension, _NEVER_FORWARDED)
            for dimension in INTERFACES:
                names = side(box, dimension)
                sides[dimension] = frozenset(name for name in names if not str(name).startswith(_BRIDGES_OF_OTHERS))
        if self.wanted.uplink and self._kept_links:
            sides["out"] = frozenset((self.wanted.uplink,))
        # a wanted rule that asks for just these means them
        return replace_sides(
            box, **{name: side(box, name) & values or side(box, name) for name, values in sides.items()}
        )

    @cached_property
    def _kept_links(self) -> tuple[Term, ...]:
        """The `! -o cni0` of the wanted rule: traffic leaving there must keep its source."""
        terms = self.wanted.reading.terms if self.wanted.rewrites else ()
        return tuple(term for term in terms if term.dimension == "out" and term.negated)

    @cached_property
    def leaves(self) -> tuple[Leaf, ...]:
        """What becomes of the needed traffic; what is said to a Service that has no endpoints is nothing of it."""
        return tuple(leaf for leaf in self.walk(self.needed) if not self._refuses_a_service(leaf))

    @cached_property
    def problems(self) -> tuple[Leaf, ...]:
        """The parts of the needed traffic that do not reach the wanted verdict."""
        return tuple(leaf for leaf in self.leaves if leaf.outcome is not Outcome.GOOD and self._matters(leaf))

    def _matters(self, leaf: Leaf) -> bool:
        if self.wanted.rewrites and leaf.outcome is not Outcome.WRONG and self._may_keep_source(leaf.box):
            return False
        if leaf.outcome is Outcome.POLICY or leaf.sure:
            return True
        # Something that we do not understand may drop a part of it. Only what is aimed at addresses, links or ports
        # is held against the learner: a rate limit, a string match or a set of some other tool is not.
        aimed = ADDRESSES | INTERFACES
        return any(_PORTS & set(rule.unknown) or aimed & {term.dimension for term in rule.terms} for rule in leaf.path)

    def _refuses_a_service(self, leaf: Leaf) -> bool:
        """Tell whether a rule is kube-proxy's for a Service without endpoints: about its address, which no pod has.

        The one for its node port asks for the node's own addresses, and nothing that is forwarded has these.
        """
        rule = leaf.rule if leaf.path else None
        if rule is None or rule.target != "REJECT" or rule.chain not in (SERVICES, EXTERNAL):
            return False
        if "--dst-type LOCAL" in " ".join(rule.unknown) and "!" not in rule.unknown:
            return self.wanted.chain == "FORWARD"
        pods = self._values("dst", (each.value for each in self.wanted.reading.terms if each.dimension in ADDRESSES))
        named = any(term.dimension == "dst" and not term.negated for term in rule.terms)
        return named and not side(leaf.box, "dst") & pods

    def _may_keep_source(self, box: Box) -> bool:
        """Tell whether a box only goes to pods: leaving that alone is the cure for the notes' rewriting of it."""
        to = side(box, "dst")
        if self.wanted.cluster_range and to <= self.space.select("dst", self.wanted.cluster_range):
            return True
        own = self._values("dst", (term.value for term in self.wanted.reading.terms if term.dimension == "src"))
        return bool(own) and own <= to <= self._values("dst", _PRIVATE)

    def covers(self, leaf: Leaf) -> bool:
        """Tell whether the rule of a leaf, reached by its jumps, matches all that is needed."""
        return all(self.is_certain(rule) and contains(self.space.box(rule.terms), self.needed) for rule in leaf.path)

    def _is_aimed(self, leaf: Leaf) -> bool:
        """Tell whether a rule is about what the wanted rule is about: it names the addresses at the same end."""
        mine = self.wanted.reading.terms
        dimensions = {term.dimension for term in mine}
        box = self.space.box(mine)
        return any(
            term in mine
            or not term.negated
            or self.space.select(term.dimension, term.value) & side(box, term.dimension)
            for rule in leaf.path
            for term in rule.terms
            if term.dimension in (dimensions & ADDRESSES or dimensions)
        )

    @cached_property
    def candidates(self) -> tuple[Leaf, ...]:
        """The rules that do the wanted job, or were meant to: aimed at it, or covering it if nothing came before."""
        mine = self.wanted.reading.terms
        near = self.space.box([term for term in mine if term.dimension in ADDRESSES] or mine)
        served = (Outcome.GOOD, Outcome.WRONG)
        aimed = [
            leaf
            for leaf in self.walk(near, ignore=(*VERDICTS, Outcome.RETURN))
            if leaf.outcome in served and self._is_aimed(leaf)
        ]
        covering = [
            leaf for leaf in self.walk(self.needed, ignore=VERDICTS) if leaf.outcome in served and self.covers(leaf)
        ]
        return tuple({leaf.path: leaf for leaf in (*aimed, *covering)}.values())

    @cached_property
    def rewriting(self) -> tuple[Leaf, ...]:
        """The candidates that also rewrite what stays on the bridge, between two addresses of the wanted source."""
        if not self.wanted.alone:
            return ()
        own = [term for term in self.wanted.reading.terms if term.dimension == "src"]
        found: list[Leaf] = []
        for term in self._kept_links:
            inside = [*own, *(Term("dst", each.value, each.negated) for each in own), Term("out", term.value)]
            box = replace_sides(self.space.box(inside), state=frozenset(("NEW",)), mark=frozenset((0,)))
            found += [
                leaf
                for leaf in self.walk(box)
                if leaf.sure and leaf.path in {candidate.path for candidate in self.candidates}
            ]
        return tuple(found)
