"""Runs on a node of a lab, and calls plug-ins there as a runtime would: nothing but their own time is measured.

Standard input says what; standard output is what came of it. Imports nothing of labctl: it is not visible there.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Failed(Exception):
    """A plug-in did not succeed."""


class Chain:
    """A list of plug-ins, called one after the other, each with what the one before it answered."""

    def __init__(self, name: str, folder: str, plugins: Sequence[dict[str, Any]]) -> None:
        self.name, self.folder, self.plugins = name, folder, plugins

    def do(self, command: str, container: str, result: dict[str, Any] | None) -> dict[str, Any] | None:
        """ADD goes from the first to the last and gives the result, DEL the other way."""
        for each in reversed(self.plugins) if command == "DEL" else self.plugins:
            told = {"cniVersion": "1.0.0", "name": self.name, **each, **({"prevResult": result} if result else {})}
            said = self._call(command, container, each["type"], told)
            result = said if command == "ADD" else result
        return result

    def _call(self, command: str, container: str, plugin: str, told: dict[str, Any]) -> dict[str, Any]:
        environment = {
            "PATH": _PATH,
            "CNI_COMMAND": command,
            "CNI_CONTAINERID": container,
            "CNI_NETNS": f"/var/run/netns/{container}",
            "CNI_IFNAME": "eth0",
            "CNI_PATH": self.folder,
        }
        done = subprocess.run(
            [f"{self.folder}/{plugin}"], input=json.dumps(told).encode(), env=environment, stdout=-1, check=False
        )
        if done.returncode:
            raise Failed(f"{plugin} {command}: {done.stdout.decode()}")
        return json.loads(done.stdout) if done.stdout.strip() else {}


def timed(chain: Chain, command: str, container: str, result: dict[str, Any] | None) -> tuple[float, Any]:
    began = time.perf_counter()
    said = chain.do(command, container, result)
    return time.perf_counter() - began, said


def one_by_one(chains: Sequence[Chain], runs: int) -> dict[str, dict[str, list[float]]]:
    """ADD, CHECK and DEL of one container, the chains in turn."""
    times: dict[str, dict[str, list[float]]] = {each.name: {"ADD": [], "CHECK": [], "DEL": []} for each in chains}
    for _ in range(runs + 1):
        for chain in chains:
            with namespaces(1) as (container,):
                result = None
                for command in ("ADD", "CHECK", "DEL"):
                    took, said = timed(chain, command, container, result)
                    result = said if command == "ADD" else result
                    times[chain.name][command].append(took)
    return {name: {command: taken[1:] for command, taken in each.items()} for name, each in times.items()}


def at_once(chains: Sequence[Chain], runs: int, many: int, *, apart: bool) -> dict[str, dict[str, Any]]:
    """Many ADDs side by side, the chains in turn: how long until all have ended, how many failed or got another's."""
    found: dict[str, dict[str, Any]] = {each.name: {"times": [], "failed": 0, "twice": 0} for each in chains}
    for run in range(runs + 1):
        for chain in chains:
            with namespaces(many) as containers:
                began = time.perf_counter()
                answers = [read.result for read in [Child(chain, each, apart=apart) for each in containers]]
                took = time.perf_counter() - began
                given = [each["ips"][0]["address"] for each in answers if each]
                found[chain.name]["failed"] += many - len(given)
                found[chain.name]["twice"] += len(given) - len(set(given))
                found[chain.name]["times"] += [took] if run else []
                for container, answer in zip(containers, answers, strict=True):
                    chain.do("DEL", container, answer)
    return found


class Child:
    """A process that does an ADD: in its caller's session, as containerd has it, or `apart`, in one of its own.

    Linux shares a busy machine out among sessions (sched_autogroup): in one, twenty calls share what one other program
    gets. Both ways are measured.
    """

    def __init__(self, chain: Chain, container: str, *, apart: bool) -> None:
        self._read, write = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            try:
                if apart:
                    os.setsid()
                os.write(write, json.dumps(chain.do("ADD", container, None)).encode())
            finally:
                os._exit(0)
        os.close(write)

    @property
    def result(self) -> dict[str, Any] | None:
        """What ADD answered; None if it failed."""
        with os.fdopen(self._read, "rb") as file:
            data = file.read()
        os.waitpid(self._pid, 0)
        return json.loads(data) if data else None


def fill(chain: Chain, many: int) -> None:
    """Attach containers that stay."""
    for container in make(f"stays{number}" for number in range(many)):
        chain.do("ADD", container, None)


def once(chain: Chain) -> float:
    """The time of one ADD; it goes again."""
    with namespaces(1) as (container,):
        took, said = timed(chain, "ADD", container, None)
        chain.do("DEL", container, said)
    return took


def make(names: Iterable[str]) -> list[str]:
    """Containers without a process: names of namespaces."""
    made = list(names)
    lines = "".join(f"netns add {each}\n" for each in made)
    subprocess.run(["/usr/sbin/ip", "-batch", "-"], input=lines.encode(), check=True)
    return made


@contextlib.contextmanager
def namespaces(many: int) -> Any:  # noqa: ANN401 (an iterator of lists of names)
    """Containers that go when the block ends."""
    names = make(f"t{number}" for number in range(many))
    try:
        yield names
    finally:
        lines = "".join(f"netns del {each}\n" for each in names)
        subprocess.run(["/usr/sbin/ip", "-batch", "-"], input=lines.encode(), check=True)


def main() -> Any:  # noqa: ANN401 (what was asked for)
    asked = json.load(sys.stdin)
    chains, runs = [Chain(*each) for each in asked["chains"]], asked["runs"]
    match asked["do"]:
        case "one by one":
            return one_by_one(chains, runs)
        case "at once":
            return at_once(chains, runs, asked["many"], apart=False)
        case "at once, apart":
            return at_once(chains, runs, asked["many"], apart=True)
        case "fill":
            return fill(chains[0], asked["many"])
    return once(chains[0])


if __name__ == "__main__":
    json.dump(main(), sys.stdout)
