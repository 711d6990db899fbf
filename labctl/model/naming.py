"""What the cluster's DNS knows of a Service: one small text file each, named SERVICE.NAMESPACE.

A learner writes such a file by hand, so it is lines of words::

    clusterIP 10.96.0.100           or None, for a headless Service; or: externalName www.example.org
    port http 80 TCP
    endpoint 10.244.0.3 b           of a headless Service: an address, and a host name if it has one

Words are those of a Service's manifest. `#` begins a comment.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from labctl.model.value import Value

if TYPE_CHECKING:
    from collections.abc import Callable

CLUSTER_DOMAIN = "cluster.local"
SERVICES_FOLDER = "/var/lib/kube-dns/services"
"""Where the node of the DNS pod keeps these files; the nameserver reads it at every question."""
MOST_BYTES = 1 << 16
"""No entry is longer: what is, is none."""

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_LONGEST_NAME = 253
# RFC 6335, section 5.1: the name of a port is shorter, has a letter, and no two hyphens side by side.
_PORT = re.compile(r"(?=[a-z0-9-]{1,15}\Z)(?=.*[a-z])(?!.*--)[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_PROTOCOLS = ("TCP", "UDP", "SCTP")
_LAST_PORT = 65535
_MOST_WORDS = {"clusterIP": 1, "externalName": 1, "port": 3, "endpoint": 2}


class EntryPort(Value):
    """A port; one without a name (`-` in the file) has no SRV record."""

    name: str
    number: int
    protocol: str = "tcp"


class Endpoint(Value):
    """Who is behind a headless Service: an address, and the host name of its pod, if it has one."""

    address: str
    hostname: str = ""


class Entry(Value):
    """A Service as DNS sees it. `cluster_ip` is empty for a headless one, and for one that is another's name."""

    namespace: str
    name: str
    cluster_ip: str = ""
    ports: tuple[EntryPort, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    external_name: str = ""

    @property
    def file_name(self) -> str:
        """`my-svc.mystuff`."""
        return f"{self.name}.{self.namespace}"


def is_label(text: str) -> bool:
    """Tell whether a text is a label of a host name (RFC 1123, section 2.1), in lower case as Kubernetes wants it."""
    return _LABEL.fullmatch(text) is not None


def is_host_name(text: str) -> bool:
    """Tell whether a text is labels with dots between, of the length that DNS has room for."""
    return len(text) <= _LONGEST_NAME and all(map(is_label, text.split(".")))


def split_file_name(file_name: str) -> tuple[str, str] | None:
    """The Service and the namespace that a file is named after; None for any other file."""
    name, _, namespace = file_name.partition(".")
    return (name, namespace) if is_label(name) and is_label(namespace) else None


def spell_entry(entry: Entry) -> str:
    """Write an entry's file; `read_entry` gives the same entry again."""
    if entry.external_name:
        lines = [f"externalName {entry.external_name}"]
    else:
        lines = [f"clusterIP {entry.cluster_ip or None}"]
    lines += [f"port {port.name or '-'} {port.number} {port.protocol.upper()}" for port in entry.ports]
    lines += [f"endpoint {each.address} {each.hostname}".rstrip() for each in entry.endpoints]
    return "".join(f"{line}\n" for line in lines)


def read_entry(file_name: str, text: str) -> Entry:
    """Read an entry's file.

    Raises:
        ValueError: the name or a line is not of the form above; the text says which, found and expected.
    """
    names = split_file_name(file_name)
    if names is None:
        raise ValueError(f"'{file_name}' is no SERVICE.NAMESPACE: two labels of small letters, digits and hyphens")
    if len(text) > MOST_BYTES:
        raise ValueError(f"it is longer than {MOST_BYTES} bytes")
    found: dict[str, list[tuple[str, ...]]] = {word: [] for word in _MOST_WORDS}
    for number, line in enumerate(text.splitlines(), 1):
        word, *rest = line.partition("#")[0].split() or ("",)
        if word and not (word in found and 0 < len(rest) <= _MOST_WORDS[word]):
            raise ValueError(f"line {number} is '{line.strip()}'; expected {', '.join(found)} and their words")
        if word:
            found[word].append(tuple(rest))
    name, namespace = names
    what = found["clusterIP"] + found["externalName"]
    if len(what) != 1:
        raise ValueError(f"it has {len(what)} lines clusterIP or externalName; expected one")
    entry = Entry(
        namespace,
        name,
        cluster_ip="".join(_read_cluster_ip(each) for (each,) in found["clusterIP"]),
        ports=tuple(_read_port(*words) for words in found["port"]),
        endpoints=tuple(_read_endpoint(*words) for words in found["endpoint"]),
        external_name="".join(_read(is_host_name, each, "a host name") for (each,) in found["externalName"]),
    )
    if entry.endpoints and (entry.cluster_ip or entry.external_name):
        raise ValueError("it has endpoints; expected them only with clusterIP None: DNS tells no others")
    return entry


def _read_cluster_ip(text: str) -> str:
    return "" if text == "None" else _read(_is_address, text, "an IPv4 address, or None")


def _read_port(name: str, number: str = "", protocol: str = "TCP") -> EntryPort:
    if not (number.isascii() and number.isdecimal() and 0 < int(number[:6]) <= _LAST_PORT):
        raise ValueError(f"the port {name} has the number '{number}'; expected 1 to {_LAST_PORT}")
    if protocol not in _PROTOCOLS:
        raise ValueError(f"the port {name} has the protocol '{protocol}'; expected {', '.join(_PROTOCOLS)}")
    name = "" if name == "-" else _read(_is_port_name, name, "the name of a port, or -")
    return EntryPort(name, int(number), protocol.lower())


def _read_endpoint(address: str, hostname: str = "") -> Endpoint:
    return Endpoint(
        _read(_is_address, address, "an IPv4 address"), hostname and _read(is_label, hostname, "a host name")
    )


def _is_port_name(text: str) -> bool:
    return _PORT.fullmatch(text) is not None


def _is_address(text: str) -> bool:
    try:
        return str(IPv4Address(text)) == text
    except ValueError:
        return False


def _read(fits: Callable[[str], bool], text: str, expected: str) -> str:
    if not fits(text):
        raise ValueError(f"'{text}' is there; expected {expected}")
    return text
