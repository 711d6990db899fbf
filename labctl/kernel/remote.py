"""The port `Kernel` outside of the world: has everything asked of the agent, and remembers what was looked up."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from labctl.model.values import Completed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labctl.errors import KernelRefused
    from labctl.model.lab import Place
    from labctl.model.ports import Cloud, Files, Firewall, Net, Packets, ProgramLook, Programs, ProgramStart, Scanner
    from labctl.model.values import MachineFacts, Standing

Ask: TypeAlias = Callable[[str, tuple[object, ...], str, tuple[object, ...]], Any]

_LOOKS = frozenset(
    {
        "link", "links", "link_names", "addresses", "routes", "neighbours", "number_of", "route_to", "listeners",
        "info", "read", "names", "same_namespace",
        "table", "has", "saved", "other_backend", "answering", "listed",
        "forwards", "setting", "namespace_path", "look", "standings", "began", "machine",
    }
)  # fmt: skip  # a table of the ports' methods that look
# What these change of a namespace; any other change of one may change all of it.
_CHANGES = {
    "add_address": frozenset({"addresses", "routes", "route_to"}),
    "delete_address": frozenset({"addresses", "routes", "route_to"}),
    "forget_neighbour": frozenset({"neighbours"}),
    "add_route": frozenset({"routes", "route_to"}),
    "delete_route": frozenset({"routes", "route_to"}),
    "set_up": frozenset({"link", "links", "routes", "route_to"}),
    "set_master": frozenset({"link", "links"}),
    "set_hairpin": frozenset({"link", "links"}),
    "clear_hairpin": frozenset({"link", "links"}),
}


class _Door:
    """A port whose methods are called inside. What was looked up is remembered until something is changed."""

    def __init__(self, kernel: RemoteKernel, name: str, arguments: tuple[object, ...]) -> None:
        self._kernel, self._name, self._arguments = kernel, name, arguments

    def __getattr__(self, method: str) -> Callable[..., Any]:
        def call(*arguments: object) -> Any:  # noqa: ANN401 (the ports say what)
            return self._kernel.ask(self._name, self._arguments, method, arguments)

        return call


def _look_key(ask: ProgramLook) -> tuple[str, object]:
    """As `Programs.look` with these arguments is remembered."""
    _, argv, text = ask
    return "look", (argv, text) if text else (argv,)


class RemoteKernel:
    """The port `Kernel`, answered by the agent."""

    def __init__(self, ask: Ask) -> None:
        """Ask through this: door, door arguments, method, arguments."""
        self._ask = ask
        self._seen: dict[tuple[str, object], dict[tuple[str, object], object]] = {}

    def ask(self, door: str, door_arguments: tuple[object, ...], method: str, arguments: tuple[object, ...]) -> Any:  # noqa: ANN401 (the ports say what)
        """Ask, or remember: a look is asked once until something is changed."""
        # `files.link` makes one; `net.link` looks at one.
        if method not in _LOOKS or (door, method) == ("files", "link"):
            self._forget(door, door_arguments, method, arguments)
            return self._ask(door, door_arguments, method, arguments)
        seen = self._seen.setdefault((door, door_arguments), {})
        if (method, arguments) not in seen:
            seen[method, arguments] = self._ask(door, door_arguments, method, arguments)
        return seen[method, arguments]

    def net(self, place: Place) -> Net:
        """The network namespace of a place."""
        return cast("Net", _Door(self, "net", (place,)))

    def files(self, node: str) -> Files:
        """The files of a node."""
        return cast("Files", _Door(self, "files", (node,)))

    def programs(self, place: Place) -> Programs:
        """Programs at a place."""
        return cast("Programs", _Door(self, "programs", (place,)))

    def look_all(self, asks: Sequence[ProgramLook]) -> tuple[Completed | KernelRefused, ...]:
        """Programs that look, side by side; what they said is not remembered, for a probe is asked anew."""
        return cast("tuple[Completed | KernelRefused, ...]", self.ask("", (), "look_all", (tuple(asks),)))

    def look_ahead(self, asks: Sequence[ProgramLook]) -> None:
        """Programs that look, side by side; what could not be run is tried again when it is asked for."""
        remembered = {each: self._seen.setdefault(("programs", (each[0],)), {}) for each in asks}
        new = tuple(each for each, seen in remembered.items() if _look_key(each) not in seen)
        for each, done in zip(new, self.look_all(new) if new else (), strict=True):
            if isinstance(done, Completed):
                remembered[each][_look_key(each)] = done

    def start_all(self, asks: Sequence[ProgramStart]) -> None:
        """Start programs that go on running, side by side."""
        self.ask("", (), "start_all", (tuple(asks),))

    def firewall(self, node: str, family: int = 4) -> Firewall:
        """The packet filter of a node."""
        return cast("Firewall", _Door(self, "firewall", (node, family)))

    def scanner(self, node: str) -> Scanner:
        """Nmap on a node."""
        return cast("Scanner", _Door(self, "scanner", (node,)))

    def scan_all(self, asks: Sequence[tuple[str, str]]) -> tuple[tuple[str, ...] | None, ...]:
        """Who answers in the range of each node; what could not be told is asked again when it is wanted."""
        found = cast("tuple[tuple[str, ...] | None, ...]", self._ask("", (), "scan_all", (tuple(asks),)))
        for (node, pod_range), answering in zip(asks, found, strict=True):
            if answering is not None:
                self._seen.setdefault(("scanner", (node,)), {})["answering", (pod_range,)] = answering
        return found

    @property
    def cloud(self) -> Cloud:
        """The routes of the cloud network."""
        return cast("Cloud", _Door(self, "cloud", ()))

    @property
    def packets(self) -> Packets:
        """Real packets."""
        return cast("Packets", _Door(self, "packets", ()))

    def setting(self, place: Place, name: str) -> str | None:
        """Read a sysctl of a place."""
        return cast("str | None", self.ask("", (), "setting", (place, name)))

    def namespace_path(self, place: Place) -> str:
        """`/proc/PID/ns/net` as the world numbers it."""
        return cast("str", self.ask("", (), "namespace_path", (place,)))

    def standings(self, places: Sequence[Place]) -> tuple[Standing | None, ...]:
        """Look at the network namespaces of many places in one go."""
        return cast("tuple[Standing | None, ...]", self.ask("", (), "standings", (tuple(places),)))

    def began(self, pid: int) -> float | None:
        """When a process began, in seconds since 1970."""
        return cast("float | None", self.ask("", (), "began", (pid,)))

    def machine(self) -> MachineFacts:
        """What machine this is."""
        return cast("MachineFacts", self.ask("", (), "machine", ()))

    def refresh(self) -> None:
        """Forget what was read."""
        self._seen.clear()

    def _forget(self, door: str, door_arguments: tuple[object, ...], method: str, arguments: tuple[Any, ...]) -> None:
        """After a change, forget what it may have changed, and no more: looking again is what costs."""
        if door == "packets" or method == "look_all":
            return
        self._forget_looks_of_programs()
        if door == "programs" or method == "start_all":
            # A program may change anything, packets nothing. What nmap found is kept: a scan serves a whole run.
            self._seen = {key: seen for key, seen in self._seen.items() if key[0] == "scanner"}
        elif door != "net" or method == "delete_link":
            self._seen = {key: seen for key, seen in self._seen.items() if key[0] != door}
        else:
            changed = _CHANGES.get(method)
            places = [door_arguments, arguments[-1:]] if method == "add_veth" else [door_arguments]
            for place in places:
                seen = self._seen.pop((door, place), {})
                if changed is not None:
                    self._seen[door, place] = {key: each for key, each in seen.items() if key[0] not in changed}

    def _forget_looks_of_programs(self) -> None:
        """Nobody knows what such a program looks at."""
        self._seen = {key: seen for key, seen in self._seen.items() if key[0] != "programs"}
