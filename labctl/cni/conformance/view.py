"""What the kernel holds in a namespace, asked independently of what the plug-in says."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

LOOK = "ip -j addr show && ip -j -4 route show && ip -j -6 route show"


@dataclass(frozen=True)
class Interface:
    """One interface, with its addresses as `address/prefix` (link-local IPv6 left out: the kernel makes those)."""

    name: str
    mac: str
    up: bool
    kind: str
    master: str
    addresses: tuple[str, ...]


@dataclass(frozen=True)
class View:
    """Interfaces, and routes as (destination, next hop or empty, device); a default route is 0.0.0.0/0 or ::/0."""

    interfaces: tuple[Interface, ...]
    routes: tuple[tuple[str, str, str], ...]

    def interface(self, name: str) -> Interface | None:
        """One by its name."""
        return next((each for each in self.interfaces if each.name == name), None)


def read_view(text: str) -> View:
    """Read what LOOK prints: three JSON lists, a line each (`ip` prints nothing at all for an empty one)."""
    lists: list[list[dict[str, Any]]] = [json.loads(line) for line in text.splitlines() if line.strip()]
    links = lists[0] if lists else []
    routes = [entry for each in lists[1:] for entry in each]
    return View(
        tuple(_interface(entry) for entry in links if entry.get("ifname")),
        tuple(_route(entry) for entry in routes if entry.get("dst")),
    )


def _interface(entry: dict[str, Any]) -> Interface:
    return Interface(
        name=str(entry["ifname"]),
        mac=str(entry.get("address", "")),
        up="UP" in entry.get("flags", ()),
        kind=str(entry.get("link_type", "")),
        master=str(entry.get("master", "")),
        addresses=tuple(
            f"{each['local']}/{each['prefixlen']}"
            for each in entry.get("addr_info", ())
            if each.get("scope") != "link" and "local" in each
        ),
    )


def _route(entry: dict[str, Any]) -> tuple[str, str, str]:
    destination = str(entry["dst"])
    gateway = str(entry.get("gateway", ""))
    if destination == "default":
        destination = "::/0" if ":" in gateway else "0.0.0.0/0"
    elif "/" not in destination:
        destination += "/128" if ":" in destination else "/32"
    return destination, gateway, str(entry.get("dev", ""))
