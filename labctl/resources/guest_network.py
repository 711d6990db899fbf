"""The network of a container that the lab's own runtime made: what a CNI plug-in was asked for, and answered."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from labctl.errors import KernelRefused
from labctl.model.resource import Absent, Foreign, Present, Seen
from labctl.model.shell import Capture, Pipe, Redirect, Run, Shell, Var
from labctl.model.store import RESULTS_FOLDER
from labctl.model.value import Value
from labctl.resources.guest import Guest
from labctl.resources.links import INTERFACE
from labctl.resources.plugin import BIN_FOLDER, SOURCE, PluginConfiguration

if TYPE_CHECKING:
    from labctl.model.lab import Container, Lab, Node
    from labctl.model.ports import Kernel, ProgramLook
    from labctl.model.shell import Dialect
    from labctl.model.values import Completed, FileInfo

_PLUGIN_OF_LIST = "{cniVersion, name} + .plugins[0]"


class GuestNetwork(Value):
    """Ask the plug-in as a runtime does (ADD), and keep its answer where libcni keeps answers."""

    lab: Lab
    node: Node
    guest: Container

    @property
    def key(self) -> str:
        """`guest_network:master/e`."""
        return f"guest_network:{self.guest.place}"

    @property
    def path(self) -> str:
        """Where the answer is kept."""
        return f"{RESULTS_FOLDER}/{self.lab.network}-{self.guest.name}-{INTERFACE}"

    @property
    def _configuration(self) -> PluginConfiguration:
        return PluginConfiguration(self.lab, self.node)

    def observe(self, kernel: Kernel) -> Seen:
        """Have the plug-in itself look: CHECK, with the answer that was kept."""
        seen, answer = self._read(kernel)
        if seen is not None:
            return seen
        done = kernel.programs(self.node.place).look(*self._asking("CHECK", SOURCE, {"prevResult": answer}))
        return Present() if done.code == 0 else Present((f"CHECK says: {_said(done)}",))

    def program_looks(self, kernel: Kernel) -> tuple[ProgramLook, ...]:
        """CHECK, if there is an answer to check."""
        seen, answer = self._read(kernel)
        return () if seen is not None else ((self.node.place, *self._asking("CHECK", SOURCE, {"prevResult": answer})),)

    def _read(self, kernel: Kernel) -> tuple[Seen | None, Any]:
        """What there is to say without the plug-in, if anything; and the answer that was kept, whatever JSON it is."""
        info = kernel.files(self.node.name).info(self.path)
        if info is None:
            return self._observe_without_answer(kernel), None
        if foreign := self._find_foreign(info):
            return foreign, None
        text = kernel.files(self.node.name).read(self.path) or ""
        if not text.strip():
            return Present((f"{self.path} is empty: the plug-in was not called, or said nothing",)), None
        try:
            answer = json.loads(text)
        except (ValueError, RecursionError) as error:
            return Present((f"{self.path} is not JSON: {error}",)), None
        if isinstance(answer, dict) and "code" in answer and "msg" in answer:
            # Errors come where answers do, and whoever keeps what came keeps them too.
            return Present((f"ADD failed, and {self.path} holds what it said: {answer['msg']}",)), None
        return None, answer

    def _find_foreign(self, info: FileInfo) -> Foreign | None:
        if info.kind == "file":
            return None
        return Foreign(f"{self.path} on {self.node.name} is a {info.kind}, not a file")

    def _observe_without_answer(self, kernel: Kernel) -> Seen:
        if not isinstance(Guest(self.guest).observe(kernel), Present):
            return Absent(f"{self.guest.name} has no network")
        if kernel.net(self.guest.place).link(INTERFACE) is None:
            return Absent(f"{self.guest.name} has no {INTERFACE}: no plug-in was asked for it")
        what = f"{self.guest.name} has an {INTERFACE}, but what the plug-in answered is not kept"
        return Present((f"{what}; expected {self.path}",))

    def apply(self, kernel: Kernel) -> None:
        """ADD; what is there already goes first."""
        answered = kernel.files(self.node.name).info(self.path) is not None
        if answered or isinstance(self._observe_without_answer(kernel), Present):
            self.revert(kernel)
        plugin = f"{BIN_FOLDER}/{SOURCE.rpartition('/')[2]}"
        done = kernel.programs(self.node.place).run(*self._asking("ADD", plugin, {}))
        if done.code != 0:
            raise KernelRefused(
                f"the plug-in did not give {self.guest.name} a network: {_said(done)}", "labctl cni show"
            )
        kernel.files(self.node.name).write(self.path, done.out)

    def revert(self, kernel: Kernel) -> None:
        """DEL, which is a success where there is nothing; then forget the answer."""
        info = kernel.files(self.node.name).info(self.path)
        if info and self._find_foreign(info):
            return
        done = kernel.programs(self.node.place).run(*self._asking("DEL", SOURCE, {}))
        if done.code != 0:
            raise KernelRefused(f"the plug-in could not take the network of {self.guest.name} away: {_said(done)}")
        self._forget_neighbour(kernel)
        kernel.files(self.node.name).remove(self.path)

    def _forget_neighbour(self, kernel: Kernel) -> None:
        """Let the node's ARP table go of the container: the next one with its address has another MAC."""
        try:
            given = json.loads(kernel.files(self.node.name).read(self.path) or "")["ips"]
            addresses = [str(each["address"]).partition("/")[0] for each in given]
        except (ValueError, KeyError, TypeError, KernelRefused):
            return  # it was not answered, or not kept: whoever asks too soon has to wait
        for address in addresses:
            kernel.net(self.node.place).forget_neighbour(address)

    def _asking(self, command: str, plugin: str, beside: dict[str, Any]) -> tuple[tuple[str, ...], str]:
        """How the plug-in is called, with the network's own configuration: what a learner wrote shows as its drift."""
        wanted = self._configuration.wanted
        one = {"cniVersion": wanted["cniVersion"], "name": wanted["name"], **wanted["plugins"][0], **beside}
        return ("env", *self._variables(command), plugin), json.dumps(one)

    def _variables(self, command: str) -> tuple[str, ...]:
        told = {
            "CNI_COMMAND": command,
            "CNI_CONTAINERID": self.guest.name,
            "CNI_NETNS": Guest(self.guest).path,
            "CNI_IFNAME": INTERFACE,
            "CNI_PATH": BIN_FOLDER,
        }
        return tuple(f"{name}={value}" for name, value in told.items())

    def shell(self, dialect: Dialect) -> Shell:
        """Be the runtime: take the plug-in's part of the list, tell it the rest by its environment, keep the answer."""
        del dialect  # both say it alike
        name = self.guest.name
        read = Capture(
            "CONFIGURATION",
            Run(("jq", "-c", _PLUGIN_OF_LIST, self._configuration.path)),
            f"{name}: the runtime reads the list, and takes the plug-in's part of it",
        )
        say = Run(("printf", "%s", Var("CONFIGURATION")))
        plugin = f"{BIN_FOLDER}/{SOURCE.rpartition('/')[2]}"
        ask = {
            command: Pipe((say, Run(("sudo", "env", *self._variables(command), plugin)))) for command in ("ADD", "DEL")
        }
        keep = Pipe((Run(("printf", r"%s\n", Var("RESULT"))), Run(("sudo", "tee", self.path))))
        return Shell(
            do=(
                read,
                Capture("RESULT", ask["ADD"], "ADD: the plug-in hears the rest from its environment"),
                Redirect(keep, "/dev/null", comment="keep what it answered: CHECK will ask for it"),
            ),
            undo=(
                read,
                Pipe(ask["DEL"].stages, comment="DEL takes cable and address back"),
                Run(
                    ("sudo", "ip", "neigh", "flush", "dev", self.lab.bridge),
                    "let ARP forget it: the next one with its address has another MAC",
                ),
                Run(("sudo", "rm", "-f", self.path), f"forget the answer for {name}"),
            ),
            look=(Run(("sudo", "ip", "netns", "exec", name, "ip", "addr")),),
        )


def _said(done: Completed) -> str:
    """What the plug-in says went wrong."""
    try:
        answer = json.loads(done.out)
        return str(answer["msg"])
    except (ValueError, KeyError, TypeError):
        return (done.err.strip() or done.out.strip() or f"exit code {done.code}").splitlines()[-1]
