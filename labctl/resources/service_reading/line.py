"""One line of `iptables-save`, read for the sake of one packet: does the packet match, and what becomes of it then."""

from __future__ import annotations

from functools import cache
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, TypeAlias

from labctl.model.iptables_save import read_words
from labctl.model.value import Value

if TYPE_CHECKING:
    from collections.abc import Callable

_PROTOCOLS = {"6": "tcp", "17": "udp", "1": "icmp", "132": "sctp"}
# Modules that match nothing by themselves; what they limit is said by their options.
_SILENT = frozenset(
    ("addrtype", "comment", "conntrack", "mark", "multiport", "sctp", "state", "statistic", "tcp", "udp")
)
_SHARED_OUT = ("--mode", "--every", "--packet", "--probability")


class Packet(Value):
    """The first packet of a connection, at one point of its way. `local`: its target is an address of the node's own.

    `states` are conntrack's words for it (iptables-extensions(8)).
    """

    source: str
    target: str
    protocol: str
    port: int
    inside: str = ""
    outside: str = ""
    local: bool = False
    states: frozenset[str] = frozenset(("NEW",))


Test: TypeAlias = "tuple[str, bool, str]"


class Line(Value):
    """A rule: what it asks of a packet (option, negated, value), with what chance it matches then, what it does.

    `unknown` are words that we do not understand; they only ever narrow it.
    """

    chain: str
    text: str
    tests: tuple[Test, ...]
    chance: float
    unknown: tuple[str, ...]
    target: str
    goto: bool
    arguments: tuple[str, ...]

    def value(self, option: str) -> str:
        """The value of an option that is asked for and not negated; empty if there is none."""
        return next((value for name, negated, value in self.tests if name == option and not negated), "")

    def argument(self, option: str) -> str:
        """The word after an option of the target."""
        words = self.arguments
        return words[words.index(option) + 1] if option in words[:-1] else ""

    def matches(self, packet: Packet, mark: int) -> bool:
        """Tell whether a packet meets all tests that we understand."""
        return all(_ASK[name](packet, mark, value) is not negated for name, negated, value in self.tests)


def read_line(chain: str, text: str) -> Line:
    """Read one line, without its `-A CHAIN`."""
    words = list(read_words(text))
    tests: list[Test] = []
    unknown: list[str] = []
    sharing: dict[str, str] = {}
    target, goto, negated = "", False, False
    arguments: tuple[str, ...] = ()
    while words:
        word = words.pop(0)
        if word == "!":
            negated = True
            continue
        if word in ("-j", "-g"):
            target, goto, arguments = words[0], word == "-g", tuple(words[1:])
            break
        if word == "-m":
            module = words.pop(0)
            unknown += [] if module in _SILENT else [module]
        elif word == "--comment":
            words.pop(0)
        elif word in _SHARED_OUT:
            sharing[("! " if negated else "") + word] = words.pop(0)
        elif word in _ASK and words:
            tests.append((word, negated, words.pop(0)))
        else:
            unknown.append(word)
        negated = False
    chance = _read_chance(sharing)
    if chance is None:
        chance, unknown = 1.0, [*unknown, "statistic"]
    return Line(chain, text, tuple(tests), chance, tuple(unknown), target, goto, arguments)


def _read_chance(sharing: dict[str, str]) -> float | None:
    """With what chance the statistic module matches; None where it cannot be told."""
    match sharing:
        case {"--mode": "random", "--probability": chance}:
            return float(chance)
        case {"--mode": "random", "! --probability": chance}:
            return 1 - float(chance)
        case {"--mode": "nth", "--every": every}:
            return 1 / int(every)
    return None if sharing else 1.0


@cache
def _network(text: str) -> IPv4Network:
    return IPv4Network(text, strict=False)


@cache
def _is_in(address: str, network: str) -> bool:
    return _network(f"{address}/32").subnet_of(_network(network))


def _has_name(name: str, pattern: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("+") else name == pattern


def _is_port(port: int, ports: str) -> bool:
    for each in ports.split(","):
        first, colon, last = each.partition(":")
        if int(first or 0) <= port <= int((last or 65535) if colon else first):
            return True
    return False


def _has_mark(mark: int, asked: str) -> bool:
    value, slash, mask = asked.partition("/")
    return mark & (int(mask, 0) if slash else 0xFFFFFFFF) == int(value, 0)


def _has_type(packet: Packet, types: str) -> bool:
    return ("LOCAL" if packet.local else "UNICAST") in types.split(",")


_ASK: dict[str, Callable[[Packet, int, str], bool]] = {
    "-s": lambda packet, _, value: _is_in(packet.source, value),
    "-d": lambda packet, _, value: _is_in(packet.target, value),
    "-i": lambda packet, _, value: _has_name(packet.inside, value),
    "-o": lambda packet, _, value: _has_name(packet.outside, value),
    "-p": lambda packet, _, value: _PROTOCOLS.get(value, value) in (packet.protocol, "all", "0"),
    "--dport": lambda packet, _, value: _is_port(packet.port, value),
    "--dports": lambda packet, _, value: _is_port(packet.port, value),
    "--dst-type": lambda packet, _, value: _has_type(packet, value),
    "--ctstate": lambda packet, _, value: bool(packet.states & set(value.split(","))),
    "--state": lambda packet, _, value: bool(packet.states & set(value.split(","))),
    "--mark": lambda _, mark, value: _has_mark(mark, value),
}
