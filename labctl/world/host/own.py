"""A node without what was there before the lab: how it would look, were the lab alone on it. Looks only.

What is left out is noted, so that a refusal can name it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labctl.model.baseline import canonical
from labctl.model.iptables_save import spell_words
from labctl.model.lab import Place

if TYPE_CHECKING:
    from labctl.model.baseline import Baseline
    from labctl.model.ports import Kernel
    from labctl.model.values import Address, CloudRoute, FileInfo, Link, Route, Rule, Ruleset


class Hidden:
    """What was left out of an answer: how it is said, and the words that tell whose it is."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.named: dict[str, tuple[str, ...]] = {}
        self.addresses: dict[str, Address] = {}
        self.rules: dict[str, Rule] = {}
        self.cloud: dict[str, CloudRoute] = {}


class _Behind:
    """A port whose methods are those of the real one, but for the ones that a subclass has."""

    def __init__(self, real: Any, baseline: Baseline, hidden: Hidden) -> None:  # noqa: ANN401 (any of the ports)
        self._real, self._baseline, self._hidden = real, baseline, hidden

    def __getattr__(self, method: str) -> Any:  # noqa: ANN401 (the ports say what)
        return getattr(self._real, method)


class OwnNet(_Behind):
    """The links, addresses and routes that came since."""

    def links(self) -> tuple[Link, ...]:
        """All but the old ones."""
        return tuple(link for link in self._real.links() if not self._baseline.has_link(link))

    def link(self, name: str) -> Link | None:
        """One of them."""
        link: Link | None = self._real.link(name)
        if link is None or not self._baseline.has_link(link):
            return link
        ports = (each.name for each in self._real.links() if each.master == link.index)
        self._hidden.named[name] = (name, link.kind, link.alias, *ports)
        return None

    def addresses(self) -> tuple[Address, ...]:
        """All but the old ones."""
        for each in self._baseline.addresses:
            self._hidden.addresses[f"the address {each.cidr} of {each.device}"] = each
        return tuple(each for each in self._real.addresses() if not self._baseline.has_address(each))

    def routes(self) -> tuple[Route, ...]:
        """All but the old ones."""
        return tuple(each for each in self._real.routes() if each not in self._baseline.routes)


class OwnFiles(_Behind):
    """The files that came since; folders are everybody's."""

    def info(self, path: str) -> FileInfo | None:
        """Nothing where an old file is."""
        return None if self._is_old(path) else self._real.info(path)

    def read(self, path: str) -> str | None:
        """Likewise."""
        return None if self._is_old(path) else self._real.read(path)

    def names(self, path: str) -> tuple[str, ...]:
        """List a folder without the old files."""
        kinds = {name: self._baseline.kind_of(f"{path}/{name}") for name in self._real.names(path)}
        return tuple(name for name, kind in kinds.items() if kind in ("", "folder"))

    def same_namespace(self, path: str, place: Place) -> bool:
        """No old file is a container's of this lab."""
        return not self._is_old(path) and self._real.same_namespace(path, place)

    def _is_old(self, path: str) -> bool:
        if self._baseline.kind_of(path) in ("", "folder"):
            return False
        self._hidden.named[canonical(path)] = (path,)
        return True


class OwnFirewall(_Behind):
    """The rules and chains that came since, of one family of addresses."""

    def __init__(self, real: Any, baseline: Baseline, hidden: Hidden, family: int) -> None:  # noqa: ANN401 (as above)
        """Of IPv4 or IPv6: 4 or 6."""
        super().__init__(real, baseline, hidden)
        self._family = family

    def table(self, name: str) -> Ruleset:
        """One table without the old rules."""
        now: Ruleset = self._real.table(name)
        own = self._baseline.without(name, now, self._family)
        kept = set(own.rules)
        for rule in now.rules:
            if rule not in kept:
                self._hidden.rules[_spell(rule)] = rule
        return own


class OwnCloud(_Behind):
    """The routes of the cloud network that came since."""

    def routes(self) -> tuple[CloudRoute, ...]:
        """All but the old ones."""
        found = tuple(self._real.routes())
        for each in found:
            if each.name in self._baseline.cloud:
                self._hidden.cloud[each.name] = each
        return tuple(each for each in found if each.name not in self._baseline.cloud)


def _spell(rule: Rule) -> str:
    return f"the rule -A {rule.chain} {spell_words(rule.words)}"


class OwnKernel:
    """The port `Kernel`, behind which a guard keeps what was there before."""

    def __init__(self, guarded: Kernel, node: str, baseline: Baseline) -> None:
        """Look at this node through the guard."""
        self._guarded, self._place, self._baseline = guarded, Place(node), baseline
        self.hidden = Hidden()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 (whatever the ports have)
        """What is not looked after here is the real one's."""
        return getattr(self._guarded, name)

    def net(self, place: Place) -> Any:  # noqa: ANN401 (the port `Net`)
        """That of the node without what was there; containers are the lab's."""
        real = self._guarded.net(place)
        return OwnNet(real, self._baseline, self.hidden) if place == self._place else real

    def files(self, node: str) -> OwnFiles:
        """The files that came since."""
        return OwnFiles(self._guarded.files(node), self._baseline, self.hidden)

    def firewall(self, node: str, family: int = 4) -> Any:  # noqa: ANN401 (the port `Firewall`)
        """The rules that came since."""
        return OwnFirewall(self._guarded.firewall(node, family), self._baseline, self.hidden, family)

    @property
    def cloud(self) -> OwnCloud:
        """The routes that came since."""
        return OwnCloud(self._guarded.cloud, self._baseline, self.hidden)
