"""The bench on which a plug-in is tried: a node of a throw-away world, its containers, and the calls."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from labctl.cni.conformance.attachment import Attached, Attachment
from labctl.cni.conformance.call import KILLED, TIMED_OUT, Answer, keep
from labctl.cni.conformance.check import CannotAsk, Failed, NotApplicable
from labctl.cni.conformance.leftovers import find_leftovers
from labctl.cni.conformance.network import NEWEST_FIRST, Network
from labctl.cni.conformance.spy import FOLDER as SPY_FOLDER
from labctl.cni.conformance.view import LOOK, View, read_view
from labctl.engine.snapshot import take_node

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from labctl.cni.conformance.leftovers import Snapshot
    from labctl.cni.conformance.staging import Staged
    from labctl.model.lab import Lab
    from labctl.model.ports import Kernel
    from labctl.model.values import Completed

PATH = "/opt/labctl/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SECONDS = 10
_PATIENCE = 3

_T = TypeVar("_T")


@dataclass
class _Once:
    """What came of a piece of work that several checks look at."""

    value: Any = None
    error: Exception | None = None


@dataclass
class Bench:
    """Everything a check may do. What a check adds and leaves standing is deleted when it ends."""

    kernel: Kernel
    lab: Lab
    plugin: Staged
    base: Network
    heard: list[Answer] = field(default_factory=list)
    _standing: list[Attached] = field(default_factory=list)
    _known: dict[str, _Once] = field(default_factory=dict)
    _namespaces: list[str] = field(default_factory=list)
    _names: int = 0
    _networks: int = 0

    # --- the node --------------------------------------------------------------------------------------------------

    @property
    def node(self) -> str:
        """The name of the node."""
        return self.lab.nodes[0].name

    def run(self, argv: tuple[str, ...], text: str = "") -> Completed:
        """Run a program on the node."""
        return self.kernel.programs(self.lab.nodes[0].place).run(argv, text)

    def do(self, script: str, text: str = "") -> str:
        """Run a script on the node; its standard output.

        Raises:
            CannotAsk: it failed.
        """
        done = self.run(("sh", "-c", script), text)
        if done.code != 0:
            raise CannotAsk(f"`{script}` failed on the node: {done.err.strip() or done.code}")
        return done.out

    def snapshot(self) -> Snapshot:
        """Everything that a plug-in may have changed on the node."""
        return take_node(self.kernel, self.lab, self.lab.nodes[0])

    def view(self, netns: str = "") -> View:
        """What the kernel holds in a namespace, or on the node."""
        return read_view(self.do(f"nsenter --net={shlex.quote(netns)} sh -c {shlex.quote(LOOK)}" if netns else LOOK))

    # --- containers and networks -----------------------------------------------------------------------------------

    def container(self, network: Network | None = None, *, name: str = "", interface: str = "eth0") -> Attachment:
        """Make a container: a namespace of its own, nothing in it."""
        self._names += 1
        netns = f"ns{self._names}"
        made = self.run(("ip", "netns", "add", netns))
        if made.code != 0:
            raise CannotAsk(f"no namespace could be made on the node: {made.err.strip()}")
        self._namespaces.append(netns)
        return Attachment(
            network or self.network, name or f"container-{self._names:03}", f"/run/netns/{netns}", interface
        )

    def other_network(self, prefix: int = 24, prefix6: int = 0) -> Network:
        """Another network, with a bridge and a range of its own, and one of IPv6 if that has a size."""
        self._networks += 1
        return self.network.beside(self._networks, prefix, prefix6)

    def own_network(self) -> Network:
        """Another network if that can be had, else that of most checks."""
        try:
            return self.other_network()
        except NotApplicable:
            return self.network

    @property
    def network(self) -> Network:
        """The network of most checks, in the newest version of the specification that the plug-in lists."""
        return self.base.changed(cniVersion=self.version)

    @property
    def version(self) -> str:
        """The newest known version that can be used; the configuration's own if the plug-in lists none."""
        newest = next((each for each in NEWEST_FIRST if self.lacks(each) is None), None)
        return newest or str(self.base.configuration.get("cniVersion", "1.0.0"))

    @property
    def listed(self) -> tuple[str, ...]:
        """The versions that the plug-in says it supports."""
        return self.once("VERSION", lambda: self._list(self.plugin.path))

    def lacks(self, version: str) -> str | None:
        """Say who does not list a version, the plug-in or the IPAM plug-in; None if both do."""
        if version not in self.listed:
            return f"the plug-in lists {', '.join(self.listed) or 'no version'}"
        ipam = self.plugin.ipam
        by_ipam = self.once("VERSION of ipam", lambda: self._list(ipam)) if ipam else self.listed
        return None if version in by_ipam else f"the IPAM plug-in lists {', '.join(by_ipam) or 'no version'}"

    def _list(self, program: str) -> tuple[str, ...]:
        answer = self._call(program, (("CNI_COMMAND", "VERSION"),), '{"cniVersion": "1.0.0"}', SECONDS)
        versions = answer.fields.get("supportedVersions")
        return tuple(str(each) for each in versions) if isinstance(versions, list) else ()

    def need_version(self, first: str, what: str) -> None:
        """Raise NotApplicable where no version can be used that has this."""
        if _number(self.version) < _number(first):
            why = next(
                filter(None, (self.lacks(each) for each in NEWEST_FIRST)), f"the configuration is {self.version}"
            )
            raise NotApplicable(f"{what} came with version {first} of the specification; {why}")

    @property
    def path(self) -> str:
        """What CNI_PATH is: the plug-in's folder, the IPAM plug-in's, and last that of the checker's own."""
        return ":".join((*self.plugin.folders, SPY_FOLDER))

    # --- calls -----------------------------------------------------------------------------------------------------

    def call(
        self,
        command: str,
        of: Attachment | None = None,
        *,
        text: str | None = None,
        changed: Mapping[str, str | None] | None = None,
        kill_after: float | None = None,
    ) -> Answer:
        """Call the plug-in as a runtime does; `changed` sets variables otherwise, or leaves them out (None).

        With `kill_after`, it is killed after so many seconds, with all that it has started.
        """
        variables = {"CNI_COMMAND": command, "CNI_PATH": self.path}
        if of:
            variables |= {"CNI_CONTAINERID": of.container, "CNI_NETNS": of.netns, "CNI_IFNAME": of.interface}
        wanted = {**variables, **(changed or {})}
        given = tuple((name, value) for name, value in wanted.items() if value is not None)
        if text is None:
            text = (of.network if of else self.network).spell()
        seconds = self.seconds if kill_after is None else kill_after
        answer = self._call(self.plugin.path, given, text, seconds, killed=kill_after is not None)
        self.heard.append(answer)
        return answer

    def _call(
        self, program: str, variables: tuple[tuple[str, str], ...], text: str, seconds: float, *, killed: bool = False
    ) -> Answer:
        programs = self.kernel.programs(self.lab.nodes[0].place)
        done = programs.call((program,), text, (("PATH", PATH), *variables), seconds)
        if done is None:
            return Answer(variables, text, KILLED if killed else TIMED_OUT, "", "", killed=killed, seconds=seconds)
        return Answer(variables, text, done.code, keep(done.out), keep(done.err), killed=killed, seconds=seconds)

    @property
    def seconds(self) -> int:
        """How long a call may take: less for a plug-in that has used all of it often, or nobody would see the end."""
        return SECONDS if sum(each.code == TIMED_OUT for each in self.heard) < _PATIENCE else 1

    def add(self, attachment: Attachment) -> Attached:
        """ADD where it is not what is tried, but what that builds on.

        Raises:
            CannotAsk: it failed.
        """
        answer = self.call("ADD", attachment)
        if answer.code != 0 or not answer.fields:
            raise CannotAsk(f"an ADD that this builds on did not work: {answer}")
        return self.keep(attachment, answer)

    def keep(self, attachment: Attachment, answer: Answer) -> Attached:
        """Remember an attachment, to be deleted when the check ends."""
        attached = Attached(attachment, answer)
        self._standing.append(attached)
        return attached

    def attach(self, network: Network | None = None) -> Attached:
        """Make a container, and ADD it."""
        return self.add(self.container(network))

    def delete(
        self, attached: Attached, *, changed: Mapping[str, str | None] | None = None, result: bool = True
    ) -> Answer:
        """DEL as a runtime does, with the result of the ADD in prevResult."""
        network = attached.attachment.network
        if result:
            network = network.changed(prevResult=attached.result)
        answer = self.call("DEL", replace(attached.attachment, network=network), changed=changed)
        self._standing = [each for each in self._standing if each is not attached]
        return answer

    def check(self, attached: Attached, result: dict[str, Any] | None = None) -> Answer:
        """CHECK as a runtime does."""
        network = attached.attachment.network.changed(prevResult=attached.result if result is None else result)
        return self.call("CHECK", replace(attached.attachment, network=network))

    def collect(self, network: Network, valid: Iterable[Attached]) -> Answer:
        """GC as a runtime does: section 2 and section 3 of the specification name the key differently, so both."""
        listed = [{"containerID": each.attachment.container, "ifname": each.attachment.interface} for each in valid]
        keys = {"cni.dev/valid-attachments": listed, "cni.dev/attachments": listed}
        return self.call("GC", text=network.changed(**keys).spell())

    def leftovers(self, before: Snapshot, attached: Attached) -> list[str]:
        """What an attachment that is gone has left on the node."""
        return find_leftovers(self.node, before, self.snapshot(), (attached.attachment.container,), attached.addresses)

    def expect_nothing_left(self, before: Snapshot, attached: Attached, answer: Answer) -> None:
        """Raise Failed if there is something."""
        if left := self.leftovers(before, attached):
            raise Failed(f"left behind: {'; '.join(left)}; {answer}")

    # --- from check to check ---------------------------------------------------------------------------------------

    def once(self, name: str, work: Callable[[], _T]) -> _T:
        """Do a piece of work that several checks look at; what it raised is raised again."""
        if name not in self._known:
            self._known[name] = known = _Once()
            kept = self._standing, self._namespaces
            self._standing, self._namespaces = [], []
            try:
                known.value = work()
            except (Failed, NotApplicable, CannotAsk) as error:
                known.error = error
            # What it made stands for the checks to come.
            self._standing, self._namespaces = kept
        known = self._known[name]
        if known.error:
            raise known.error
        value: _T = known.value
        return value

    def standing(self) -> Attached:
        """The one attachment that only is looked at; it stands from the first check that wants it on."""
        return self.once("standing", self.attach)

    def tidy(self) -> None:
        """Delete what the check that has just ended left standing."""
        for attached in tuple(reversed(self._standing)):
            self.delete(attached)
        if self._namespaces:
            self.run(("sh", "-c", 'for each; do ip netns del "$each"; done', "sh", *self._namespaces))
        self._standing, self._namespaces = [], []


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdigit() else 0 for part in version.split("."))
