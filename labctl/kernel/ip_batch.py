"""The port `Net` through `ip -batch`: changes wait until something is looked at, and go out in one call with the look.

For the CNI plug-in: pyroute2 alone takes longer to import than a whole call may.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from labctl.errors import KernelRefused
from labctl.kernel import spawn
from labctl.model.values import Address, Link, Route

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from labctl.model.lab import Place

_FAILED = re.compile(r"^Command failed -:(\d+)$", re.MULTILINE)
_MISSING = ("does not exist", "Cannot find device")
_GONE = ("No such process", "Cannot assign requested address", *_MISSING)


class IpNet:
    """One network namespace: the caller's own, or one that `ip netns` knows by name.

    `names` gives that name for a place; `aliases` is what is written on links of these names when they are made, and
    `group` that of links which a cable's end here is made in: the one cannot be said at once with making it, the other
    can.
    `families` (4, 6) are those whose addresses and routes are looked at.
    """

    def __init__(self, names: Callable[[Place], str], families: Sequence[int], name: str = "", group: str = "") -> None:
        """Nothing is asked yet."""
        self._names, self._families, self._name, self._group = names, families, name, group
        self.aliases: dict[str, str] = {}
        self._waiting: list[str] = []
        self._watched: tuple[str, ...] = ()
        self._seen: dict[tuple[str, int], list[Any]] = {}

    def flush(self) -> bool:
        """Carry out what waits; tell whether anything did.

        Raises:
            KernelRefused: a line was refused; those before it were carried out.
        """
        waited = bool(self._waiting)
        if waited:
            watched, self._watched = self._watched, ()
            self._run(tuple(f"link show dev {name}" for name in watched), 0)
        return waited

    def watch(self, *names: str) -> None:
        """When what waits is carried out next, look at links of these names behind it, in the same call."""
        self._watched = names

    def drop(self) -> None:
        """Leave undone what waits."""
        self._waiting.clear()
        self._watched = ()
        self._seen.clear()

    def forget(self) -> None:
        """Look anew from now on."""
        self._seen.clear()

    def _change(self, line: str) -> None:
        if "\n" in line:
            raise KernelRefused(f"{line!r} is more than a line")
        self._waiting.append(line)
        self._seen.clear()

    def _run(self, looks: Sequence[str], family: int) -> None:
        """Carry out what waits, then look, in one call; every look gives a JSON list on a line."""
        lines, self._waiting = [*self._waiting, *looks], []
        inside = ("-n", self._name) if self._name else ()
        of = (f"-{family}",) if family else ()
        done = spawn.run(("ip", *inside, *of, "-j", "-d", "-batch", "-"), "".join(f"{line}\n" for line in lines))
        if done.code != 0:
            raise _refusal(done.err, lines, done.code)
        lists = [json.loads(each) for each in done.out.splitlines() if each]
        for look, entries in zip(looks, lists, strict=True):
            self._seen[look, family] = [each for each in entries if each]

    def expect(self, *names: str, addresses: bool = False, numbers: bool = False) -> None:
        """Look at all that will be asked for in one call: links of these names, and what else is said.

        Addresses and the numbers of namespaces are looked at only where they are needed: both grow with the node.

        What is not there is no matter: `ip -force` goes on behind a line that fails, and says which did.
        """
        self.flush()
        looks = [*(f"link show dev {name}" for name in names), *(("netns list-id",) if numbers else ())]
        family = self._families[0] if addresses and len(self._families) == 1 else 0
        argv = ("ip", *((f"-{family}",) if family else ()), "-j", "-d", "-force", "-batch", "-")
        done = spawn.run(argv, "".join(f"{look}\n" for look in (*looks, *(("addr show",) if family else ()))))
        failed = {int(each) for each in _FAILED.findall(done.err)}
        if len(failed) > sum(done.err.count(each) for each in _MISSING) or (done.code and not failed):
            return  # something else is wrong: whoever asks will hear it
        lists = iter([json.loads(each) for each in done.out.splitlines() if each])
        for number, look in enumerate(looks, 1):
            if number not in failed:
                self._seen[look, 0] = [each for each in next(lists, ()) if each]
            elif look.startswith("link"):
                self._seen[look, 0] = []
        if family:
            self._seen["addr show", family] = [each for each in next(lists, ()) if each]

    def _look(self, look: str, family: int = 0, beside: Sequence[str] = ()) -> list[Any]:
        """Look once; `beside` are looks that are likely to follow, and cost nothing in the same call."""
        if (look, family) not in self._seen:
            if family:
                self.flush()
            self._run((look, *beside), family)
        return self._seen[look, family]

    def link(self, name: str) -> Link | None:
        """One interface by its name: on a node there are many others."""
        if self._name:
            return next((each for each in self.links() if each.name == name), None)
        look = f"link show dev {name}"
        try:
            found = self._look(look)
        except KernelRefused as refused:
            # What waited before it has been carried out: `ip` stops at the first line that fails.
            if not refused.what.startswith(f"`ip {look}` ") or not any(each in refused.what for each in _MISSING):
                raise
            found = self._seen[look, 0] = []
        if not found:
            return None
        entry = found[0]
        master = self.link(entry["master"]) if "master" in entry else None
        return _read_link(entry, master.index if master else None)

    def links(self) -> tuple[Link, ...]:
        """All interfaces."""
        entries = self._look("link show", beside=("addr show", "route show") if self._name else ())
        indexes = {each["ifname"]: each["ifindex"] for each in entries}
        return tuple(_read_link(each, indexes.get(each.get("master", ""))) for each in entries)

    def addresses(self) -> tuple[Address, ...]:
        """All addresses but those that IPv6 gives to every link by itself."""
        if self._name:
            self.links()
            entries = self._look("addr show")
        else:
            entries = [each for family in self._families for each in self._look("addr show", family)]
        return tuple(
            Address(entry["ifname"], f"{each['local']}/{each['prefixlen']}")
            for entry in entries
            for each in entry.get("addr_info", ())
            if each.get("scope") == "global"
        )

    def routes(self) -> tuple[Route, ...]:
        """The routes of the main table."""
        if self._name:
            self.links()
        found = [self._look("route show", 0 if family == 4 else family) for family in self._families]  # noqa: PLR2004 (IPv4, which `ip` means if not told otherwise)
        return tuple(
            Route(each["dst"], each.get("gateway", ""), each.get("dev", ""), metric=each.get("metric", 0))
            for entries in found
            for each in entries
        )

    def number_of(self, place: Place) -> int | None:
        """The number under which this namespace knows that of `place`."""
        name = self._names(place)
        return next((each["nsid"] for each in self._look("netns list-id") if each.get("name") == name), None)

    def add_bridge(self, name: str) -> None:
        """Make a bridge; it is down."""
        self._change(f"link add name {name} type bridge")

    def pin_mac(self, name: str) -> None:
        """Have a bridge keep the MAC that it has; left alone it takes the lowest of its ports', which come and go."""
        link = self.link(name)
        if link:
            self._change(f"link set dev {name} address {link.mac}")

    def add_veth(self, name: str, peer: str, peer_place: Place) -> None:
        """Make a veth pair, one end here, the other in place there."""
        group = f" group {self._group}" if self._group else ""
        self._change(f"link add name {name}{group} type veth peer name {peer} netns {self._names(peer_place)}")
        if name in self.aliases:
            self._change(f'link set dev {name} alias "{self.aliases[name]}"')

    def delete_link(self, name: str) -> None:
        """Take a link away; gone already is success."""
        self._try(f"link del dev {name}")

    def set_up(self, name: str) -> None:
        """Bring a link up."""
        self._change(f"link set dev {name} up")

    def set_master(self, name: str, bridge: str) -> None:
        """Make a link a port of a bridge; an empty `bridge` releases it."""
        self._change(f"link set dev {name} master {bridge}" if bridge else f"link set dev {name} nomaster")

    def set_hairpin(self, name: str) -> None:
        """Let a bridge's port send back what came in by it."""
        self._change(f"link set dev {name} type bridge_slave hairpin on")

    def clear_hairpin(self, name: str) -> None:
        """Let it not send anything back any more."""
        self._change(f"link set dev {name} type bridge_slave hairpin off")

    def add_address(self, device: str, cidr: str) -> None:
        """Give a link an address. IPv6's question whether it is taken is not asked: the store knows."""
        self._change(f"addr replace {cidr} dev {device}{' nodad' if ':' in cidr else ''}")

    def delete_address(self, device: str, cidr: str) -> None:
        """Take an address away; gone already is success."""
        self._try(f"addr del {cidr} dev {device}")

    def add_route(self, destination: str, via: str, device: str = "") -> None:
        """Add or replace a route in the main table."""
        self._change(f"route replace {destination} via {via}{f' dev {device}' if device else ''}")

    def delete_route(self, destination: str, via: str = "") -> None:
        """Take a route away; gone already is success."""
        self._try(f"route del {destination}{f' via {via}' if via else ''}")

    def _try(self, line: str) -> None:
        self.flush()
        self._change(line)
        try:
            self.flush()
        except KernelRefused as refused:
            if not any(each in refused.what for each in _GONE):
                raise


def _refusal(said: str, lines: Sequence[str], code: int) -> KernelRefused:
    """Say which line was refused, and why (`ip` prints `Command failed -:3`)."""
    first = next(iter(said.splitlines()), f"ip exited with {code}")
    first = first.removeprefix("RTNETLINK answers: ").removeprefix("Error: ").rstrip(".")
    number = said.rpartition("Command failed -:")[2].strip()
    if number.isdecimal() and 0 < int(number) <= len(lines):
        return KernelRefused(f"`ip {lines[int(number) - 1]}` failed: {first}")
    return KernelRefused(first)


def _read_link(entry: dict[str, Any], master: int | None) -> Link:
    info = entry.get("linkinfo", {})
    return Link(
        index=entry["ifindex"],
        name=entry["ifname"],
        kind=info.get("info_kind", ""),
        up="UP" in entry["flags"],
        mac=entry.get("address", ""),
        master=master,
        peer_index=entry.get("link_index"),
        peer_netns=entry.get("link_netnsid"),
        hairpin=bool(info.get("info_slave_data", {}).get("hairpin")),
        alias=entry.get("ifalias", ""),
        group=entry.get("group", ""),
    )
