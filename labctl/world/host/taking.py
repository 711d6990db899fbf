"""Takes the baseline: looks at all of a node that the lab could meet. Writes nothing."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from labctl.errors import KernelRefused
from labctl.model.baseline import POLICY, TABLES, Baseline, canonical
from labctl.model.lab import NETNS_FOLDER
from labctl.model.value import replace
from labctl.model.values import Ruleset
from labctl.world.host import other_backend
from labctl.world.host.furniture import OWN_FOLDERS
from labctl.world.host.guard import FOLDERS
from labctl.world.host.marks import Marks
from labctl.world.host.nft import list_tables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labctl.model.lab import Lab, Node
    from labctl.model.ports import Files, Kernel

FORWARDING = "/proc/sys/net/ipv4/ip_forward"
BRIDGE_FILTER = "/proc/sys/net/bridge/bridge-nf-call-iptables"
_INTERFACES = "/proc/sys/net/ipv4/conf"


def take(kernel: Kernel, lab: Lab, boot: str) -> Baseline:
    """Look at the node as it is now."""
    node = lab.nodes[0]
    net, firewall, files = kernel.net(node.place), kernel.firewall(node.name), kernel.files(node.name)
    tables = {name: firewall.table(name) for name in TABLES}
    return Baseline(
        boot=boot,
        links=net.links(),
        addresses=net.addresses(),
        routes=net.routes(),
        tables=tuple(tables.items()),
        values=(*_sysctls(files), (POLICY, tables["filter"].policy("FORWARD"))),
        files=tuple(each for folder in _folders() for each in walk(files, folder)),
        cloud=tuple(each.name for each in kernel.cloud.routes()),
        tables6=_tables6(kernel, node),
        nft=list_tables(kernel, node),
        other=other_backend.read(kernel, node),
    )


def _tables6(kernel: Kernel, node: Node) -> tuple[tuple[str, Ruleset], ...] | None:
    """The rules of IPv6; None where they cannot be looked at: no such tool, no IPv6, or what only nft can say."""
    try:
        return tuple((name, kernel.firewall(node.name, 6).table(name)) for name in TABLES)
    except KernelRefused:
        return None


def _sysctls(files: Files) -> Iterator[tuple[str, str]]:
    """What the lab sets, and what the kernel changes with it.

    Forwarding on or off is on or off on every link, and redirects the other way (net/ipv4/devinet.c,
    inet_forward_change).
    """
    paths = [FORWARDING, BRIDGE_FILTER]
    paths += [f"{_INTERFACES}/{name}/forwarding" for name in files.names(_INTERFACES)]
    paths += [f"{_INTERFACES}/{name}/accept_redirects" for name in ("all", "default")]
    for path in paths:
        value = files.read(path)
        if value is not None:
            yield path, value.strip()


def _folders() -> tuple[str, ...]:
    """The lab's folders, and those above that may be made with them; and where its own programs go."""
    above = {str(parent) for folder in FOLDERS for parent in PurePosixPath(folder).parents}
    return (*sorted(above - set(FOLDERS)), *FOLDERS, *OWN_FOLDERS)


def walk(files: Files, path: str) -> Iterator[tuple[str, str]]:
    """All that is there, from the top: path and kind. The folders above the lab's own are not entered."""
    info = files.info(path)
    if info is None:
        return
    yield path, info.kind
    if info.kind == "folder" and any(f"{path}/".startswith(f"{folder}/") for folder in FOLDERS):
        for name in files.names(path):
            yield from walk(files, f"{path}/{name}")


def take_again(kernel: Kernel, lab: Lab, boot: str, old: Baseline) -> Baseline:
    """After a reboot: the machine's own things have come anew, in another order and shape, and its files have stayed.

    What carries the course's names and ranges was typed by somebody since, unless it was there before the lab.
    """
    marks, now = Marks(lab), take(kernel, lab, boot)
    names = {link.name for link in old.links}
    netns = canonical(NETNS_FOLDER)
    files = [each for each in old.files if not each[0].startswith(netns)]
    files += [
        (path, kind)
        for path, kind in now.files
        if path.startswith(netns) and (path.rpartition("/")[2] not in marks.names or (path, kind) in old.files)
    ]
    return replace(
        now,
        links=tuple(each for each in now.links if each.name in names or each.name not in marks.links),
        addresses=tuple(each for each in now.addresses if each in old.addresses or not marks.has_range(each.cidr)),
        routes=tuple(each for each in now.routes if each in old.routes or not marks.has_range(each.destination)),
        tables=tuple((name, _without_marked(marks, table, old.table(name))) for name, table in now.tables),
        tables6=None
        if now.tables6 is None
        else tuple((name, _without_marked(marks, table, old.table(name, 6))) for name, table in now.tables6),
        # Of what came since in these nothing but the lab's own rules is ever taken away: no need to tell it apart here.
        nft=None if now.nft is None or old.nft is None else tuple(each for each in now.nft if each in old.nft),
        other=None if now.other is None else old.other,
        files=tuple(files),
        cloud=old.cloud,
    )


def _without_marked(marks: Marks, now: Ruleset, old: Ruleset) -> Ruleset:
    chains = dict(old.policies)
    return Ruleset(
        tuple(each for each in now.policies if each[0] in chains or not marks.has_chain(each[0])),
        tuple(rule for rule in now.rules if rule in old.rules or not marks.has_rule(rule)),
    )
