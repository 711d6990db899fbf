"""What the cluster's DNS answers: the Kubernetes DNS specification, version 1.1.0, over a set of entries. Pure.

A name is its labels, the leftmost first, in lower case, without the root: a label may hold any byte, a dot too, so a
name is never compared as a text.
"""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Literal, TypeAlias

from labctl.model.namespaces import SYSTEM_NAMESPACE
from labctl.model.naming import CLUSTER_DOMAIN
from labctl.model.value import Value

if TYPE_CHECKING:
    from collections.abc import Iterable
    from ipaddress import IPv4Network

    from labctl.model.naming import Entry

Name: TypeAlias = "tuple[str, ...]"
Status: TypeAlias = Literal["NOERROR", "NXDOMAIN", "REFUSED"]

SPECIFICATION = "1.1.0"
TTL = 1
"""Seconds that an answer may be kept: a Service that comes or goes shows within a second, whoever keeps answers."""

CLUSTER: Name = tuple(CLUSTER_DOMAIN.split("."))
_SERVICES: Name = ("svc", *CLUSTER)
_PODS: Name = ("pod", *CLUSTER)
_REVERSE: Name = ("in-addr", "arpa")
APEXES: tuple[Name, ...] = (CLUSTER, _REVERSE, ("ip6", "arpa"))
_NAMESERVER: Name = ("kube-dns", SYSTEM_NAMESPACE, *_SERVICES)
_LONGEST_CHAIN = 8
_ALL = "ANY"


class Record(Value):
    """One record; `data` as a zone file has it (RFC 1035, section 5.1), names with the final dot."""

    name: Name
    kind: str
    data: str


class Reply(Value):
    """An answer. `denial` is the SOA record by which a zone says that there is no more; `beside` saves a question."""

    status: Status
    records: tuple[Record, ...] = ()
    beside: tuple[Record, ...] = ()
    denial: Record | None = None


class Zone:
    """All names there are, made of a set of entries."""

    def __init__(self, entries: Iterable[Entry], pods: IPv4Network, serial: int = 1) -> None:
        """`pods` is the range of all pods; `serial` grows when the entries change (RFC 1035, section 3.3.13)."""
        self._pods, self._serial = pods, serial
        self._records: dict[Name, list[Record]] = {}
        self._ancestors: set[Name] = {_SERVICES, _PODS}
        for apex in APEXES:
            self._add(apex, "NS", spell(_NAMESERVER))
            self._add(apex, "SOA", self._authority)
        self._add(("dns-version", *CLUSTER), "TXT", f'"{SPECIFICATION}"')
        for entry in entries:
            self._add_entry(entry)

    @property
    def _authority(self) -> str:
        return f"{spell(_NAMESERVER)} hostmaster.{spell(CLUSTER)} {self._serial} 7200 1800 86400 {TTL}"

    def answer(self, name: Name, kind: str) -> Reply:
        """Answer a question of class IN; REFUSED is what this is no zone for."""
        apex = next((each for each in APEXES if name[-len(each) :] == each), None)
        if apex is None:
            return Reply("REFUSED")
        denial = Record(apex, "SOA", self._authority)
        answers: list[Record] = []
        for _ in range(_LONGEST_CHAIN):
            held = self._at(name)
            if held is None:
                # RFC 2308, section 2.1: the status is that of the chain's end.
                return Reply("NXDOMAIN", tuple(answers), denial=denial)
            wanted = [each for each in held if kind in (each.kind, _ALL)]
            alias = next((each for each in held if each.kind == "CNAME"), None)
            if wanted:
                return Reply("NOERROR", (*answers, *wanted), self._beside(wanted))
            if alias is None:
                return Reply("NOERROR", tuple(answers), denial=denial)
            answers.append(alias)
            name = read_name(alias.data)
            if name[-len(CLUSTER) :] != CLUSTER:
                break
        return Reply("NOERROR", tuple(answers))

    def _beside(self, answers: list[Record]) -> tuple[Record, ...]:
        """The addresses of the hosts that an SRV or NS record names."""
        targets = dict.fromkeys(read_name(each.data.split()[-1]) for each in answers if each.kind in ("SRV", "NS"))
        return tuple(each for target in targets for each in self._records.get(target, ()) if each.kind == "A")

    def _at(self, name: Name) -> list[Record] | None:
        """The records of a name; none at a name that only has others below it; None where there is no such name."""
        if name in self._records:
            return self._records[name]
        if name in self._ancestors:
            return []
        if name[-len(_PODS) :] == _PODS:
            return self._at_pod(name, name[: -len(_PODS)])
        return None

    def _at_pod(self, name: Name, rest: Name) -> list[Record] | None:
        """A pod's name is its address; nobody is asked whether there is such a pod, nor in which namespace."""
        *pod, _namespace = rest
        if not pod:
            return []
        if len(pod) > 1:
            return None
        try:
            address = IPv4Address(pod[0].replace("-", "."))
        except ValueError:
            return None
        if address not in self._pods or str(address).replace(".", "-") != pod[0]:
            return None
        return [Record(name, "A", str(address))]

    def _add(self, name: Name, kind: str, data: str) -> None:
        record = Record(name, kind, data)
        held = self._records.setdefault(name, [])
        if record not in held:
            held.append(record)
        for start in range(1, len(name)):
            self._ancestors.add(name[start:])

    def _add_entry(self, entry: Entry) -> None:
        service: Name = (entry.name, entry.namespace, *_SERVICES)
        if entry.external_name:
            self._add(service, "CNAME", f"{entry.external_name}.")
            return
        if entry.cluster_ip:
            self._add(service, "A", entry.cluster_ip)
            self._add(reverse(entry.cluster_ip), "PTR", spell(service))
        hosts: list[Name] = [service] if entry.cluster_ip else []
        for endpoint in entry.endpoints:
            # Without a host name it is called by its address: an identifier that the system assigns.
            host: Name = (endpoint.hostname or endpoint.address.replace(".", "-"), *service)
            self._add(service, "A", endpoint.address)
            self._add(host, "A", endpoint.address)
            if endpoint.hostname:
                self._add(reverse(endpoint.address), "PTR", spell(host))
            hosts.append(host)
        for port in entry.ports if hosts else ():
            if port.name:
                for host in dict.fromkeys(hosts):
                    at = (f"_{port.name}", f"_{port.protocol}", *service)
                    self._add(at, "SRV", f"0 {100 // len(hosts) or 1} {port.number} {spell(host)}")


def spell(name: Name) -> str:
    """Write a name that has only letters, digits and hyphens, with the final dot."""
    return "".join(f"{label}." for label in name)


def read_name(text: str) -> Name:
    """The labels of such a name."""
    return tuple(text.rstrip(".").split("."))


def reverse(address: str) -> Name:
    """The name under which an address is asked for its own (RFC 1035, section 3.5)."""
    return (*reversed(address.split(".")), *_REVERSE)
