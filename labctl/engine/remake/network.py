"""Makes links, addresses, routes and neighbours again, in all places of a picture."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from labctl.engine.remake.lines import address_lines, neighbour_lines, port_lines, route_lines
from labctl.engine.remake.picture import place_of
from labctl.engine.snapshot import spell_listener
from labctl.errors import KernelRefused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labctl.engine.remake.picture import Picture
    from labctl.engine.remake.spelled import Spelled
    from labctl.model.ports import Kernel

# A kernel's own: there in every namespace, and not to be made or deleted.
_LOOPBACK = "lo"


def make_links(kernel: Kernel, now: Picture, wanted: Picture) -> None:
    """Delete links that are not wanted, or are other ones; make those that are missing."""
    there = {key: link for key, link in _links(now) if key[1] != _LOOPBACK}
    want = {key: link for key, link in _links(wanted) if key[1] != _LOOPBACK}
    gone = {key for key, link in there.items() if key not in want or not _is_same(link, want[key])}
    for place, name in sorted(gone):
        with suppress(KernelRefused):
            kernel.net(place_of(place)).delete_link(name)
    for (place, name), link in want.items():
        if place not in now["snapshot"]["places"]:
            continue  # a container that no step has made: that is what the end will say
        net = kernel.net(place_of(place))
        if (place, name) in there.keys() - gone or (link["kind"] == "veth" and net.link(name) is not None):
            continue
        with suppress(KernelRefused):
            if link["kind"] == "bridge":
                net.add_bridge(name)
            elif link["kind"] == "veth":
                other, _, peer = str(link["peer"]).partition(" ")
                net.add_veth(name, peer, place_of(other))


def set_links(kernel: Kernel, now: Picture, wanted: Picture) -> None:
    """Ports, hairpin, up and down, and the aliases by which the plug-in knows its own."""
    for place, there, want in _pairs(now, wanted):
        _batch(kernel, place, port_lines(there["links"], want["links"]))
        old, new = now["aliases"].get(place, {}), wanted["aliases"].get(place, {})
        for name in want["links"]:
            if new.get(name, "") != old.get(name, ""):
                argv = ("ip", "link", "set", "dev", name, "alias", new.get(name, ""))
                kernel.programs(place_of(place)).run(argv)


def set_addresses(kernel: Kernel, now: Picture, wanted: Picture) -> None:
    """Addresses."""
    for place, there, want in _pairs(now, wanted):
        _batch(kernel, place, address_lines(there["addresses"], want["addresses"]))


def set_routes(kernel: Kernel, now: Picture, wanted: Picture, spelled: Spelled, *, onlink: bool) -> None:
    """Routes and permanent neighbours."""
    for place, there, want in _pairs(now, wanted):
        lines = route_lines(there["routes"], want["routes"], onlink=onlink)
        _batch(kernel, place, lines + neighbour_lines(there["neighbours"], want["neighbours"], spelled.text))


def end_servers(kernel: Kernel, now: Picture, wanted: Picture) -> None:
    """End whoever listens where nobody should."""
    for place, there, want in _pairs(now, wanted):
        if there["servers"] == want["servers"]:
            continue
        kept = list(want["servers"])
        for each in kernel.net(place_of(place)).listeners():
            if spell_listener(each) in kept:
                kept.remove(spell_listener(each))
            else:
                with suppress(KernelRefused):
                    kernel.programs(place_of(place)).end(each)


def _links(picture: Picture) -> Iterator[tuple[tuple[str, str], dict[str, Any]]]:
    for place, body in picture["snapshot"]["places"].items():
        for name, link in body["links"].items():
            yield (place, name), link


def _is_same(link: dict[str, Any], other: dict[str, Any]) -> bool:
    return (link["kind"], link["peer"]) == (other["kind"], other["peer"])


def _pairs(now: Picture, wanted: Picture) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Each place that is there and wanted, as it is and as it should be."""
    there = now["snapshot"]["places"]
    for place, want in wanted["snapshot"]["places"].items():
        if place in there:
            yield place, there[place], want


def _batch(kernel: Kernel, place: str, lines: list[str]) -> None:
    """Have all of it done that can be; whether it led where it should is looked at in the end."""
    if lines:
        text = "".join(f"{line}\n" for line in lines)
        kernel.programs(place_of(place)).run(("ip", "-force", "-batch", "-"), text)
