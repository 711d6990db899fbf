"""Takes away all that is the lab's on a real machine, whoever typed it; what else has come since is named, and stays.

It asks no step: a learner may have made half of something, or have broken it, and later steps may have been changed.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from labctl.errors import LabError
from labctl.model.baseline import TABLES, canonical
from labctl.model.iptables_save import spell_words
from labctl.model.lab import NETNS_FOLDER
from labctl.world.host import nft, other_backend
from labctl.world.host.guard import FILES, FOLDERS
from labctl.world.host.marks import Marks
from labctl.world.host.taking import walk

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labctl.model.lab import Lab
    from labctl.model.values import Link, Route, Rule, Ruleset
    from labctl.world.host.guard import GuardedKernel

_PORTS = ("bridge", "veth")


class Sweep:
    """One clearing of the node; `taken` says what went, `left` what came since and is not the lab's."""

    def __init__(self, kernel: GuardedKernel, lab: Lab) -> None:
        """Through the guard: it keeps what was there before, whatever happens here."""
        self._kernel, self._lab = kernel, lab
        self._node, self._marks = lab.nodes[0], Marks(lab)
        self.taken: list[str] = []
        self.left: list[str] = []

    def run(self) -> None:
        """Take everything away, first what refers to other things.

        Raises:
            KernelRefused: something does not go; the rest has gone.
        """
        troubles: list[LabError] = []
        for take in (
            self._rules,
            self._nft_tables,
            self._other_backend,
            self._links,
            self._addresses,
            self._routes,
            self._namespaces,
            self._files,
        ):
            self._kernel.refresh()
            try:
                take()
            except LabError as trouble:
                troubles.append(trouble)
        self._kernel.refresh()
        self._name_others()
        if troubles:
            raise troubles[0]

    def _rules(self) -> None:
        for family, table in self._tables():
            firewall = self._kernel.firewall(self._node.name, family)
            own: Ruleset = self._kernel.own.firewall(self._node.name, family).table(table)
            rules, chains = self._find_rules(own)
            for rule in rules:
                if rule.chain not in chains:
                    firewall.delete(table, rule.chain, rule.words)
                self.taken.append(_spell_rule(rule, table, family))
            if chains:
                lines = [f"{verb} {chain}" for verb in ("-F", "-X") for chain in chains]
                firewall.restore("".join(f"{line}\n" for line in (f"*{table}", *lines, "COMMIT")))
                self.taken += [f"the chain {chain} ({_in(table, family)})" for chain in chains]

    def _tables(self) -> tuple[tuple[int, str], ...]:
        """Family and name; those of IPv6 only if it is known what was in them."""
        families = (4,) if self._kernel.baseline.tables6 is None else (4, 6)
        return tuple((family, table) for family in families for table in TABLES)

    def _other_backend(self) -> None:
        for program, table, rule in other_backend.find_new_rules(self._kernel, self._node, self._kernel.baseline):
            if self._marks.has_rule(rule):
                other_backend.delete(self._kernel, self._node, program, table, rule)
                self.taken.append(other_backend.spell(program, table, rule))

    def _nft_tables(self) -> None:
        for table in nft.find_new(self._kernel, self._node, self._kernel.baseline):
            if gone := nft.take_marked(self._kernel, self._node, table, self._marks):
                self.taken.append(gone)

    def _find_rules(self, own: Ruleset) -> tuple[list[Rule], list[str]]:
        """The lab's rules and chains among those that came since.

        A chain is the lab's by its name, or if it has rules of the lab's and either no others or no way to it but from
        the lab's: what a plug-in makes for a pod has rules that name no pod. DOCKER-USER does not go for a rule in it.
        """
        users = [chain for chain, policy in own.policies if policy == "-"]
        chains = {name for name in users if self._marks.has_chain(name)}
        while more := {name for name in users if name not in chains and self._is_ours(name, own.rules, chains)}:
            chains |= more
        rules = [rule for rule in own.rules if self._is_own(rule, chains)]
        return rules, [chain for chain in users if chain in chains]

    def _is_ours(self, chain: str, rules: Sequence[Rule], chains: set[str]) -> bool:
        inside = [self._is_own(rule, chains) for rule in rules if rule.chain == chain]
        ways = [self._is_own(rule, chains) for rule in rules if chain in rule.words]
        return any(inside) and (all(inside) or (bool(ways) and all(ways)))

    def _is_own(self, rule: Rule, chains: set[str]) -> bool:
        return self._marks.has_rule(rule) or rule.chain in chains or bool(chains & set(rule.words))

    def _links(self) -> None:
        for link in self._find_links():
            self._kernel.net(self._node.place).delete_link(link.name)
            self.taken.append(f"the interface {link.name}")

    def _find_links(self) -> list[Link]:
        """The bridge and its ports, and cables of the lab's names; another kind of port is only unplugged."""
        own = self._kernel.own.net(self._node.place)
        links: tuple[Link, ...] = own.links()
        ranged = {each.device for each in own.addresses() if self._marks.has_range(each.cidr)}
        ours = [
            each for each in links if each.name in self._marks.links or (each.name in ranged and each.kind in _PORTS)
        ]
        bridges = {each.index for each in ours if each.kind == "bridge"}
        return ours + [each for each in links if each.master in bridges and each.kind == "veth" and each not in ours]

    def _addresses(self) -> None:
        for each in self._kernel.own.net(self._node.place).addresses():
            if self._marks.has_range(each.cidr):
                self._kernel.net(self._node.place).delete_address(each.device, each.cidr)
                self.taken.append(f"the address {each.cidr} of {each.device}")

    def _routes(self) -> None:
        for route in self._kernel.own.net(self._node.place).routes():
            if self._marks.has_range(route.destination):
                # In any table, of any kind: the port knows the main one only.
                self._kernel.programs(self._node.place).run(("ip", "route", "del", *_spell(route)))
                self.taken.append(f"the route {' '.join(_spell(route))}")

    def _namespaces(self) -> None:
        files = self._kernel.own.files(self._node.name)
        for name in files.names(NETNS_FOLDER):
            path = f"{NETNS_FOLDER}/{name}"
            if name in self._marks.names or any(
                files.same_namespace(path, each.place) for each in self._node.containers
            ):
                self._kernel.files(self._node.name).remove(path)
                self.taken.append(f"the namespace's name {path}")
        self._remove_empty(canonical(NETNS_FOLDER))

    def _files(self) -> None:
        files = self._kernel.own.files(self._node.name)
        for folder in FILES:
            found = [path for path, kind in walk(files, folder) if kind != "folder" and self._marks.has_path(path)]
            for path in found:
                self._kernel.files(self._node.name).remove(path)
                self.taken.append(f"the file {path}")
            self._remove_empty(folder)

    def _remove_empty(self, folder: str) -> None:
        """Remove what came since and holds nothing any more, from below; the folders above that came with it too."""
        files = self._kernel.files(self._node.name)
        paths = [path for path, kind in walk(files, folder) if kind == "folder"]
        for path in (*reversed(paths), *map(str, PurePosixPath(folder).parents)):
            if files.info(path) is not None and self._kernel.baseline.kind_of(path) == "" and not files.names(path):
                files.remove(path)

    def _name_others(self) -> None:
        """What came since and is not the lab's, what was there before and is not any more."""
        own = self._kernel.own
        net = own.net(self._node.place)
        links = net.links()
        self.left += [f"the interface {each.name}" for each in links]
        self.left += [f"the address {each.cidr} of {each.device}" for each in net.addresses()]
        self.left += [f"the route {' '.join(_spell(each))}" for each in net.routes() if each.protocol != "kernel"]
        for family, table in self._tables():
            for rule in own.firewall(self._node.name, family).table(table).rules:
                self.left.append(_spell_rule(rule, table, family))
        self.left += [
            other_backend.spell(*each)
            for each in other_backend.find_new_rules(self._kernel, self._node, self._kernel.baseline)
        ]
        self.left += [f"the nft table {each}" for each in nft.find_new(self._kernel, self._node, self._kernel.baseline)]
        files = own.files(self._node.name)
        for folder in FOLDERS:
            self.left += [f"the file {path}" for path, kind in walk(files, folder) if kind != "folder"]
        there = {link.index for link in self._kernel.net(self._node.place).links()}
        self.left += [
            f"{each.name} is gone, which was there before"
            for each in self._kernel.baseline.links
            if each.index not in there
        ]


def _spell_rule(rule: Rule, table: str, family: int) -> str:
    return f"the rule -A {rule.chain} {spell_words(rule.words)} ({_in(table, family)})"


def _in(table: str, family: int) -> str:
    return table if family == 4 else f"{table} of ip6tables"  # noqa: PLR2004 (what it is called)


def _spell(route: Route) -> tuple[str, ...]:
    kind = () if route.kind == "unicast" else (route.kind,)
    pairs = (
        ("via", route.via),
        ("dev", route.device),
        ("table", str(route.table)),
        ("metric", str(route.metric or "")),
    )
    return (*kind, route.destination, *(word for pair in pairs if pair[1] for word in pair))
