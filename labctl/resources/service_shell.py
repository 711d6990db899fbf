"""The commands that make and take away the rules for Services on a node."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from labctl.model.service_chains import JUMPS, TABLES, Backend, Portal
from labctl.model.shell import Capture, HereDocument, Pipe, Run, Shell, Statement, Var, Word, run_on
from labctl.resources.reserved_words import address_variable, capture_address
from labctl.resources.service_reading.remove import Removal
from labctl.resources.service_reading.spell import spell_load, spell_removal, wanted_rules

if TYPE_CHECKING:
    from labctl.model.lab import Container, Lab, Node
    from labctl.model.service import Service, ServicePort
    from labctl.model.service_chains import Rules

_VARIABLE = re.compile(r"\$\{(\w+)\}")
_RESTORE = ("sudo", "iptables-restore", "-w", "5", "--noflush")


def spell_shell(lab: Lab, node: Node, services: tuple[Service, ...], *, shared: bool) -> Shell:
    """Spell it. Addresses are looked up in the stores; each endpoint's chain is called after a checksum."""
    captures, portals = _prepare(lab, services)
    wanted = wanted_rules(portals, str(lab.cluster_range))
    names = ", ".join(service.key for service in services)
    load = spell_load(wanted, {}, {}, shared=shared)
    unload = spell_removal({table: _all_of(table, *wanted[table], shared=shared) for table in TABLES})
    look = run_on(node.name, Run(("sudo", "iptables", "-t", "nat", "-vnL", "KUBE-SERVICES")))
    return Shell(
        do=(*captures, _restore(node, load, f"the rules for {names} on {node.name}, all at once")),
        undo=(*captures, _restore(node, unload, f"empty the chains for {names} on {node.name}, and take them away")),
        look=(look,),
    )


def _restore(node: Node, text: str, comment: str) -> HereDocument:
    return HereDocument(run_on(node.name, Run(_RESTORE)), tuple(map(_read_line, text.splitlines())), comment)


def _read_line(line: str) -> Word:
    parts = _VARIABLE.split(line)
    return tuple(Var(part) if number % 2 else part for number, part in enumerate(parts))


def _all_of(table: str, own: Rules, added: Rules, *, shared: bool) -> Removal:
    """What goes where just what these commands made is there."""
    from labctl.model.service_chains import shared_rules

    if not shared:
        return Removal(frozenset(own), {chain: tuple(texts) for chain, texts in added.items() if texts})
    rules: dict[str, tuple[str, ...]] = {}
    for chain, text in JUMPS[table]:
        rules[chain] = (*rules.get(chain, ()), text)
    return Removal(frozenset((*own, *shared_rules(table))), rules)


def _prepare(lab: Lab, services: tuple[Service, ...]) -> tuple[tuple[Statement, ...], tuple[Portal, ...]]:
    """Fill variables, and describe the portals in terms of them."""
    endpoints = dict.fromkeys(each for service in services for each in service.endpoints)
    captures: list[Statement] = [capture_address(each, lab.network) for each in endpoints]
    portals: list[Portal] = []
    for service in services:
        for port in service.ports if service.cluster_ip else ():
            name = f"{service.key}:{port.name}" if port.name else service.key
            backends = tuple(
                Backend(f"${{{address_variable(each).name}}}", port.target_port, f"KUBE-SEP-${{{_chain(each, port)}}}")
                for each in service.endpoints
            )
            portals.append(Portal(name, port.protocol, service.cluster_ip, port.port, backends, port.node_port))
            captures += [_work_out(name, port, each) for each in service.endpoints]
    return tuple(captures), tuple(portals)


def _chain(endpoint: Container, port: ServicePort) -> str:
    return "_".join(("CHAIN", *filter(None, (endpoint.name, port.name)))).upper().replace("-", "_")


def _work_out(name: str, port: ServicePort, endpoint: Container) -> Capture:
    """base32(sha256(…)), of which kube-proxy takes 16 characters."""
    said: Word = (f"{name}{port.protocol}", address_variable(endpoint), f":{port.target_port}")
    stages = (
        Run(("printf", "%s", said)),
        Run(("sha256sum",)),
        Run(("cut", "-c", "1-64")),
        Run(("tr", "a-f", "A-F")),
        Run(("basenc", "--base16", "-d")),
        Run(("base32",)),
        Run(("cut", "-c", "1-16")),
    )
    comment = f"what kube-proxy calls the chain of {endpoint.name}"
    return Capture(_chain(endpoint, port), Pipe(stages), comment, lasting=True)
