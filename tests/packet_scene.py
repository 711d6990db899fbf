"""A small network of real namespaces, for the tests of packets and of the internet host.

Each test has a machine of its own: a process below `unshare`, of this very file, that makes namespaces and does what
it is told over a pipe. Nothing outside it changes, and its end takes everything away. The scene::

    a 10.0.0.2 ──┐
    b 10.0.0.3 ──┼── bridge 10.0.0.1   host   10.1.0.1 ──── far 10.1.0.2
                                       203.0.113.10 on lo: the control
"""

from __future__ import annotations

import ctypes
import itertools
import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from labctl.errors import KernelRefused, LabError
from labctl.kernel import internet, neighbours
from labctl.kernel.packets import SidePackets
from labctl.model import Place
from labctl.model.value import as_dict
from labctl.model.values import EchoResult

if TYPE_CHECKING:
    from collections.abc import Iterator

YES = EchoResult(answered=True)
CONTROL = "203.0.113.10"
UNSHARE = ("unshare", "-Urnmpf", "--mount-proc", "--kill-child")
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
SCENE = """
ip link set lo up
ip netns add a
ip netns add b
ip netns add host
ip netns add far
ip -n host link set lo up
ip -n host addr add 203.0.113.10/32 dev lo
ip -n host link add bridge type bridge
ip -n host addr add 10.0.0.1/24 dev bridge
ip -n host link set bridge up
ip -n host link add va type veth peer name eth0 netns a
ip -n host link set va master bridge up
ip -n host link add vb type veth peer name eth0 netns b
ip -n host link set vb master bridge up
ip -n host link add vfar type veth peer name eth0 netns far
ip -n host addr add 10.1.0.1/24 dev vfar
ip -n host link set vfar up
ip -n a addr add 10.0.0.2/24 dev eth0
ip -n a link set eth0 up
ip -n a route add default via 10.0.0.1
ip -n b addr add 10.0.0.3/24 dev eth0
ip -n b link set eth0 up
ip -n far addr add 10.1.0.2/24 dev eth0
ip -n far link set eth0 up
ip -n far route add default via 10.1.0.1
"""


# ---- inside: what the process below `unshare` does ----------------------------------------------------------------


@contextmanager
def enter(place: Place) -> Iterator[None]:
    """Be in the network namespace that `ip netns` knows by the place's name; a stand-in for the kernel's own."""
    if not Path(f"/run/netns/{place}").exists():
        raise KernelRefused(f"{place} is gone")
    setns = ctypes.CDLL(None, use_errno=True).setns
    with Path("/proc/self/ns/net").open() as home, Path(f"/run/netns/{place}").open() as there:
        assert setns(there.fileno(), 0) == 0
        try:
            yield
        finally:
            assert setns(home.fileno(), 0) == 0


@dataclass
class Inside:
    """The orders that `Scene` can give; each takes and returns what JSON can carry."""

    control: str = CONTROL
    through: tuple[str, ...] = ()
    overflows: bool = False
    standing: list[subprocess.Popen[str]] = field(default_factory=list)

    def packets(self) -> SidePackets:
        """Build what is tested. A full ARP table is faked: filling it would disturb the whole machine."""
        if self.overflows:
            neighbours.count_overflows = itertools.count().__next__
        return SidePackets(enter, (Place("host"), self.control), [Place(name) for name in self.through])

    def run(self, place: str, *argv: str) -> tuple[int, str, str]:
        """Run a program to its end; its code, output and errors."""
        with enter(Place(place)):
            done = subprocess.run(argv, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    def start(self, place: str, *argv: str) -> str:
        """Start a program that stays; wait for the line that it says on the descriptor that `{fd}` stands for."""
        ours, theirs = os.pipe()
        with enter(Place(place)), os.fdopen(ours) as said:
            command = [word.format(fd=theirs) for word in argv]
            self.standing.append(subprocess.Popen(command, pass_fds=[theirs], text=True))
            os.close(theirs)
            return said.readline()

    def expect(self, **settings: object) -> None:
        """Choose the control, the places on the way, or that the ARP table overflows."""
        vars(self).update(settings)

    def ping(self, *asks: tuple[str, str]) -> list[tuple[Any, ...]]:
        """Ping."""
        results = self.packets().ping([(Place(place), address) for place, address in asks])
        return [tuple(as_dict(result).values()) for result in results]

    def converse(self, *asks: tuple[str, str, int]) -> list[str]:
        """Open TCP connections; an error as its text, marked."""
        lines = self.packets().converse_all([(Place(place), address, port) for place, address, port in asks])
        return [f"refused: {line}" if isinstance(line, LabError) else line for line in lines]

    def converse_once(self, place: str, address: str, port: int) -> str:
        """Open one TCP connection."""
        return self.packets().converse(Place(place), address, port)

    def descriptors(self) -> int:
        """Count the open descriptors of this process."""
        return len(list(Path("/proc/self/fd").iterdir()))

    def memory(self) -> int:
        """How much the last program that stays takes, in kB (PSS)."""
        rollup = Path(f"/proc/{self.standing[-1].pid}/smaps_rollup").read_text()
        return int(rollup.partition("\nPss:")[2].split()[0])


def obey(orders: IO[str], answers: IO[str]) -> None:
    """Make the scene, then do as told, line by line."""
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
    for line in SCENE.split("\n"):
        if line:
            subprocess.run(line.split(), check=True)
    Path("/proc/sys/net/ipv4/ip_forward").write_text("0")
    inside = Inside()
    print("ready", file=answers, flush=True)
    for order in orders:
        name, arguments, settings = json.loads(order)
        try:
            answer = [True, getattr(inside, name)(*arguments, **settings)]
        except KernelRefused as error:
            answer = [False, str(error)]
        print(json.dumps(answer), file=answers, flush=True)


# ---- outside: what the tests hold ---------------------------------------------------------------------------------


class Scene:
    """The machine of one test, from outside."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        """Wait until it stands."""
        assert process.stdin
        assert process.stdout
        self.orders, self.answers = process.stdin, process.stdout
        assert self.answers.readline() == "ready\n"

    def order(self, name: str, *arguments: object, **settings: object) -> Any:  # noqa: ANN401 - whatever JSON carries
        """Have `Inside` do something."""
        print(json.dumps([name, arguments, settings]), file=self.orders, flush=True)
        went_well, answer = json.loads(self.answers.readline())
        if not went_well:
            raise KernelRefused(answer)
        return answer

    def run(self, place: str, command: str) -> str:
        """Run a command line at a place; it must succeed."""
        code, out, err = self.order("run", place, *command.split())
        assert code == 0, f"{command}: {err}"
        return str(out)

    def ping(self, *asks: tuple[str, str]) -> list[EchoResult]:
        """Ping from places to addresses."""
        return [EchoResult(*result) for result in self.order("ping", *asks)]

    def serve(self, place: str, address: str) -> None:
        """Start the internet host's server."""
        argv = (sys.executable, "-I", "-S", str(internet.__file__), address, "{fd}")
        assert self.order("start", place, *argv) == "ready\n"


@contextmanager
def set_up_scene() -> Iterator[Scene]:
    """Set up the machine that the module's docstring draws."""
    missing = [tool for tool in ("unshare", "ip", "iptables", "mount") if not shutil.which(tool, path=PATH)]
    assert not missing, f"install {missing}"
    environment = {**os.environ, "PATH": PATH, "PYTHONPATH": str(Path(internet.__file__).parents[2])}
    command = (*UNSHARE, sys.executable, __file__)
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True, env=environment) as process:
        yield Scene(process)
        process.kill()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        obey(sys.stdin, sys.stdout)
