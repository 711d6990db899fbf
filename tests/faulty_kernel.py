"""A `Kernel` in front of the real one that counts what is about to be changed, and fails or kills at a chosen place.

`FaultyKernel` stands on labctl's side of the agent, or inside the agent (`faulty_agent`): there it also sees the single
changes that make up a route of the cloud.
"""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from labctl.errors import KernelRefused, LabError
from labctl.kernel import firewall, netlink, packets, scan  # noqa: F401 (inside, labctl's own files may be hidden)
from labctl.kernel.agent import Agent
from labctl.kernel.cloud import VpcCloud
from labctl.kernel.local import LocalKernel
from labctl.model.lab import VPC

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from labctl.model.lab import Lab, Place
    from labctl.model.ports import Kernel
    from labctl.model.world import WorldRecord

CHANGES = {
    "net": {
        "add_bridge", "add_veth", "delete_link", "set_up", "set_master", "set_hairpin", "clear_hairpin",
        "add_address", "delete_address", "add_route", "delete_route",
    },
    "files": {"write", "exchange", "make_folder", "link", "remove"},
    "programs": {"run", "start", "end"},
    "firewall": {"append", "insert", "delete", "set_policy", "restore"},
    "cloud": {"create", "delete"},
}  # fmt: skip  # a table of the ports' methods that change something


def refuse(what: str) -> NoReturn:
    raise KernelRefused(f"injected: {what}", "none")


def die(_what: str) -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def failure_of(do: Callable[[], object]) -> LabError | None:
    """The error in which something ends; None if it ends well."""
    try:
        do()
    except LabError as error:
        return error
    return None


@dataclass
class Fault:
    """What happens at the change number `at` (from 1; 0 is none), before it or `after`; `forever`: from then on."""

    at: int = 0
    after: bool = False
    forever: bool = False
    happen: Callable[[str], NoReturn] = refuse
    counted: list[str] = field(default_factory=list)

    def call(self, what: str, change: Callable[[], object]) -> object:
        self.counted.append(what)
        number = len(self.counted)
        due = self.at and (number >= self.at if self.forever else number == self.at)
        if due and not (self.after and number == self.at):
            self.happen(what)
        done = change()
        if due:
            self.happen(what)
        return done


class _Door:
    def __init__(self, fault: Fault, name: str, where: str, real: object) -> None:
        self._fault, self._name, self._where, self._real = fault, name, where, real

    def __getattr__(self, method: str) -> Any:  # noqa: ANN401 (whatever the real one has)
        real = getattr(self._real, method)
        if method not in CHANGES[self._name]:
            return real

        def call(*arguments: object) -> object:
            if method == "run" and "show" in str(arguments):
                return real(*arguments)
            what = f"{self._name}({self._where}).{method}{arguments}"
            return self._fault.call(what, lambda: real(*arguments))

        return call


class FaultyKernel:
    """The port `Kernel`; looks go straight through. `settings` are sysctls that are made to look otherwise."""

    def __init__(self, real: Kernel, fault: Fault, settings: dict[str, str | None] | None = None) -> None:
        self._real, self.fault, self._settings = real, fault, settings or {}

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 (whatever the real one has)
        if name not in CHANGES:
            return getattr(self._real, name)
        return lambda *arguments: _Door(
            self.fault, name, ",".join(map(str, arguments)), getattr(self._real, name)(*arguments)
        )

    @property
    def cloud(self) -> Any:  # noqa: ANN401 (the port `Cloud`)
        return _Door(self.fault, "cloud", "", self._real.cloud)

    def start_all(self, asks: Sequence[tuple[Any, ...]]) -> None:
        self.fault.call(f"start_all({asks})", lambda: self._real.start_all(asks))

    def setting(self, place: Place, name: str) -> str | None:
        return self._settings[name] if name in self._settings else self._real.setting(place, name)


class _Inside(FaultyKernel):
    """Inside the agent: the cloud's own changes are counted, not its methods, and the fault is set from outside."""

    def __init__(self, real: Kernel, fault: Fault, lab: Lab) -> None:
        super().__init__(real, fault)
        self._lab = lab
        self.arm(0, False, False, False)  # noqa: FBT003 (as asked from outside)

    @property
    def cloud(self) -> VpcCloud:
        return self._vpc

    def arm(self, at: int, after: bool, forever: bool, kill: bool) -> None:  # noqa: FBT001 (asked by position)
        self.fault = Fault(at, after, forever, die if kill else refuse)
        self._vpc = VpcCloud(self.files(str(VPC)), self.programs(VPC), self._lab.network)

    def counted(self) -> tuple[str, ...]:
        return tuple(self.fault.counted)


class FaultyAgent:
    """An agent in the world of `record`; `arm` says what goes wrong next."""

    def __init__(self, record: WorldRecord, lab: Lab) -> None:
        self._agent = Agent(record, partial(_make, lab))
        self.kernel = self._agent.kernel

    def arm(self, at: int, *, after: bool = False, forever: bool = False, kill: bool = False) -> None:
        self._agent.ask("", (), "arm", (at, after, forever, kill))

    def counted(self) -> tuple[str, ...]:
        counted: tuple[str, ...] = self._agent.ask("", (), "counted", ())
        return counted

    def close(self) -> None:
        self._agent.close()


def _make(lab: Lab, record: WorldRecord) -> Kernel:
    inside: Any = _Inside(LocalKernel(record, lab), Fault(), lab)
    return inside
