"""A program that listens on a port of a node or container for as long as its step stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labctl.errors import KernelRefused
from labctl.model.lab import NETNS_FOLDER
from labctl.model.program import program_words
from labctl.model.resource import Absent, Foreign, Present, Seen, Unknown
from labctl.model.shell import Capture, Daemon, Pipe, Run, Shell, Var
from labctl.model.value import Value

if TYPE_CHECKING:
    from labctl.model.lab import Place
    from labctl.model.ports import Kernel, ProgramStart
    from labctl.model.shell import Dialect, Word
    from labctl.model.values import Listener

_ANYWHERE = ("0.0.0.0", "::")  # noqa: S104 (what the kernel prints for a socket that is bound to no address)
_SECONDS = "20"


class Server(Value):
    """A program at a place, told by the port it listens on and by the words with which it was started.

    `address` is the one address that it may listen on; empty: all of the place's. `program` are the leading words that
    tell it from others where not all of `argv` matter; the first is compared without its folder. What is `needed` must
    stand somewhere in its words then, whatever option hands it over. `purpose` stands above the printed command.
    """

    place: Place
    name: str
    argv: tuple[str, ...]
    port: int
    protocol: str = "tcp"
    address: str = ""
    program: tuple[str, ...] = ()
    needed: tuple[str, ...] = ()
    purpose: str = ""

    @property
    def key(self) -> str:
        """`server:master/a/serve-hostname`."""
        return f"server:{self.place}/{self.name}"

    @property
    def at(self) -> str:
        """The node on which its commands are typed."""
        return self.place.node

    @property
    def starts(self) -> ProgramStart:
        """How it is started."""
        return self.place, self.argv, self.protocol, self.port

    def observe(self, kernel: Kernel) -> Seen:
        """Look who listens on the port, and whether it is this program."""
        try:
            found = self._listeners(kernel)
        except KernelRefused as refused:
            return Absent(refused.what) if self._place_is_absent(kernel) else Unknown(refused.what, refused.hint)
        if not found:
            return Absent(f"nobody listens on {self.protocol} port {self.port} of {self.place}")
        other = next((each for each in found if not self._is_ours(each)), None)
        if other is not None:
            return Foreign(f"{self.protocol} port {self.port} of {self.place} is taken by {_spell(other)}")
        return Present(tuple(drift for each in found if (drift := self._drift_of(each))))

    def apply(self, kernel: Kernel) -> None:
        """Start it; one that was started otherwise ends first."""
        if isinstance(self.observe(kernel), Present):
            self.revert(kernel)
        kernel.programs(self.place).start(self.argv, self.protocol, self.port)

    def revert(self, kernel: Kernel) -> None:
        """End it, whoever started it; another's program on the port is left alone."""
        if self._place_is_absent(kernel):
            return
        for each in {each.pid: each for each in self._listeners(kernel) if self._is_ours(each)}.values():
            kernel.programs(self.place).end(each)

    def _listeners(self, kernel: Kernel) -> tuple[Listener, ...]:
        here = (self.protocol, self.port)
        return tuple(each for each in kernel.net(self.place).listeners() if (each.protocol, each.port) == here)

    def _place_is_absent(self, kernel: Kernel) -> bool:
        """A container that the lab's own runtime makes may not have been made yet; all other places are there."""
        if not self.place.container:
            return False
        try:
            kernel.net(self.place).links()
        except KernelRefused:
            return kernel.files(self.place.node).info(f"{NETNS_FOLDER}/{self.place.container}") is None
        return False

    def _is_ours(self, listener: Listener) -> bool:
        words = program_words(listener.argv)
        wanted = program_words(self.program or self.argv[:1])
        return words[: len(wanted)] == wanted

    def _drift_of(self, listener: Listener) -> str:
        words, wanted = program_words(listener.argv), program_words(self.argv)
        if not self.program and words != wanted:
            return f"{self.name} on {self.place} runs `{' '.join(words)}`; expected `{' '.join(wanted)}`"
        lacking = next((each for each in self.needed if each not in " ".join(words)), "")
        if lacking:
            return f"{self.name} on {self.place} was started without {lacking}; expected it"
        addresses = (self.address,) if self.address else _ANYWHERE
        if listener.address not in addresses:
            where = self.address or "every address"
            return f"{self.name} on {self.place} listens on {listener.address}; expected {where}"
        return ""

    def shell(self, dialect: Dialect) -> Shell:
        """Start it in a session of its own, and wait for it; end it by what `ss` says of the port."""
        del dialect  # both say it alike
        enter: tuple[Word, ...] = ("sudo",)
        if self.place.container:
            enter = ("sudo", "ip", "netns", "exec", self.place.container)
        listing = f"-Hln{self.protocol[0]}p"
        sockets = (*enter, "ss", listing, f"sport = :{self.port}")
        shown = " ".join((*(str(word) for word in enter), "ss", listing, f"'sport = :{self.port}'"))
        wait = ("timeout", _SECONDS, "bash", "-c", f"until {shown} | grep -q .; do sleep 0.05; done")
        pid = Pipe((Run(sockets), Run(("sed", "-n", r"s/.*pid=\([0-9]*\),.*/\1/p")), Run(("head", "-n", "1"))))
        return Shell(
            do=(
                Daemon(Run((*enter, "setsid", "-f", *self.argv)), self.purpose or f"start {self.name}"),
                Run(wait, f"until it listens on {self.protocol} port {self.port}"),
            ),
            undo=(
                Capture("PID", pid, f"who listens on {self.protocol} port {self.port} of {self.place}"),
                Run(("sudo", "kill", Var("PID")), f"end {self.name}, and wait until it is gone"),
                Run(("timeout", _SECONDS, "tail", ("--pid=", Var("PID")), "-f", "/dev/null")),
            ),
            look=(Run(sockets, f"who listens on {self.protocol} port {self.port} of {self.place}"),),
        )


def _spell(listener: Listener) -> str:
    if not listener.pid:
        return "a process that cannot be seen from here"
    return f"`{' '.join(program_words(listener.argv))}` (pid {listener.pid})"
