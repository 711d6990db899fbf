"""libcni, the Go library that runtimes are built on, calls the plug-in: a small program made of Debian's sources."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.lab_under_test import ROOT
from tests.runtimes import plugin
from tests.runtimes.world import converse, needs, ping, runtime_lab, what_stands

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labctl.model.lab import Container
    from labctl.model.values import Completed
    from tests.lab_under_test import LabUnderTest

_GOPATH = Path("/usr/share/gocode")
_no_sources = not (_GOPATH / "src/github.com/containernetworking/cni/libcni").is_dir()
pytestmark = [
    pytest.mark.machine,
    pytest.mark.root,
    needs("go"),
    pytest.mark.skipif(_no_sources, reason="not installed: golang-github-appc-cni-dev"),
]


@pytest.fixture(scope="module")
def libcni(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Libcni]:
    home = tmp_path_factory.mktemp("libcni") / "home"
    with runtime_lab(home) as lab:
        program = home / "shared/libcni"
        # Not as a module: there is no proxy to ask, the sources lie in Debian's own GOPATH. Without cgo: no compiler.
        environment = {"GO111MODULE": "off", "GOFLAGS": "", "CGO_ENABLED": "0", "GOPATH": str(_GOPATH)}
        done = subprocess.run(
            ("go", "build", "-o", str(program), "."),
            cwd=ROOT / "tests/runtimes/libcni",
            env={**os.environ, **environment, "GOCACHE": str(home.parent / "go-cache")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        yield Libcni(lab, f"/opt/labctl/shared/{program.name}")


@dataclass(frozen=True)
class Libcni:
    """The program, and the lab in which it is called."""

    lab: LabUnderTest
    program: str

    def netns(self, container: Container) -> str:
        return self.lab.kernel.namespace_path(container.place)

    def run(self, verb: str, container: Container, netns: str | None = None) -> Completed:
        """Call the plug-in for a container of the lab; `$$` in a path is the number of the shell that starts it."""
        # As a runtime that holds the namespace open: file descriptor 9 of its own.
        script = f'exec 9<"{self.netns(container)}"; "$@"'
        path = self.netns(container) if netns is None else netns
        words = (self.program, verb, f"id-of-{container.name}", path, plugin.NETWORK, plugin.CONF, plugin.BIN)
        quoted = 'set -- "${@//\\$\\$/$$}"; '
        place = self.lab.lab.place(container.node)
        return self.lab.kernel.programs(place).run(("bash", "-c", quoted + script, "bash", *words))

    def add(self, container: Container, netns: str | None = None) -> dict[str, Any]:
        done = self.run("add", container, netns)
        assert done.code == 0, done.err
        result: dict[str, Any] = json.loads(done.out)
        return result

    def delete(self, container: Container, netns: str | None = None) -> None:
        done = self.run("del", container, netns)
        assert done.code == 0, done.err


def _address(result: dict[str, Any]) -> str:
    return str(result["ips"][0]["address"]).partition("/")[0]


def test_libcni_adds_checks_and_deletes_on_two_nodes(libcni: Libcni) -> None:
    lab = libcni.lab
    first, second = (node.containers[0] for node in lab.lab.nodes)
    for container in (first, second):
        # What the first container of a node makes and the last one does not take away.
        libcni.add(container)
        libcni.delete(container)
    before = what_stands(lab)
    results = {container: libcni.add(container) for container in (first, second)}
    addresses = {container: _address(result) for container, result in results.items()}
    assert [result["cniVersion"] for result in results.values()] == ["1.0.0", "1.0.0"]
    for here, there in ((first, second), (second, first)):
        assert ping(lab, here.node, libcni.netns(here), addresses[there])
        said = converse(lab, libcni.netns(here), libcni.netns(there), addresses[there])
        # Whom the other one saw is the matter of the plug-in: the NAT of the notes puts the node in place of the pod.
        assert said.endswith(" hello")
        done = libcni.run("check", here)
        assert done.code == 0, done.err
    for container in (first, second):
        libcni.delete(container)
        # A runtime that is not sure does it again, and may know of no namespace any more.
        libcni.delete(container)
        libcni.delete(container, "")
    assert what_stands(lab) == before


def test_libcni_check_tells_what_is_gone(libcni: Libcni) -> None:
    container = libcni.lab.lab.nodes[0].containers[0]
    libcni.add(container)
    libcni.lab.type(str(container.place), "ip address flush dev eth0")
    done = libcni.run("check", container)
    assert done.code == 1
    assert done.err
    libcni.delete(container)


def test_libcni_with_a_namespace_that_is_a_file_descriptor(libcni: Libcni) -> None:
    lab = libcni.lab
    container = lab.lab.nodes[0].containers[0]
    libcni.add(container, "/proc/$$/fd/9")
    assert ping(lab, container.node, libcni.netns(container), str(lab.lab.internet))
    libcni.delete(container, "/proc/$$/fd/9")
    assert [link.name for link in lab.kernel.net(container.place).links()] == ["lo"]
