"""The answer to the runtime: the result of a CNI ADD, as a file, built from what the kernel holds.

Shape: CNI specification 1.1.0, section 5 "Result Types", "ADD Success".
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from labctl.errors import KernelRefused
from labctl.model.lab import Place
from labctl.model.resource import Absent, Foreign, Present, Seen
from labctl.model.shell import Capture, Pipe, Redirect, Run, Shell, Var
from labctl.model.store import RESULTS_FOLDER
from labctl.model.value import Value
from labctl.resources.cni_schema import schema_fault
from labctl.resources.links import INTERFACE, find_host_end, find_link

if TYPE_CHECKING:
    from collections.abc import Iterable

    from labctl.model.lab import Container, Lab, Node
    from labctl.model.ports import Kernel
    from labctl.model.shell import Dialect, Word

_VERSION = "1.1.0"
_JQ = """\
{
  cniVersion: $version,
  interfaces: [
    ($bridge[0] | {name: .ifname, mac: .address}),
    ($cable[0] | {name: .ifname, mac: .address}),
    ($eth0[0] | {name: .ifname, mac: .address, sandbox: $sandbox})
  ],
  ips: [
    $eth0[0].addr_info[] | select(.family == "inet")
    | {address: "\\(.local)/\\(.prefixlen)",
       gateway: $route[0].gateway, interface: 2}
  ],
  routes: [{dst: "0.0.0.0/0", gw: $route[0].gateway}],
  dns: {}
}"""


class CniResult(Value):
    """What a plug-in would print for a container, kept where libcni keeps results."""

    lab: Lab
    node: Node
    container: Container

    @property
    def key(self) -> str:
        """`cni_result:master/a`."""
        return f"cni_result:{self.container.place}"

    @property
    def path(self) -> str:
        """Where it is: NETWORK-CONTAINER-INTERFACE, as libcni calls its own."""
        return f"{RESULTS_FOLDER}/{self.lab.network}-{self.container.name}-{INTERFACE}"

    def observe(self, kernel: Kernel) -> Seen:
        """Hold the file against the specification, then against the kernel."""
        files = kernel.files(self.node.name)
        info = files.info(self.path)
        if info is None:
            return Absent(f"{self.node.name} has no {self.path}")
        if info.kind != "file":
            return Foreign(f"{self.path} on {self.node.name} is a {info.kind}, not a file")
        try:
            result = json.loads(files.read(self.path) or "")
        except ValueError as error:
            return Present((f"{self.path} is not JSON: {error}",))
        if fault := schema_fault(result):
            return Present((f"{self.path} is not an ADD result: {fault}",))
        return Present(self._faults(kernel, result))

    def _faults(self, kernel: Kernel, result: dict[str, Any]) -> tuple[str, ...]:
        """Where the result and the kernel differ."""
        name = self.container.name
        ends = [each for each in result["interfaces"] if each.get("sandbox")]
        if not ends:
            return (f"the result of {name} names no interface with a sandbox; expected {INTERFACE}",)
        end = ends[0]
        faults = []
        if not kernel.files(self.node.name).same_namespace(end["sandbox"], self.container.place):
            faults.append(
                f"the result of {name} has the sandbox {end['sandbox']}; "
                f"expected {kernel.namespace_path(self.container.place)}"
            )
        link = find_link(kernel, self.container.place, end["name"])
        mac = link.mac if link else "none"
        if str(end.get("mac", "")).lower() != mac:
            faults.append(f"the result of {name} has the mac {end.get('mac', 'none')}; expected {mac}")
        held = [each.cidr for each in kernel.net(self.container.place).addresses() if each.device == end["name"]]
        said = [each["address"] for each in result["ips"]]
        if said != held:
            faults.append(f"the result of {name} has the address {_list(said)}; expected {_list(held)}")
        gateways = {each.get("gateway") for each in result["ips"]}
        routes = {each.via for each in kernel.net(self.container.place).routes() if each.destination == "default"}
        if gateways != routes:
            faults.append(f"the result of {name} has the gateway {_list(gateways)}; expected {_list(routes)}")
        return (*faults, *self._faults_on_node(kernel, result))

    def _faults_on_node(self, kernel: Kernel, result: dict[str, Any]) -> tuple[str, ...]:
        """The interfaces outside the container. A bridge's MAC may change with its ports, so only cables' are held."""
        faults = []
        for each in result["interfaces"]:
            if each.get("sandbox"):
                continue
            link = find_link(kernel, Place(self.node.name), each["name"])
            found = f"the result of {self.container.name} has {each['name']} with the mac {each.get('mac', 'none')}"
            if link is None:
                faults.append(f"{found}; expected an interface that {self.node.name} has")
            elif link.kind == "veth" and str(each.get("mac", "")).lower() != link.mac:
                faults.append(f"{found}; expected {link.mac}")
        return tuple(faults)

    def apply(self, kernel: Kernel) -> None:
        """Write it from what the kernel holds now."""
        kernel.files(self.node.name).write(self.path, json.dumps(self._build(kernel), indent=2) + "\n")

    def _build(self, kernel: Kernel) -> dict[str, Any]:
        place = self.container.place
        end = find_link(kernel, place, INTERFACE)
        host_end = find_host_end(kernel, self.container, end) if end else None
        bridge = find_link(kernel, Place(self.node.name), self.lab.bridge)
        if end is None or host_end is None or bridge is None:
            raise KernelRefused(
                f"{self.container.name} has no cable to {self.lab.bridge} to tell of", "labctl step 3 --verify"
            )
        gateway = next((each.via for each in kernel.net(place).routes() if each.destination == "default"), "")
        return {
            "cniVersion": _VERSION,
            "interfaces": [
                {"name": bridge.name, "mac": bridge.mac},
                {"name": host_end.name, "mac": host_end.mac},
                {"name": end.name, "mac": end.mac, "sandbox": kernel.namespace_path(place)},
            ],
            "ips": [
                {"address": each.cidr, "gateway": gateway, "interface": 2}
                for each in kernel.net(place).addresses()
                if each.device == INTERFACE
            ],
            "routes": [{"dst": "0.0.0.0/0", "gw": gateway}],
            "dns": {},
        }

    def revert(self, kernel: Kernel) -> None:
        """Remove the file."""
        if not isinstance(self.observe(kernel), Foreign):
            kernel.files(self.node.name).remove(self.path)

    def shell(self, dialect: Dialect) -> Shell:
        """`ip -j` and `jq`."""
        del dialect  # both say it alike
        name, cable = self.container.name, f"veth{self.container.name}"
        path: Word = (f"{RESULTS_FOLDER}/{self.lab.network}-", Var("CNI_CONTAINERID"), f"-{INTERFACE}")
        inside = ("sudo", "ip", "netns", "exec", Var("CNI_CONTAINERID"), "ip", "-j")
        arguments: tuple[Word, ...] = (
            "--arg", "version", _VERSION,
            "--arg", "sandbox", Var("CNI_NETNS"),
            "--argjson", "bridge", Var("BRIDGE"),
            "--argjson", "cable", Var("CABLE"),
            "--argjson", "eth0", Var("ETH0"),
            "--argjson", "route", Var("ROUTE"),
        )  # fmt: skip  # a name and its value a line
        write = Pipe((Run(("jq", "-n", *arguments, _JQ)), Run(("sudo", "tee", path))))
        return Shell(
            do=(
                Capture(
                    "BRIDGE",
                    Run(("ip", "-j", "link", "show", "dev", self.lab.bridge)),
                    f"{name}: what the kernel holds, as JSON",
                ),
                Capture("CABLE", Run(("ip", "-j", "link", "show", "dev", cable))),
                Capture("ETH0", Run((*inside, "addr", "show", "dev", INTERFACE))),
                Capture("ROUTE", Run((*inside, "route", "show", "default"))),
                Redirect(write, "/dev/null", comment="the answer: interfaces, addresses, routes"),
            ),
            undo=(Run(("sudo", "rm", "-f", path), f"forget the answer for {name}"),),
            look=(Run(("jq", ".", path)),),
        )


def _list(items: Iterable[object]) -> str:
    return ", ".join(sorted(str(item) for item in items if item)) or "none"
