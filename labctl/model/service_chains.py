"""The chains that kube-proxy writes for Services in its iptables mode: their names and their rules, as text.

Rules are spelled as `iptables-save` spells them, so that one text serves to load them and to compare them with what the
kernel holds. Names, order and comments are those of kubernetes/pkg/proxy/iptables/proxier.go.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from labctl.model.value import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from labctl.model.lab import Container
    from labctl.model.service import Service

SERVICES, NODE_PORTS, POSTROUTING, MARK = "KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-POSTROUTING", "KUBE-MARK-MASQ"
EXTERNAL, FORWARD = "KUBE-EXTERNAL-SERVICES", "KUBE-FORWARD"
SHARED = (SERVICES, NODE_PORTS, POSTROUTING, MARK, EXTERNAL, FORWARD)
"""The chains that are no one Service's."""
TABLES = ("nat", "filter")
MASQUERADE_BIT = "0x4000"
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"  # base32, RFC 4648
_PAIRS = tuple(first + second for first in _ALPHABET for second in _ALPHABET)
# The kernel keeps a probability as so many parts of 2^31 (xt_statistic.h).
_PARTS = 1 << 31

Rules = dict[str, list[str]]
"""Lines by chain: what stands after `-A CHAIN `."""


class Backend(Value):
    """An endpoint: where connections are sent, and the chain that sends them there."""

    address: str
    port: int
    chain: str

    @property
    def target(self) -> str:
        """As DNAT has it."""
        return f"{self.address}:{self.port}"


class Portal(Value):
    """One port of a Service, as kube-proxy sees it: `name` is `NAMESPACE/SERVICE:PORT`; no `node_port`: 0."""

    name: str
    protocol: str
    address: str
    port: int
    backends: tuple[Backend, ...]
    node_port: int = 0

    @property
    def chain(self) -> str:
        """Shares connections out among the endpoints."""
        return f"KUBE-SVC-{hash_name(self.name, self.protocol)}"

    @property
    def external_chain(self) -> str:
        """Takes what comes by the node port."""
        return f"KUBE-EXT-{hash_name(self.name, self.protocol)}"


def hash_name(*parts: str) -> str:
    """The first 16 characters of base32(sha256(parts)); written out, for base64.b32encode takes five times as long."""
    number = int.from_bytes(_sha256()("".join(parts).encode()).digest()[:10], "big")
    return "".join([_PAIRS[number >> shift & 1023] for shift in (70, 60, 50, 40, 30, 20, 10, 0)])


@cache
def _sha256() -> Callable[[bytes], Any]:
    """Imported when it is needed: the plug-in needs the chains' names alone, and OpenSSL a tenth of all its time."""
    from hashlib import sha256

    return sha256


def make_backend(name: str, protocol: str, address: str, port: int) -> Backend:
    """An endpoint of a portal, with its chain's name."""
    return Backend(address, port, f"KUBE-SEP-{hash_name(name, protocol, f'{address}:{port}')}")


def make_portals(services: Iterable[Service], addresses: Mapping[Container, str]) -> tuple[Portal, ...]:
    """The portals of Services whose endpoints have these addresses; one without an address does not count.

    A headless Service has no address, and so no portal.
    """
    return tuple(
        Portal(
            name := f"{service.key}:{port.name}" if port.name else service.key,
            port.protocol,
            service.cluster_ip,
            port.port,
            tuple(
                make_backend(name, port.protocol, addresses[each], port.target_port)
                for each in service.endpoints
                if each in addresses
            ),
            port.node_port,
        )
        for service in services
        if service.cluster_ip
        for port in service.ports
    )


@cache
def spell_probability(left: int) -> str:
    """One in so many, written by kube-proxy with ten digits, and printed by the kernel with eleven of what it kept."""
    return f"{round(float(f'{1 / left:.10f}') * _PARTS) / _PARTS:.11f}"


_LOCAL = "-m addrtype --dst-type LOCAL"
_REFUSE = "-j REJECT --reject-with icmp-port-unreachable"


def _comment(text: str) -> str:
    return f'-m comment --comment "{text}"'


_NEW = "-m conntrack --ctstate NEW"
_PORTALS = _comment("kubernetes service portals")
_EXTERNALS = _comment("kubernetes externally-visible service portals")
_FORWARDING = _comment("kubernetes forwarding rules")

JUMPS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "nat": (
        ("PREROUTING", f"{_PORTALS} -j {SERVICES}"),
        ("OUTPUT", f"{_PORTALS} -j {SERVICES}"),
        ("POSTROUTING", f"{_comment('kubernetes postrouting rules')} -j {POSTROUTING}"),
    ),
    "filter": (
        ("INPUT", f"{_NEW} {_EXTERNALS} -j {EXTERNAL}"),
        ("FORWARD", f"{_FORWARDING} -j {FORWARD}"),
        ("FORWARD", f"{_NEW} {_PORTALS} -j {SERVICES}"),
        ("FORWARD", f"{_NEW} {_EXTERNALS} -j {EXTERNAL}"),
        ("OUTPUT", f"{_NEW} {_PORTALS} -j {SERVICES}"),
    ),
}
"""What leads from the kernel's own chains to kube-proxy's, by table, in order: they come before all other rules."""


def shared_rules(table: str) -> Rules:
    """The chains that all Services share; what a Service adds to them comes before what stands here."""
    if table == "filter":
        masqueraded = f"-m mark --mark {MASQUERADE_BIT}/{MASQUERADE_BIT}"
        replies = f"{_comment('kubernetes forwarding conntrack rule')} -m conntrack --ctstate RELATED,ESTABLISHED"
        return {
            EXTERNAL: [],
            FORWARD: [
                "-m conntrack --ctstate INVALID -j DROP",
                f"{_FORWARDING} {masqueraded} -j ACCEPT",
                f"{replies} -j ACCEPT",
            ],
            SERVICES: [],
        }
    last = "kubernetes service nodeports; NOTE: this must be the last rule in this chain"
    return {
        MARK: [f"-j MARK --set-xmark {MASQUERADE_BIT}/{MASQUERADE_BIT}"],
        NODE_PORTS: [],
        POSTROUTING: [
            f"-m mark ! --mark {MASQUERADE_BIT}/{MASQUERADE_BIT} -j RETURN",
            f"-j MARK --set-xmark {MASQUERADE_BIT}/0x0",
            f"{_comment('kubernetes service traffic requiring SNAT')} -j MASQUERADE --random-fully",
        ],
        SERVICES: [f"{_comment(last)} {_LOCAL} -j {NODE_PORTS}"],
    }


def portal_rules(portals: Iterable[Portal], cluster_range: str) -> tuple[Rules, Rules]:
    """What so many portals need: their own chains with all rules, and what they add to the shared ones (nat)."""
    own: Rules = {}
    services: list[str] = []
    node_ports: list[str] = []
    for portal in portals:
        if not portal.backends:
            continue
        name, chain, protocol = portal.name, portal.chain, portal.protocol
        where = f'-d {portal.address}/32 -p {protocol} -m comment --comment "{name} cluster IP" '
        where += f"-m {protocol} --dport {portal.port} -j "
        services.append(where + chain)
        rules = own[chain] = [f"! -s {cluster_range} {where}{MARK}"]
        for left, backend in zip(range(len(portal.backends), 0, -1), portal.backends, strict=True):
            chance = f"-m statistic --mode random --probability {spell_probability(left)} " if left > 1 else ""
            rules.append(f'-m comment --comment "{name} -> {backend.target}" {chance}-j {backend.chain}')
            own[backend.chain] = [
                f'-s {backend.address}/32 -m comment --comment "{name}" -j {MARK}',
                f'-p {protocol} -m comment --comment "{name}" -m {protocol} -j DNAT --to-destination {backend.target}',
            ]
        if portal.node_port:
            outside = portal.external_chain
            node_ports.append(f"-p {protocol} {_comment(name)} -m {protocol} --dport {portal.node_port} -j {outside}")
            own[outside] = [
                f"{_comment(f'masquerade traffic for {name} external destinations')} -j {MARK}",
                f"-j {chain}",
            ]
    return own, {SERVICES: services, NODE_PORTS: node_ports}


def refusing_rules(portals: Iterable[Portal]) -> Rules:
    """What portals without endpoints add to the shared chains of the table filter: they refuse at once."""
    services, external = [], []
    for portal in portals:
        if portal.backends:
            continue
        said, protocol = _comment(f"{portal.name} has no endpoints"), portal.protocol
        services.append(f"-d {portal.address}/32 -p {protocol} {said} -m {protocol} --dport {portal.port} {_REFUSE}")
        if portal.node_port:
            external.append(f"-p {protocol} {said} {_LOCAL} -m {protocol} --dport {portal.node_port} {_REFUSE}")
    return {SERVICES: services, EXTERNAL: external}
