"""The quick look: are a node's rules, line by line, what kube-proxy writes? Thousands are compared in one pass."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from labctl.model.service_chains import JUMPS, NODE_PORTS, SERVICES, shared_rules

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labctl.model.service_chains import Portal, Rules

_OF_ONE_ADDRESS = re.compile(r"-d ([\d.]+)/32 ")
_OF_ONE_PORT = re.compile(r"-p \w+ .*--dport (\d+) -j ")


def is_exact(
    wanted: Mapping[str, tuple[Rules, Rules]], portals: tuple[Portal, ...], texts: Mapping[str, Mapping[str, list[str]]]
) -> bool:
    """Tell whether the rules are kube-proxy's own, and nobody else's come before them. A no only says: look closer."""
    return all(_is_exact(table, *wanted[table], portals, texts.get(table, {})) for table in wanted)


def _is_exact(
    table: str, own: Rules, added: Rules, portals: tuple[Portal, ...], found: Mapping[str, list[str]]
) -> bool:
    if any(found.get(chain) != texts for chain, texts in own.items()):
        return False
    if not _begin_with_jumps(table, found):
        return False
    addresses = {portal.address for portal in portals}
    ports = {str(portal.node_port) for portal in portals if portal.node_port}
    for chain, common in shared_rules(table).items():
        wanted = [*added.get(chain, ()), *common]
        ours = set(wanted)
        texts = found.get(chain, [])
        if chain not in found or [text for text in texts if text in ours] != wanted:
            return False
        if not all(text in ours or _is_harmless(chain, text, addresses, ports) for text in texts):
            return False
    return True


def _begin_with_jumps(table: str, found: Mapping[str, list[str]]) -> bool:
    firsts: dict[str, list[str]] = {}
    for chain, text in JUMPS[table]:
        firsts.setdefault(chain, []).append(text)
    return all(found.get(chain, [])[: len(texts)] == texts for chain, texts in firsts.items())


def _is_harmless(chain: str, text: str, addresses: set[str], ports: set[str]) -> bool:
    """Tell whether another's rule in a shared chain cannot match what is meant for these Services."""
    if chain == SERVICES and (found := _OF_ONE_ADDRESS.match(text)):
        return found[1] not in addresses
    if chain == NODE_PORTS and (found := _OF_ONE_PORT.match(text)):
        return found[1] not in ports
    return False
