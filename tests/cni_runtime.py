"""A runtime for a test: calls plug-ins on a node as the specification says, with nothing else in their environment."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from labctl.model.values import Completed
    from tests.lab_under_test import LabUnderTest

LABNET = "/opt/labctl/bin/labnet"
DEBIAN = "/usr/lib/cni"
# Where all is to be installed (CI), a skip is a fault.
needs_reference = pytest.mark.skipif(
    not Path(DEBIAN, "bridge").exists(), reason="the package containernetworking-plugins is not installed"
)
RANGE = {"subnet": "10.244.0.0/24"}
RANGE_6 = {"subnet": "fd00:10:244::/64"}
STORE = "/var/lib/cni/networks/net"


def network(*ranges: dict[str, str], version: str = "1.0.0", **more: Any) -> dict[str, Any]:  # noqa: ANN401 (whatever a configuration may hold)
    """A configuration of labnet; of one IPv4 range if not said otherwise."""
    ipam = {"ranges": [[each] for each in ranges or (RANGE,)]}
    return {"cniVersion": version, "name": "net", "type": "labnet", "ipam": ipam, **more}


@dataclass(frozen=True)
class Answer:
    """What a plug-in said; `said` is its JSON, None if it printed nothing."""

    code: int
    said: Any
    err: str

    @property
    def addresses(self) -> list[str]:
        assert self.code == 0, self
        return [each["address"] for each in self.said["ips"]]


class Runtime:
    """Calls plug-ins on a node. Containers are the lab's, which nothing has plugged in yet."""

    def __init__(self, lab: LabUnderTest, node: str = "master") -> None:
        self.lab, self.node = lab, node

    def netns(self, container: str) -> str:
        return self.lab.kernel.namespace_path(self.lab.lab.place(f"{self.node}/{container}"))

    def run(self, *argv: str, text: str = "") -> Completed:
        """A program on the node."""
        done = self.lab.kernel.programs(self.lab.lab.place(self.node)).run(argv, text)
        self.lab.survey.refresh()
        return done

    def type(self, script: str) -> str:
        """Lines that must succeed on the node."""
        done = self.lab.type(self.node, script)
        assert done.code == 0, done
        return done.out

    def variables(self, command: str, container: str, interface: str = "eth0") -> dict[str, str]:
        return {
            "CNI_COMMAND": command,
            "CNI_CONTAINERID": container,
            "CNI_IFNAME": interface,
            "CNI_NETNS": f"/var/run/netns/{container}",
            "CNI_PATH": f"/opt/labctl/bin:{DEBIAN}",
        }

    def ask(self, variables: dict[str, str], text: str, plugin: str = LABNET) -> Answer:
        """Call a plug-in with just these variables."""
        done = self.run("env", "-i", *(f"{name}={value}" for name, value in variables.items()), plugin, text=text)
        assert "Traceback" not in done.err, done.err
        return Answer(done.code, json.loads(done.out) if done.out.strip() else None, done.err)

    def call(
        self,
        command: str,
        container: str = "a",
        configuration: dict[str, Any] | None = None,
        *,
        interface: str = "eth0",
        plugin: str = LABNET,
        **variables: str,
    ) -> Answer:
        """Call a plug-in for a container."""
        known = {} if "CNI_NETNS" in variables else {"CNI_NETNS": self.netns(container)}
        environment = self.variables(command, container, interface) | known | variables
        return self.ask(environment, json.dumps(configuration or network()), plugin)

    def add(self, container: str = "a", configuration: dict[str, Any] | None = None, **more: str) -> Answer:
        """ADD, which must succeed."""
        answer = self.call("ADD", container, configuration, **more)
        assert answer.code == 0, answer
        return answer

    def state(self) -> str:
        """The snapshot without folders: the store's, which is its lock too, and that of `ip netns` stay."""
        snapshot = json.loads(self.lab.snapshot())
        for node in snapshot["nodes"].values():
            node["files"] = {path: held for path, held in node["files"].items() if not path.endswith("/")}
        return json.dumps(snapshot, indent=1)

    def pings(self, container: str, address: str) -> bool:
        place = self.lab.lab.place(f"{self.node}/{container}")
        return self.lab.kernel.programs(place).run(("ping", "-c1", "-W2", address)).code == 0
