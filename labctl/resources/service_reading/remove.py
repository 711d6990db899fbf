"""What has to go so that nothing is left of some Services, whoever made it, and whatever the chains are called."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING

from labctl.errors import CannotTell
from labctl.model.service_chains import NODE_PORTS, SERVICES, TABLES, shared_rules
from labctl.model.value import Value
from labctl.resources.service_reading.judge import Judge
from labctl.resources.service_reading.line import Packet

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from labctl.model.service_chains import Portal
    from labctl.resources.service_reading.judge import Where

_TARGET = re.compile(r"(?:^| )-[jg] (\S+)")
_DESTINATION = re.compile(r"(?<!! )-d ([\d.]+)(?:/32)?(?= |$)")
_COMMENT = re.compile(r'--comment "?([^\s"]+)')
_PORT = re.compile(r"--dport (\d+)(?= |$)")
_BUILT_IN = frozenset(("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"))
_OTHER_HOST = "203.0.113.1"

Texts = dict[str, list[str]]


class Removal(Value):
    """Of one table: the chains that go, and the rules that go from those that stay."""

    chains: frozenset[str]
    rules: Mapping[str, tuple[str, ...]]

    def __bool__(self) -> bool:
        """Tell whether there is anything."""
        return bool(self.chains or self.rules)


class Search(Value):
    """Looks for what serves some portals. `shared`: so do the chains that all Services share, if nobody else does."""

    where: Where
    portals: tuple[Portal, ...]
    shared: bool
    texts: Mapping[str, Mapping[str, list[str]]]

    def find(self) -> dict[str, Removal]:
        """Find it, by table. The shared chains go from all tables, or, if somebody else hangs on them, from none."""
        hunts = {table: self._hunt(table) for table in TABLES}
        if self.shared and not any(hunt.others() for hunt in hunts.values()):
            for hunt in hunts.values():
                hunt.drop_shared()
        return {table: hunt.removal() for table, hunt in hunts.items()}

    def _hunt(self, table: str) -> _Hunt:
        chains = dict(self.texts.get(table, {}))
        hunt = _Hunt(table, chains, frozenset(shared_rules(table)))
        for chain, texts in chains.items():
            if chain not in _BUILT_IN and chain in self._names:
                hunt.drop_chain(chain)
            else:
                hunt.drop(chain, (text for text in texts if self._is_about(chain, text)))
        hunt.spread()
        if table == "nat":
            for chain, text in self._deciding(hunt):
                if not hunt.goes(chain, text) and not {chain, _target_of(text)} & hunt.shared:
                    hunt.drop(chain, (text,))
            hunt.spread()
        return hunt

    @cached_property
    def _names(self) -> frozenset[str]:
        names = {name for each in self.portals for name in (each.chain, each.external_chain)}
        return frozenset(names | {backend.chain for each in self.portals for backend in each.backends})

    @cached_property
    def _marks(self) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
        """What shows that a rule is about one of the portals: its address, name (in a comment) or node port."""
        return (
            frozenset(portal.address for portal in self.portals),
            frozenset(portal.name for portal in self.portals),
            frozenset(str(portal.node_port) for portal in self.portals if portal.node_port),
        )

    def _is_about(self, chain: str, text: str) -> bool:
        addresses, names, ports = self._marks
        found = _DESTINATION.search(text)
        if found and found[1] in addresses:
            return True
        comment = _COMMENT.search(text)
        if comment and comment[1] in names:
            return True
        port = _PORT.search(text)
        here = chain == NODE_PORTS or "--dst-type LOCAL" in text or (found and found[1] == self.where.address)
        return bool(port and port[1] in ports and here)

    def _deciding(self, hunt: _Hunt) -> Iterator[tuple[str, str]]:
        """Rules that decide, by whatever they are about, where a portal's connections go, and who is their sender then.

        Packets are followed only where there are such rules left.
        """
        judge = Judge(self.where, self.texts)
        try:
            for portal in self.portals if any(hunt.left("DNAT")) else ():
                for caller in judge.callers(portal):
                    for end in judge.translate(caller):
                        if end.verdict == "DNAT":
                            yield end.path[-1].chain, end.path[-1].text
            sources = hunt.left("MASQUERADE", "SNAT") if self.shared else ()
            if any(not self._serves_others(judge, text) for text in sources):
                yield from self._giving_a_source(judge)
        except CannotTell:
            return

    def _giving_a_source(self, judge: Judge) -> Iterator[tuple[str, str]]:
        """Packets that need another sender, with every mark that any rule sets: what masquerades them is for them."""
        ways = {
            (caller.packet.source, caller.packet.protocol, backend.target): (caller, backend)
            for portal in self.portals
            for caller in judge.callers(portal)
            for backend in portal.backends
            if judge.needs_new_source(caller, backend)
        }
        for caller, backend in ways.values():
            for end in (end for mark in judge.marks() for end in judge.leave(caller, backend, mark)):
                if end.verdict in ("MASQUERADE", "SNAT") and not self._serves_others(judge, end.path[0].text):
                    yield end.path[0].chain, end.path[0].text

    def _serves_others(self, judge: Judge, text: str) -> bool:
        """Tell whether a rule also serves a pod that calls the world: that is another step's business."""
        world = Packet(self.where.pod, _OTHER_HOST, "tcp", 80, outside=self.where.uplink)
        return any(text in (line.text for line in end.path) for end in judge.pass_out(world))


class _Hunt:
    """One table, and what of it goes."""

    def __init__(self, table: str, texts: Texts, shared: frozenset[str]) -> None:
        self._table, self._texts, self.shared = table, texts, shared
        self._targets = {text: _target_of(text) for texts in self._texts.values() for text in texts}
        self._led_to = frozenset(self._targets.values())
        self._chains: set[str] = set()
        self._rules: dict[str, dict[str, None]] = {}

    def goes(self, chain: str, text: str) -> bool:
        return chain in self._chains or text in self._rules.get(chain, {})

    def left(self, *targets: str) -> Iterator[str]:
        """The rules with such a target that would be left, but for those of the shared chains."""
        return (text for chain, text in self._staying() if self._targets[text] in targets and chain not in self.shared)

    def drop_chain(self, chain: str) -> None:
        if chain in self._texts:
            self._chains.add(chain)

    def drop(self, chain: str, texts: Iterable[str]) -> None:
        for text in texts:
            self._rules.setdefault(chain, {})[text] = None

    def _staying(self) -> Iterator[tuple[str, str]]:
        return ((chain, text) for chain, texts in self._texts.items() for text in texts if not self.goes(chain, text))

    def spread(self) -> None:
        """What leads to a chain that goes, goes too; and a chain that only what goes led to, or that is empty then."""
        while True:
            before = len(self._chains), sum(map(len, self._rules.values()))
            referred = set()
            for chain, text in tuple(self._staying()):
                target = self._targets[text]
                if target in self._chains:
                    self.drop(chain, (text,))
                else:
                    referred.add(target)
            for chain, texts in self._texts.items():
                if chain in _BUILT_IN or chain in self.shared or chain in self._chains:
                    continue
                emptied = texts and all(self.goes(chain, text) for text in texts)
                # A chain that nobody ever led to is somebody's own.
                orphaned = chain not in referred and chain in self._led_to
                if emptied or orphaned:
                    self._chains.add(chain)
            if before == (len(self._chains), sum(map(len, self._rules.values()))):
                return

    def others(self) -> bool:
        """Tell whether somebody else needs the shared chains."""
        shared = shared_rules(self._table)
        for chain, text in self._staying():
            if chain in self.shared:
                if chain in (SERVICES, NODE_PORTS) and text not in shared.get(chain, ()):
                    return True
            elif chain not in _BUILT_IN and self._targets[text] in self.shared:
                return True
        return False

    def drop_shared(self) -> None:
        for chain in self.shared:
            self.drop_chain(chain)
        for chain, text in tuple(self._staying()):
            if self._targets[text] in self.shared:
                self.drop(chain, (text,))

    def removal(self) -> Removal:
        kept = {
            chain: tuple(text for text in self._texts[chain] if text in going)
            for chain, going in self._rules.items()
            if going and chain not in self._chains
        }
        return Removal(frozenset(self._chains), kept)


def _target_of(text: str) -> str:
    found = _TARGET.search(text)
    return found[1] if found else ""
