"""What is done on the two machines, and what must be seen: from a bare Debian through the course, and back again."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from tests.machine_state import differences
from tests.vm.image import CHECKOUT, WHEELHOUSE
from tests.vm.table import Wrong

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from labctl.model.lab import Lab
    from tests.vm.machine import Machine, Said
    from tests.vm.table import Table

_PROVISION = f"sudo LAB_NODES=2 LAB_WHEELHOUSE={WHEELHOUSE} {CHECKOUT}/vm/provision"
# Docker's traces: what the notes' node begins with.
_DOCKER = {
    "sudo iptables -S FORWARD": "-P FORWARD DROP",
    "cat /proc/sys/net/ipv4/ip_forward": "1",
    "cat /proc/sys/net/bridge/bridge-nf-call-iptables": "1",
}
_STATE = "import json; from tests.machine_state import machine_state; print(json.dumps(machine_state()))"
# What the kernel counts up as mounts and namespaces come, and systemd's pipe behind an automount.
_NUMBERS = re.compile(r" (shared|master):\d+|,(fd|pgrp|pipe_ino)=\d+|(?<=^net:)\[\d+\]")
# Computed at boot from how much memory is free just then (kernel, sysctl/vm.rst).
_BY_MEMORY = ("vm/admin_reserve_kbytes", "vm/min_free_kbytes", "vm/user_reserve_kbytes")
_LAST = 8
_ROUTE = 7


class Class:
    """The two machines, and the table in which it is noted what came of them."""

    def __init__(self, lab: Lab, machines: Sequence[Machine], table: Table) -> None:
        """Teach these, the nodes of this lab."""
        self.lab, self.machines, self.table = lab, machines, table
        self._before: dict[str, dict[str, object]] = {}

    def run(self) -> None:
        """All of it; what builds on something that went wrong is not tried.

        Raises:
            Wrong: the machines could not be brought so far that the rest means anything.
        """
        self._provision()
        for number in range(_LAST + 1):
            self._step(number)
        self._ping("a pod of one kernel pings a pod of the other")
        self._reboot(self.machines[-1])
        self._ping("pod to pod again, after the reboot")
        self._take_back()

    def _provision(self) -> None:
        self._all("boots", lambda each: each.wait_ready() or each.run("uname -sr").last, needed=True)
        kernels = {each.run("cat /proc/sys/kernel/random/boot_id").last for each in self.machines}
        self.table.check(
            "two kernels, by their boot ids", "both", lambda: _expect(len(kernels) == 2, f"{len(kernels)}")
        )
        self._all("`vm/provision`, offline, with LAB_WHEELHOUSE", lambda each: each.run(_PROVISION).last, needed=True)
        self._all("as Docker leaves it", _look_like_docker)
        self._all("`sudo labctl status`", lambda each: _no_step_done(each.labctl("status", "--json", code=1)))
        self._all(
            "`labctl snapshot` is kept", lambda each: each.run("sudo labctl snapshot >first.json") and "first.json"
        )
        self._all("`vm/provision` again changes nothing", _provision_again)
        self._all("`labctl down`", lambda each: each.labctl("down").last)
        self._all("what is on the machine is written down", self._note_state)
        self._all("`labctl up`", lambda each: each.labctl("up", "--nodes", str(len(self.machines))).last, needed=True)

    def _step(self, number: int) -> None:
        asked = str(number)
        self._all(f"`step {asked} --apply`", lambda each: each.labctl("step", asked, "--apply") and "exit 0")
        self._all(f"`step {asked} --verify`", lambda each: each.labctl("step", asked, "--verify") and "exit 0")

    def _ping(self, claim: str) -> None:
        for machine, there in zip(self.machines, reversed(self.lab.nodes), strict=True):
            source = self.lab.node(machine.name).containers[0]
            target = str(there.pod_range[2])
            words = ("exec", f"{machine.name}/{source.name}", "--", "ping", "-c3", "-W5", target)
            self.table.check(
                claim, f"{source.name} on {machine.name} → {target}", lambda m=machine, w=words: _loss(m.labctl(*w))
            )

    def _reboot(self, machine: Machine) -> None:
        def check(claim: str, look: Callable[[], str]) -> None:
            self.table.check(claim, machine.name, look)

        check("reboots", lambda: machine.reboot() or machine.run("uptime -p").last)
        check("as Docker leaves it, still", lambda: _look_like_docker(machine))
        check("`status` says what the reboot took", lambda: _taken(machine.labctl("status", code=1)))
        check(f"`reset --to {_ROUTE}`", lambda: machine.labctl("reset", "--to", str(_ROUTE)) and "exit 0")
        check(f"`step 0-{_ROUTE} --verify`", lambda: machine.labctl("step", f"0-{_ROUTE}", "--verify") and "exit 0")

    def _take_back(self) -> None:
        asked = f"0-{_LAST}"
        self._all(f"`step {asked} --undo`", lambda each: each.labctl("step", asked, "--undo") and "exit 0")
        self._all(
            "the snapshot is the first one", lambda each: _same(each.type("sudo labctl snapshot --diff first.json"))
        )
        self._all("`labctl down`", lambda each: each.labctl("down").last)
        self._all("the machine is as before `up`", self._compare_state)

    def _note_state(self, machine: Machine) -> str:
        state = self._before[machine.name] = _state_of(machine)
        return f"{len(json.dumps(state)) // 1000} KB"

    def _compare_state(self, machine: Machine) -> str:
        before, after = (_comparable(each) for each in (self._before[machine.name], _state_of(machine)))
        # A module that was loaded meanwhile has brought its settings along; no value that was there may differ.
        old, new = before.settings, after.settings
        lines = differences(
            before.rest | {"sysctls": old}, after.rest | {"sysctls": {key: new.get(key) for key in old}}
        )
        if lines:
            raise Wrong("\n".join(lines))
        brought = len(new.keys() - old.keys())
        more = f"{brought} settings of modules that were loaded" if brought else "nothing"
        return f"links, addresses, routes, rules, settings, mounts, names; new: {more}"

    def _all(self, claim: str, look: Callable[[Machine], str], *, needed: bool = False) -> None:
        """Do the same on all machines at the same time.

        Raises:
            Wrong: it was needed for the rest.
        """
        with ThreadPoolExecutor(len(self.machines)) as pool:
            done = list(pool.map(lambda each: self.table.check(claim, each.name, lambda: look(each)), self.machines))
        if needed and not all(done):
            raise Wrong(f"{claim}: without it there is nothing to teach")


def _expect(holds: bool, seen: str) -> str:  # noqa: FBT001 (what is expected)
    if not holds:
        raise Wrong(seen)
    return seen


def _look_like_docker(machine: Machine) -> str:
    for line, wanted in _DOCKER.items():
        seen = machine.run(line).out
        _expect(wanted in seen.splitlines(), f"`{line}`: {seen.strip()}, not {wanted}")
    return "FORWARD DROP, ip_forward 1, bridge-nf-call-iptables 1"


def _no_step_done(status: Said) -> str:
    document = json.loads(status.out)
    _expect(document["world"]["kind"] == "host" and document["world"]["up"], str(document["world"]))
    done = [f"step {each['step']}" for each in document["steps"] if each["outcome"] == "done"]
    _expect(not done, f"done already: {', '.join(done)}")
    return f"the world is up, none of {len(document['steps'])} steps is done"


def _provision_again(machine: Machine) -> str:
    said = machine.run(_PROVISION)
    wrote = [line for line in said.out.splitlines() if "wrote" in line or "installing" in line]
    _expect(not wrote, " / ".join(wrote))
    return _same(machine.type("sudo labctl snapshot --diff first.json"))


def _same(diff: Said) -> str:
    _expect(diff.code == 0, f"exit {diff.code}: {diff.out}{diff.err}")
    return "no difference"


def _loss(ping: Said) -> str:
    line = next((each for each in ping.out.splitlines() if "packet loss" in each), "no answer")
    return _expect(", 0% packet loss" in line, line)


def _taken(status: Said) -> str:
    said = " ".join(f"{status.out} {status.err}".split())
    found = re.search("taken by the reboot: .*?(?= still there| of its files)", said)
    if found is None:
        raise Wrong(said[-300:])
    return found[0]


def _state_of(machine: Machine) -> dict[str, object]:
    said = machine.run(
        f"cd {CHECKOUT} && sudo .venv/bin/python -P -c 'import sys; sys.path.insert(0, \".\"); {_STATE}'"
    )
    state: dict[str, object] = json.loads(said.out)
    return state


@dataclass(frozen=True)
class Comparable:
    """A machine's state without what a boot numbers anew."""

    rest: dict[str, object]
    settings: dict[str, str]


def _comparable(state: dict[str, object]) -> Comparable:
    rest = dict(state)
    sysctls = rest.pop("sysctls")
    assert isinstance(sysctls, dict)
    settings = {name: value for name, value in sysctls.items() if name not in _BY_MEMORY}
    rest["mounts"] = sorted(_NUMBERS.sub("", each) for each in cast("list[str]", rest["mounts"]))
    return Comparable(rest, settings)
