"""Traffic as boxes, sent through the chains: what becomes of all packets of a kind, not of one.

A box holds, for each dimension of `DIMENSIONS`, the set of values that its packets may have. A `Space` cuts each
dimension at the values which the rules name, and only there: two packets that no rule can tell apart are one value.
So the sets are finite, and cutting a box by a rule is exact. (Header space analysis, Kazemian et al., NSDI 2012.)
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import chain as concatenate
from typing import TYPE_CHECKING, TypeAlias

from labctl.model.value import Value
from labctl.resources.iptables_reading.words import STATES, Term, read_mark, read_range

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Values: TypeAlias = "frozenset[int | str]"
Box: TypeAlias = "tuple[Values, ...]"

DIMENSIONS = ("src", "dst", "in", "out", "proto", "state", "mark")
ADDRESSES = frozenset(("src", "dst"))
INTERFACES = frozenset(("in", "out"))
_OTHER = "?"  # all names that no rule names; no interface and no protocol is called so
_END = 1 << 32


class Space(Value):
    """The values that a set of rules can tell apart."""

    cuts: tuple[int, ...]
    values: Mapping[str, Values]

    def select(self, dimension: str, value: str) -> Values:
        """Give the values that `value`, spelled as iptables does, stands for. It must be one of the space's terms."""
        match dimension:
            case "src" | "dst":
                first, last = read_range(value)
                return frozenset(range(bisect_left(self.cuts, first), bisect_right(self.cuts, last)))
            case "in" | "out":
                if value.endswith("+"):
                    return frozenset(name for name in self.values[dimension] if str(name).startswith(value[:-1]))
                return frozenset((value,))
            case "state":
                return frozenset(value.split(","))
            case "mark":
                # Only unmarked traffic is ever asked about: it is enough to tell it from the rest.
                return frozenset((0,) if read_mark(value) == 0 else (1,))
        return frozenset((value,))

    def matched(self, term: Term) -> Values:
        """Give the values that a term lets through."""
        chosen = self.select(term.dimension, term.value)
        return self.values[term.dimension] - chosen if term.negated else chosen

    def box(self, terms: Iterable[Term]) -> Box:
        """Give the packets that all terms let through."""
        sides = dict(self.values)
        for term in terms:
            sides[term.dimension] &= self.matched(term)
        return tuple(sides[dimension] for dimension in DIMENSIONS)


def make_space(terms: Iterable[Term]) -> Space:
    """Cut the space at every value that the terms name."""
    named: dict[str, set[str]] = {dimension: set() for dimension in DIMENSIONS}
    for term in terms:
        named[term.dimension].add(term.value)
    ranges = [read_range(value) for value in named["src"] | named["dst"]]
    cuts = sorted({0, *(edge for first, last in ranges for edge in (first, last + 1))} - {_END})
    # `cni+` is a name of its own here: it stands for all that begin so and are not named otherwise.
    links: Values = frozenset((_OTHER, *named["in"], *named["out"]))
    addresses: Values = frozenset(range(len(cuts)))
    values: dict[str, Values] = {
        "src": addresses,
        "dst": addresses,
        "in": links,
        "out": links,
        "proto": frozenset((_OTHER, *named["proto"])),
        "state": frozenset[int | str](STATES),
        "mark": frozenset((0, 1)),
    }
    return Space(tuple(cuts), values)


def side(box: Box, dimension: str) -> Values:
    """One dimension of a box."""
    return box[DIMENSIONS.index(dimension)]


def replace_sides(box: Box, **sides: Values) -> Box:
    """Change some dimensions of a box."""
    return tuple(sides.get(dimension, values) for dimension, values in zip(DIMENSIONS, box, strict=True))


def intersect(one: Box, other: Box) -> Box | None:
    """Give the packets that are in both; None if there are none."""
    # Nearly all rules of a large firewall are about others' traffic, and one side says so at once.
    if any(mine.isdisjoint(theirs) for mine, theirs in zip(one, other, strict=True)):
        return None
    return tuple(mine & theirs for mine, theirs in zip(one, other, strict=True))


def subtract(one: Box, other: Box) -> list[Box]:
    """Give the packets of one that are not in the other, as boxes without overlap."""
    rest: list[Box] = []
    for at, (mine, theirs) in enumerate(zip(one, other, strict=True)):
        if outside := mine - theirs:
            rest.append((*one[:at], outside, *one[at + 1 :]))
        one = (*one[:at], mine & theirs, *one[at + 1 :])
        if not one[at]:
            break
    return rest


def contains(outer: Box, inner: Box) -> bool:
    """Tell whether every packet of `inner` is in `outer`."""
    return all(theirs <= mine for mine, theirs in zip(outer, inner, strict=True))


def terms_for(values: Iterable[str]) -> list[Term]:
    """Make terms that cut the addresses at these ranges."""
    return list(concatenate.from_iterable((Term("src", value), Term("dst", value)) for value in values))
