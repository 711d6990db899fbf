"""Draws an address plan from a seed: neighbours in a class have other addresses and names, so lines cannot be copied.

The draws come from SHA-256 and not from `random`, whose methods may draw otherwise in another version of Python.
"""

from __future__ import annotations

import hashlib
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, TypeVar

from labctl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labctl.world.topology import Document

_Any = TypeVar("_Any")
_MOST_LETTERS = 64
_CONSONANTS, _VOWELS = "bdfghjklmnprstvwz", "aeiou"
# Words of the shell's own, an interface, and what reads as a word of a command.
_NOT_NAMES = frozenset({"do", "fi", "if", "lo", "to", "no", "de", "del"})
_TEN = IPv4Network("10.0.0.0/8")
_NODE_PREFIX, _POD_PREFIX = 20, 24


class _Draws:
    """Numbers that follow from a text."""

    def __init__(self, seed: str) -> None:
        self._seed, self._count = seed, 0

    def below(self, end: int) -> int:
        """A number from 0 on, below this."""
        self._count += 1
        digest = hashlib.sha256(f"labctl 1\0{self._seed}\0{self._count}".encode()).digest()
        return int.from_bytes(digest) % end

    def several(self, among: Sequence[_Any], number: int) -> list[_Any]:
        """So many of these, none twice."""
        left = list(among)
        return [left.pop(self.below(len(left))) for _ in range(number)]


def draw(seed: str, document: Document) -> Document:
    """Give a plan of as many nodes and containers with ranges, addresses and names of its own.

    Raises:
        UsageError: it is no seed.
    """
    if not seed.strip() or len(seed) > _MOST_LETTERS or not seed.isprintable():
        raise UsageError(
            f"{seed[:_MOST_LETTERS]!r} is no seed: 1 to {_MOST_LETTERS} letters that can be printed",
            "a learner's name: labctl up --seed anna",
        )
    draws = _Draws(seed)
    # Nothing of the notes' own: their lines are what everybody can copy.
    notes = [IPv4Network(document[field]) for field in ("cluster_range", "service_range", "node_range")]
    free = [each for each in _TEN.subnets(new_prefix=16) if not any(each.overlaps(other) for other in notes)]
    cluster, service, nodes = draws.several(free, 3)
    nodes = draws.several(list(nodes.subnets(new_prefix=_NODE_PREFIX)), 1)[0]
    entries = document["node"]
    ranges = draws.several(list(cluster.subnets(new_prefix=_POD_PREFIX)), len(entries))
    # Neither the network's address, nor the gateway's, nor the one for broadcasts.
    addresses = draws.several([nodes[number] for number in range(2, nodes.num_addresses - 1)], len(entries))
    names = iter(_draw_names(draws, sum(len(entry["containers"]) for entry in entries)))
    return {
        **document,
        "seed": seed,
        "cluster_range": str(cluster),
        "service_range": str(service),
        "node_range": str(nodes),
        "gateway": str(nodes[1]),
        "node": [
            {
                **entry,
                "address": str(address),
                "pod_range": str(pod_range),
                "containers": [next(names) for _ in entry["containers"]],
            }
            for entry, address, pod_range in zip(entries, addresses, ranges, strict=True)
        ],
    }


def _draw_names(draws: _Draws, number: int) -> list[str]:
    """Syllables, longer ones where there are not enough short ones."""
    syllables = [first + second for first in _CONSONANTS for second in _VOWELS]
    names = [each for each in syllables if each not in _NOT_NAMES]
    while len(names) < number:
        names = [name + each for name in names for each in syllables]
    return draws.several(names, number)
