"""The first packet of a connection, followed through the chains: what becomes of it, and with what chance."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from labctl.errors import CannotTell
from labctl.model.value import Value
from labctl.resources.service_reading.line import Line, read_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from labctl.resources.service_reading.line import Packet

_VERDICTS = frozenset(("ACCEPT", "DROP", "REJECT", "DNAT", "REDIRECT", "SNAT", "MASQUERADE", "NETMAP"))
_PASSING = frozenset(("", "LOG", "NFLOG", "MARK", "CONNMARK", "TRACE", "TOS", "DSCP"))
_DEEPEST = 16
_LEAST = 1e-9

Flow = dict[int, float]
"""Chance by mark."""


class End(Value):
    """What becomes of a packet: the verdict (empty: no rule decided), its argument, the chance, its mark, the rules."""

    verdict: str
    argument: str
    chance: float
    mark: int
    path: tuple[Line, ...]


class Chain:
    """A chain; rules for one address each are found by that address, for there may be thousands."""

    def __init__(self, name: str, texts: list[str]) -> None:
        """Read it."""
        self._by_target: defaultdict[str, list[int]] = defaultdict(list)
        self._rest: list[int] = []
        self._lines = [read_line(name, text) for text in texts]
        for number, line in enumerate(self._lines):
            address, slash, prefix = line.value("-d").partition("/")
            (self._by_target[address] if slash and prefix == "32" else self._rest).append(number)

    def concerning(self, packet: Packet) -> Iterator[Line]:
        """The rules that might match a packet, in order."""
        for number in sorted((*self._by_target.get(packet.target, ()), *self._rest)):
            yield self._lines[number]


class Table:
    """The chains of one table; each is read when a packet first comes by."""

    def __init__(self, texts: Mapping[str, list[str]]) -> None:
        """Take what `split_save` gives for a table."""
        self._texts = texts
        self._chains: dict[str, Chain] = {}

    def follow(self, chain: str, packet: Packet, mark: int = 0) -> tuple[End, ...]:
        """Send a packet into a chain.

        Raises:
            CannotTell: a rule on its way has a match or a target that we do not understand.
        """
        ends: list[End] = []
        for left, chance in self._pass(chain, packet, {mark: 1.0}, (), ends).items():
            ends.append(End("", "", chance, left, ()))
        return tuple(ends)

    def _chain(self, name: str) -> Chain:
        if name not in self._chains:
            self._chains[name] = Chain(name, self._texts.get(name, []))
        return self._chains[name]

    def _pass(self, name: str, packet: Packet, flow: Flow, path: tuple[Line, ...], ends: list[End]) -> Flow:
        """Send what comes through one chain; give back what falls out at its end, or returns."""
        returned: Flow = {}
        if len(path) > _DEEPEST:
            raise CannotTell(f"the chains lead from one to another without end ({name})")
        for line in self._chain(name).concerning(packet):
            hit = {mark: chance * line.chance for mark, chance in flow.items() if line.matches(packet, mark)}
            if not hit:
                continue
            if line.unknown:
                raise CannotTell(f"it cannot be told what this rule of {name} matches: {line.text}")
            flow = {mark: rest for mark, chance in flow.items() if (rest := chance - hit.get(mark, 0.0)) > _LEAST}
            for mark, chance in self._decide(line, packet, hit, path, ends, returned).items():
                flow[mark] = flow.get(mark, 0.0) + chance
            if not flow:
                break
        return _merge(flow, returned)

    def _decide(  # noqa: PLR0913, PLR0917 (all that a rule may change)
        self, line: Line, packet: Packet, hit: Flow, path: tuple[Line, ...], ends: list[End], returned: Flow
    ) -> Flow:
        """Let a rule decide about what it matched; what goes on to the next rule comes back."""
        if line.target in self._texts:
            back = self._pass(line.target, packet, hit, (*path, line), ends)
            if line.goto:
                returned.update(_merge(returned, back))
                return {}
            return back
        if line.target == "RETURN":
            returned.update(_merge(returned, hit))
            return {}
        if line.target in _VERDICTS:
            argument = line.argument("--to-destination") or line.argument("--to-source") or line.argument("--to-ports")
            ends += [End(line.target, argument, chance, mark, (*path, line)) for mark, chance in hit.items()]
            return {}
        if line.target == "MARK":
            return _marked(line, hit)
        if line.target in _PASSING:
            return hit
        raise CannotTell(f"it cannot be told what this rule of {line.chain} does: {line.text}")


def _merge(one: Flow, other: Flow) -> Flow:
    return {mark: one.get(mark, 0.0) + other.get(mark, 0.0) for mark in {**one, **other}}


def _marked(line: Line, flow: Flow) -> Flow:
    """As iptables-save has it: `--set-xmark VALUE/MASK` clears the bits of the mask, then sets by exclusive or."""
    value, _, mask = line.argument("--set-xmark").partition("/")
    number, bits = int(value or "0", 0), int(mask or "0xffffffff", 0)
    marked: Flow = {}
    for mark, chance in flow.items():
        new = mark & ~bits & 0xFFFFFFFF ^ number
        marked[new] = marked.get(new, 0.0) + chance
    return marked
