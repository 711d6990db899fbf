"""One rule of iptables, read: which packets it matches as far as we understand it, and what it does with them.

The words are those of `iptables-save` (iptables(8), iptables-extensions(8)): each match option in its short form, `!`
before the option that it turns round, `-j` or `-g` last.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING

from labctl.model.iptables_save import spell_words
from labctl.model.value import Value

if TYPE_CHECKING:
    from labctl.model.values import Rule

# Options that we understand: the dimension of traffic that each limits, and the module that it must belong to.
_OPTIONS = {
    "-s": ("src", ""),
    "-d": ("dst", ""),
    "-i": ("in", ""),
    "-o": ("out", ""),
    "-p": ("proto", ""),
    "--src-range": ("src", "iprange"),
    "--dst-range": ("dst", "iprange"),
    "--ctstate": ("state", "conntrack"),
    "--state": ("state", "state"),
    "--mark": ("mark", "mark"),
}
# Modules that match nothing by themselves; what they limit is said by their options.
_SILENT = frozenset(("comment", "conntrack", "icmp", "iprange", "mark", "multiport", "sctp", "state", "tcp", "udp"))
_PLAIN_RANGE = re.compile(r"(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})/(\d{1,2})", re.ASCII)
_BITS, _BYTE = 32, 255
STATES = frozenset(("NEW", "ESTABLISHED", "RELATED", "INVALID", "UNTRACKED"))


class Term(Value):
    """One limit: the packet's `dimension` is (or, negated, is not) among `value`, spelled as iptables does."""

    dimension: str
    value: str
    negated: bool = False


class Reading(Value):
    """A rule as read. `unknown` holds the words of its matches that we do not understand; they only ever narrow it."""

    chain: str
    words: tuple[str, ...]
    terms: tuple[Term, ...]
    unknown: tuple[str, ...]
    target: str
    goto: bool
    arguments: tuple[str, ...]

    @property
    def match(self) -> tuple[str, ...]:
        """The words before the target, without a comment."""
        return _without_comment(self.words[: len(self.words) - len(self._target_words)])

    @property
    def text(self) -> str:
        """The rule as one line, without its chain and its comment."""
        return spell_words((*self.match, *self._target_words))

    @property
    def _target_words(self) -> tuple[str, ...]:
        return ("-g" if self.goto else "-j", self.target, *self.arguments) if self.target else ()


def _without_comment(words: tuple[str, ...]) -> tuple[str, ...]:
    try:
        at = words.index("--comment")
    except ValueError:
        return words
    return words[: at - 2] + words[at + 2 :]  # always `-m comment --comment TEXT`


def read_rule(rule: Rule) -> Reading:
    """Read one rule."""
    terms: list[Term] = []
    unknown: list[str] = []
    module, negated = "", False
    words = iter(rule.words)
    for word in words:
        if word in ("-j", "-g"):
            target, *arguments = words
            return Reading(rule.chain, rule.words, tuple(terms), tuple(unknown), target, word == "-g", tuple(arguments))
        if word == "!":
            negated = True
            continue
        if word == "-m":
            module = next(words)
            unknown += [] if module in _SILENT else [word, module]
        elif word == "--comment":
            next(words)
        elif _OPTIONS.get(word, ("", "?"))[1] in ("", module):
            term = Term(_OPTIONS[word][0], next(words), negated)
            if _is_understood(term):
                terms.append(term)
            else:
                unknown += [*["!"] * negated, word, term.value]
        else:
            unknown += [*["!"] * negated, word]
        negated = False
    return Reading(rule.chain, rule.words, tuple(terms), tuple(unknown), "", goto=False, arguments=())


def _is_understood(term: Term) -> bool:
    try:
        match term.dimension:
            case "src" | "dst":
                read_range(term.value)
            case "state":
                # SNAT and DNAT overlap the other states: no partition
                return set(term.value.split(",")) <= STATES
            case "mark":
                read_mark(term.value)
    except ValueError:
        return False
    return True


def read_range(value: str) -> tuple[int, int]:
    """Read `10.0.0.0/8`, `10.0.0.1` or `10.0.0.1-10.0.0.9` as the first and the last address.

    Raises:
        ValueError: it is neither; iptables also takes masks with holes (`10.0.0.0/255.0.255.0`).
    """
    if "-" in value:
        first, _, last = value.partition("-")
        return int(IPv4Address(first)), int(IPv4Address(last))
    if plain := _PLAIN_RANGE.fullmatch(value):
        # As iptables-save spells nearly all of them: a firewall may have thousands, and ipaddress takes its time.
        *parts, prefix = (int(part) for part in plain.groups())
        if max(parts) <= _BYTE and prefix <= _BITS:
            others = (1 << (_BITS - prefix)) - 1
            number = int.from_bytes(parts)
            return number & ~others, number | others
    network = IPv4Network(value, strict=False)
    return int(network.network_address), int(network.broadcast_address)


def read_mark(value: str) -> int:
    """Read the value of `0x4000/0x4000`: what a packet's mark, masked, must be.

    Raises:
        ValueError: it is no number.
    """
    return int(value.partition("/")[0], 0)
