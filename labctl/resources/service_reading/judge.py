"""Does a node send connections to a Service where they belong? If not, what of it is wrong.

Followed is the first packet of each kind of connection: from a pod, from the node itself, from each endpoint that lives
on the node, and from outside to the node port. What counts is what becomes of it, not by which rules.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING

from labctl.model.value import Value
from labctl.resources.service_reading.follow import Table
from labctl.resources.service_reading.line import Packet

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from labctl.model.service_chains import Backend, Portal
    from labctl.resources.service_reading.follow import End

_MARKS = re.compile(r"-j MARK --set-xmark (\w+)/")
_NEW_SOURCE = frozenset(("MASQUERADE", "SNAT"))
_TRANSLATED = frozenset(("NEW", "DNAT"))
# Of the share that an endpoint is due: less than anybody could count.
_TOLERANCE = 0.1
_LEAST = 0.005


class Where(Value):
    """A node as its rules see it: its addresses, its links, who is outside, and which pods live here (by address)."""

    node: str
    address: str
    bridge: str
    pod: str
    outsider: str
    pods: Mapping[str, str]
    uplink: str = "eth0"


class Caller(Value):
    """Who calls, by which of the kernel's chains its packet comes, and the packet. `target` is what it calls."""

    who: str
    chain: str
    packet: Packet

    @property
    def target(self) -> str:
        """As a person says it."""
        return f"{self.packet.target}:{self.packet.port}"


class Judge(Value):
    """One node's rules (what `split_save` gives), held against what Services need."""

    where: Where
    texts: Mapping[str, Mapping[str, list[str]]]

    @cached_property
    def _nat(self) -> Table:
        return Table(self.texts.get("nat", {}))

    @cached_property
    def _filter(self) -> Table:
        return Table(self.texts.get("filter", {}))

    def problems(self, portal: Portal) -> tuple[str, ...]:
        """What is wrong with a portal, a sentence each.

        Raises:
            CannotTell: a rule in the way cannot be understood.
        """
        said: dict[str, list[str]] = {}
        for caller in self.callers(portal):
            for sentence in self._hear(portal, caller):
                said.setdefault(sentence, []).append(caller.who)
        return tuple(sentence.replace("{who}", _join(list(dict.fromkeys(whos)))) for sentence, whos in said.items())

    def callers(self, portal: Portal) -> Iterator[Caller]:
        """Everybody whose packets take a way of their own."""
        where, there = self.where, (portal.address, portal.protocol, portal.port)
        yield Caller(f"a pod of {where.node}", "PREROUTING", Packet(where.pod, *there, inside=where.bridge))
        yield Caller(f"{where.node} itself", "OUTPUT", Packet(where.address, *there, outside=where.uplink))
        for backend in portal.backends:
            if backend.address in where.pods:
                packet = Packet(backend.address, *there, inside=where.bridge)
                yield Caller(where.pods[backend.address], "PREROUTING", packet)
        if portal.node_port:
            packet = Packet(
                where.outsider, where.address, portal.protocol, portal.node_port, inside=where.uplink, local=True
            )
            yield Caller("outside", "PREROUTING", packet)

    def translate(self, caller: Caller) -> tuple[End, ...]:
        """What the table nat makes of a caller's packet on its way in."""
        return self._nat.follow(caller.chain, caller.packet)

    def leave(self, caller: Caller, backend: Backend, mark: int) -> tuple[End, ...]:
        """What the table nat makes of it on its way out to an endpoint."""
        packet = Packet(
            caller.packet.source,
            backend.address,
            caller.packet.protocol,
            backend.port,
            outside=self.where.bridge if backend.address in self.where.pods else self.where.uplink,
            states=_TRANSLATED,
        )
        return self._nat.follow("POSTROUTING", packet, mark)

    def needs_new_source(self, caller: Caller, backend: Backend) -> bool:
        """A pod that gets its own address as the sender throws the packet away; one elsewhere answers past the node."""
        return caller.packet.source == backend.address or (
            caller.packet.local and backend.address not in self.where.pods
        )

    def marks(self) -> frozenset[int]:
        """No mark, and all that rules of the table nat set."""
        words = {
            word for texts in self.texts.get("nat", {}).values() for text in texts for word in _MARKS.findall(text)
        }
        return frozenset((0, *(int(word, 0) for word in words)))

    def pass_out(self, packet: Packet) -> tuple[End, ...]:
        """What the table nat makes of a packet that no Service has to do with, on its way out."""
        return self._nat.follow("POSTROUTING", packet)

    def _hear(self, portal: Portal, caller: Caller) -> Iterator[str]:
        ends = self.translate(caller)
        if not portal.backends:
            yield from self._hear_refusal(portal, caller, ends)
            return
        shares = _shares(caller, ends)
        yield from _share_problems(portal, caller, ends, shares)
        for end in ends:
            backend = next((each for each in portal.backends if each.target == _target(caller, end)), None)
            if end.verdict == "DNAT" and backend and self.needs_new_source(caller, backend):
                yield from self._hear_source(caller, backend, end.mark)

    def _hear_source(self, caller: Caller, backend: Backend, mark: int) -> Iterator[str]:
        if all(end.verdict in _NEW_SOURCE for end in self.leave(caller, backend, mark)):
            return
        why = f"it is marked {mark:#x}, which POSTROUTING does not masquerade" if mark else "no rule marks it"
        if caller.packet.source == backend.address:
            name = self.where.pods[backend.address]
            yield f"{name} that reaches itself by {caller.target} keeps its own address ({why}); expected MASQUERADE"
        else:
            yield f"what comes from {{who}} to {caller.target} keeps its source ({why}); expected MASQUERADE"

    def _hear_refusal(self, portal: Portal, caller: Caller, ends: tuple[End, ...]) -> Iterator[str]:
        packet, chain = caller.packet, caller.chain
        for end in ends:
            if end.verdict in ("DNAT", "REDIRECT"):
                yield f"{portal.name} from {{who}} goes to {_target(caller, end)}; expected a refusal: no endpoints"
                return
        if chain == "PREROUTING":
            chain = "INPUT" if packet.local else "FORWARD"
        way = Packet(
            packet.source,
            packet.target,
            packet.protocol,
            packet.port,
            inside=packet.inside,
            outside="" if packet.local else self.where.uplink,
            local=packet.local,
        )
        if any(end.verdict != "REJECT" for end in self._filter.follow(chain, way)):
            what = f"{caller.target} is not refused to {{who}} (in {chain})"
            yield f"{what}; expected REJECT: {portal.name} has no endpoints"


def _target(caller: Caller, end: End) -> str:
    return end.argument if ":" in end.argument else f"{end.argument}:{caller.packet.port}"


def _shares(caller: Caller, ends: tuple[End, ...]) -> dict[str, float]:
    shares: dict[str, float] = {}
    for end in ends:
        if end.verdict == "DNAT":
            shares[_target(caller, end)] = shares.get(_target(caller, end), 0.0) + end.chance
    return shares


def _share_problems(
    portal: Portal, caller: Caller, ends: tuple[End, ...], shares: Mapping[str, float]
) -> Iterator[str]:
    count = len(portal.backends)
    due = 1 / count
    if not shares:
        decided = next((end for end in ends if end.verdict), None)
        how = f"{decided.path[-1].chain} says {decided.verdict}" if decided else f"no rule of {caller.chain} takes it"
        yield f"{caller.target} leads {{who}} nowhere ({how}); expected one of {count} endpoints"
        return
    wanted = [backend.target for backend in portal.backends]
    for target in wanted:
        if target not in shares:
            yield f"{portal.name} never goes to {target} from {{who}}; expected {_spell_share(due)}"
    for target, share in shares.items():
        if target not in wanted:
            yield f"{portal.name} goes to {target} from {{who}} ({_spell_share(share)}), which is no endpoint of it"
    for target in wanted:
        if target in shares and abs(shares[target] - due) > due * _TOLERANCE:
            yield (
                f"{portal.name} goes to {target} from {{who}} with a share of {_spell_share(shares[target])}; "
                f"expected {_spell_share(due)}"
            )
    lost = 1 - sum(shares.values())
    if lost > _LEAST:
        yield f"{_spell_share(lost)} of what {{who}} sends to {caller.target} goes to no endpoint; expected none"


def _spell_share(share: float) -> str:
    return f"{share * 100:.0f} %"


def _join(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
