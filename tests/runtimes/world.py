"""The world that real container runtimes run in: privileged, two nodes, routes between them, the plug-in on both."""

from __future__ import annotations

import json
import os
import select
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

import pytest

from labctl.engine.snapshot import take
from labctl.kernel.process import find_tool
from labctl.model.values import CloudRoute
from tests.lab_under_test import LabUnderTest
from tests.runtimes import plugin
from tests.world_probes import PYTHON, members_of, namespaces_of, root_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from labctl.model.lab import Node

_SECONDS = 30.0

_CONVERSE = """
import ctypes, os, socket, sys
def enter(path):
    with open(path) as file:
        if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), 0x40000000):
            sys.exit(os.strerror(ctypes.get_errno()))
caller, called, address = sys.argv[1:]
enter(called)
server = socket.create_server(("", 0))
server.settimeout(5)
enter(caller)
client = socket.create_connection((address, server.getsockname()[1]), timeout=5)
accepted, peer = server.accept()
accepted.sendall(b"hello")
print(peer[0], client.recv(5).decode())
"""


def needs(*programs: str) -> pytest.MarkDecorator:
    """Skip where a program is not installed. Where all are to be (CI), a skip is a fault."""
    missing = [name for name in programs if find_tool(name) is None] + plugin.missing()
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


@contextmanager
def runtime_lab(home: Path, install: Callable[[LabUnderTest, Node], None] = plugin.install) -> Iterator[LabUnderTest]:
    """Make the world, put a plug-in on its nodes, and take it away again."""
    with LabUnderTest(home, kind="privileged") as lab:
        for node in lab.lab.nodes:
            install(lab, node)
            route = CloudRoute(f"pods-{node.name}", lab.lab.network, str(node.pod_range), str(node.address))
            lab.kernel.cloud.create(route)
        yield lab


def ping(lab: LabUnderTest, node: str, netns: str, address: str) -> bool:
    """Tell whether an address answers a network namespace on a node."""
    argv = ("nsenter", f"--net={netns}", "ping", "-c", "1", "-W", "5", address)
    return lab.kernel.programs(lab.lab.place(node)).run(argv).code == 0


def converse(lab: LabUnderTest, caller: str, called: str, address: str) -> str:
    """Have one network namespace (`/proc/PID/ns/net`) speak TCP to another at an address; give what was heard."""
    place = lab.lab.nodes[0].place
    done = lab.kernel.programs(place).run((PYTHON, "-I", "-c", _CONVERSE, caller, called, address))
    return done.out.strip() if done.code == 0 else done.err


def what_stands(lab: LabUnderTest) -> dict[str, Any]:
    """The snapshot, and beside it what a runtime leaves behind if it leaves anything: control groups and mounts."""
    snapshot = take(lab.kernel, lab.lab)
    for node in snapshot["nodes"].values():
        node["files"] = {path: text for path, text in node["files"].items() if not path.endswith(plugin.RESTLESS)}
    looks = "find /sys/fs/cgroup -mindepth 1 -type d | sort; cut -d' ' -f5 /proc/self/mountinfo | sort"
    return {
        "snapshot": json.loads(json.dumps(snapshot)),
        "nodes": {node.name: lab.type(node.name, looks).out.splitlines() for node in lab.lab.nodes},
    }


def processes(lab: LabUnderTest, *names: str) -> dict[int, str]:
    """The processes of the world whose command line begins with one of these programs, by their number out here."""
    members = members_of(namespaces_of(root_of(lab.home))["pid"])
    return {pid: line for pid, line in members.items() if line.split(" ")[0].rpartition("/")[2] in names}


class Leaving:
    """Processes that are to end: noted while they live, waited for later. Shims go a moment after the last answer."""

    def __init__(self) -> None:
        self._held: list[int] = []

    def __enter__(self) -> Self:
        return self

    def note(self, pids: Iterable[int]) -> None:
        """Note processes that live now."""
        self._held += [os.pidfd_open(pid) for pid in pids]

    def __exit__(self, kind: object, *_: object) -> None:
        """Wait until they have ended; not if the block has failed."""
        for fd in self._held:
            assert kind or select.select([fd], [], [], _SECONDS)[0], "a process was left over"
            os.close(fd)
