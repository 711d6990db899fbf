"""A kernel port that keeps what was there before the lab: no change reaches it, and a step that meets it is refused.

No resource knows of this: whatever it asks for goes through here. `judge` looks twice, with what was there before and
without: what is there only with it is not the lab's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from labctl.errors import ForeignObject, KernelRefused
from labctl.model.baseline import canonical
from labctl.model.iptables_save import spell_words
from labctl.model.kubeconfig import AUTHORITY_FILE, KEY_FILE, KUBECONFIG
from labctl.model.lab import NETNS_FOLDER, Place
from labctl.model.resource import Absent, Foreign, Present, Seen, Unknown
from labctl.model.store import STATE_FOLDERS
from labctl.model.values import Address
from labctl.world.host.judging import named_address, pick, say_old
from labctl.world.host.own import OwnKernel
from labctl.world.host.owners import whose

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labctl.model.baseline import Baseline
    from labctl.model.ports import Kernel
    from labctl.model.resource import Resource
    from labctl.world.host.own import Hidden

_MAIN = 254
_BESIDE = "give the lab names and ranges of its own in a file: labctl down; labctl up --topology FILE"
FILES = (*STATE_FOLDERS, KUBECONFIG, AUTHORITY_FILE, KEY_FILE)
FOLDERS = (*FILES, canonical(NETNS_FOLDER))
"""Where the lab writes on the machine, and where it therefore looks before: folders, and single files."""


def _refuse(what: str, words: Sequence[str], baseline: Baseline) -> NoReturn:
    raise ForeignObject(say_old(what, words, baseline), _BESIDE)


class _Guarded:
    """A port whose methods are those of the real one, but for the ones that a subclass looks after."""

    def __init__(self, real: Any, baseline: Baseline) -> None:  # noqa: ANN401 (any of the ports)
        self._real, self._baseline = real, baseline

    def __getattr__(self, method: str) -> Any:  # noqa: ANN401 (the ports say what)
        return getattr(self._real, method)


class GuardedNet(_Guarded):
    """The network of the node: old links, addresses and routes are not touched."""

    def delete_link(self, name: str) -> None:
        """Only one that came since."""
        self._insist_on(name)
        self._real.delete_link(name)

    def set_up(self, name: str) -> None:
        """Likewise."""
        self._insist_on(name)
        self._real.set_up(name)

    def set_hairpin(self, name: str) -> None:
        """Likewise."""
        self._insist_on(name)
        self._real.set_hairpin(name)

    def clear_hairpin(self, name: str) -> None:
        """Likewise."""
        self._insist_on(name)
        self._real.clear_hairpin(name)

    def set_master(self, name: str, bridge: str) -> None:
        """Likewise; an old bridge gets no port either."""
        for each in (name, bridge):
            self._insist_on(each)
        self._real.set_master(name, bridge)

    def add_address(self, device: str, cidr: str) -> None:
        """Likewise."""
        self._insist_on(device)
        self._real.add_address(device, cidr)

    def delete_address(self, device: str, cidr: str) -> None:
        """Only one that came since."""
        if self._baseline.has_address(Address(device, cidr)):
            _refuse(f"the address {cidr} of {device}", (device,), self._baseline)
        self._real.delete_address(device, cidr)

    def add_route(self, destination: str, via: str, device: str = "") -> None:
        """Add one; where one was before, it would be replaced."""
        self._insist_on_route(destination)
        self._real.add_route(destination, via, device)

    def delete_route(self, destination: str, via: str = "") -> None:
        """Only one that came since."""
        self._insist_on_route(destination, via)
        self._real.delete_route(destination, via)

    def _insist_on(self, name: str) -> None:
        link = self._real.link(name) if name else None
        if link is not None and self._baseline.has_link(link):
            _refuse(name, (name, link.kind), self._baseline)

    def _insist_on_route(self, destination: str, via: str = "") -> None:
        for each in self._baseline.routes:
            if each.table == _MAIN and each.destination == destination and via in ("", each.via):
                _refuse(f"the route {destination}", (each.device,), self._baseline)


class GuardedFiles(_Guarded):
    """The files of the node: old ones are not touched, and none outside of the lab's folders."""

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Only what came since."""
        self._insist_on(path)
        self._real.write(path, text, mode)

    def exchange(self, path: str, lock: str, old: str, new: str) -> bool:
        """Likewise."""
        self._insist_on(path)
        return bool(self._real.exchange(path, lock, old, new))

    def link(self, path: str, target: str) -> None:
        """Likewise."""
        self._insist_on(path)
        self._real.link(path, target)

    def remove(self, path: str) -> None:
        """Likewise; an old folder stays without a word: that it is there is nobody's mistake."""
        if self._baseline.kind_of(path) == "folder":
            return
        if not any(each.startswith(f"{path}/") for each in FOLDERS):  # one above, which goes only if it is empty
            self._insist_on(path)
        self._real.remove(path)

    def _insist_on(self, path: str) -> None:
        if self._baseline.kind_of(path):
            _refuse(path, (), self._baseline)
        if not any(f"{canonical(path)}/".startswith(f"{folder}/") for folder in FOLDERS):
            raise KernelRefused(f"{path} is in none of the lab's folders: it might be this machine's own")


class GuardedFirewall(_Guarded):
    """The packet filter of the node, of one family of addresses: old rules and chains are not touched."""

    def __init__(self, real: Any, baseline: Baseline, family: int) -> None:  # noqa: ANN401 (as above)
        """Of IPv4 or IPv6: 4 or 6."""
        super().__init__(real, baseline)
        self._family = family

    def delete(self, table: str, chain: str, words: Sequence[str]) -> None:
        """Delete one that came since; of two that say the same, the newer one."""
        now = self._real.table(table)
        old = [rule.words for rule in self._baseline.table(table, self._family).of(chain)]
        if tuple(words) not in old:
            self._real.delete(table, chain, words)
            return
        own = [at for at in self._baseline.new_rules(table, now, self._family) if now.rules[at].words == tuple(words)]
        own = [at for at in own if now.rules[at].chain == chain]
        if not own:
            _refuse(f"the rule -A {chain} {spell_words(words)}", (), self._baseline)
        number = 1 + sum(rule.chain == chain for rule in now.rules[: own[-1]])
        self._real.delete(table, chain, (str(number),))

    def restore(self, text: str) -> None:
        """Load rules; a line that names an old chain as its own would flush it (iptables-restore(8))."""
        table = ""
        for line in text.splitlines():
            table = line[1:].strip() if line.startswith("*") else table
            name, verb = (line[1:].split() or [""])[0], line.split()[:1]
            old = dict(self._baseline.table(table, self._family).policies)
            if (line.startswith(":") and old.get(name) == "-") or verb in (["-F"], ["-X"], ["-D"]):
                chain = name if line.startswith(":") else (line.split()[1:2] or [""])[0]
                self._insist_on_chain(table, chain, line)
        self._real.restore(text)

    def _insist_on_chain(self, table: str, chain: str, line: str) -> None:
        before = self._baseline.table(table, self._family)
        words = tuple(line.split()[2:])
        if line.startswith("-D") and words not in [rule.words for rule in before.of(chain)]:
            return
        if chain in dict(before.policies) and (before.of(chain) or dict(before.policies)[chain] == "-"):
            _refuse(f"the chain {chain} of the table {table}", (), self._baseline)


class GuardedKernel:
    """The port `Kernel` of a node on a real machine."""

    def __init__(self, kernel: Kernel, node: str, baseline: Baseline) -> None:
        """Guard this node."""
        self._real, self._place, self._kept = kernel, Place(node), baseline
        self._called_now: Baseline | None = None

    @property
    def baseline(self) -> Baseline:
        """What was there before, by the names of now."""
        if self._called_now is None:
            self._called_now = self._kept.as_called_now(self._real.net(self._place).link_names())
        return self._called_now

    def refresh(self) -> None:
        """Look anew from now on, also for what links are called."""
        self._real.refresh()
        self._called_now = None

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 (whatever the ports have)
        """What is not looked after here is the real one's."""
        return getattr(self._real, name)

    def net(self, place: Place) -> Any:  # noqa: ANN401 (the port `Net`)
        """Guarded on the node; containers are the lab's."""
        real = self._real.net(place)
        return GuardedNet(real, self.baseline) if place == self._place else real

    def files(self, node: str) -> Any:  # noqa: ANN401 (the port `Files`)
        """Guarded."""
        return GuardedFiles(self._real.files(node), self.baseline)

    def firewall(self, node: str, family: int = 4) -> Any:  # noqa: ANN401 (the port `Firewall`)
        """Guarded."""
        return GuardedFirewall(self._real.firewall(node, family), self.baseline, family)

    @property
    def own(self) -> Kernel:
        """The same node without what was there before."""
        view: Any = self._view()
        return view  # type: ignore[no-any-return]  # its ports are the real ones, some methods in other hands

    def _view(self) -> OwnKernel:
        guarded: Any = self
        return OwnKernel(guarded, self._place.node, self.baseline)

    def judge(self, resource: Resource, seen: Seen) -> Seen:
        """What is present only with what was there before is that, and not the lab's; nor is what has its name."""
        if isinstance(seen, Unknown):
            return seen
        view: Any = self._view()
        alone = resource.observe(view)
        hidden: Hidden = view.hidden
        if isinstance(seen, Foreign):
            all_words = (word for words in hidden.named.values() for word in words)
            owner = whose((seen.why, *all_words), self.baseline)
            aside = "it was there before `labctl up`" if hidden.named else ""
            aside += f"{', and' if aside else 'it'} looks like {owner}" if owner else ""
            return Foreign(f"{seen.why}; {aside}" if aside else seen.why, seen.hint or _BESIDE)
        taken = named_address(resource, hidden)
        if hidden.named or taken or (isinstance(seen, Present) and isinstance(alone, Absent)):
            what, words = taken or pick(resource, seen, hidden)
            return Foreign(say_old(what, words, self.baseline), _BESIDE)
        return seen
