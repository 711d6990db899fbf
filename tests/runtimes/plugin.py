"""Which CNI plug-in the runtimes call, and how a node gets it: here, and nowhere else in these tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labctl.model.lab import Lab, Node
    from tests.lab_under_test import LabUnderTest

BIN = "/opt/cni/bin"
CONF = "/etc/cni/net.d"
NETWORK = "k8s"
# Files that remember, and do not come back to what they held: host-local's idea of where to go on.
RESTLESS = ("last_reserved_ip.0",)

_REFERENCE = "/usr/lib/cni"


def missing() -> list[str]:
    """Name what must be installed for it and is not."""
    return [] if Path(_REFERENCE, "bridge").exists() else ["containernetworking-plugins"]


def install(lab: LabUnderTest, node: Node) -> None:
    """Put `labnet` on a node, as a person would. `loopback` lies beside it: containerd wants it there."""
    lab.kernel.files(node.name).make_folder(BIN)
    lab.kernel.files(node.name).link(f"{BIN}/loopback", f"{_REFERENCE}/loopback")
    said = lab.labctl("cni", "install", "--node", node.name)
    assert said.code == 0, said.err


def install_reference(lab: LabUnderTest, node: Node, *, whole: bool = False) -> None:
    """Put Debian's `bridge` with `host-local` on a node; `loopback` lies beside them: containerd wants it there.

    What they leave to others (the FORWARD chain), and what `bridge` does not always take back (NAT), is done once for
    the node, as steps 5 and 6 do it. With `whole` the plug-ins do what they can of it: NAT, and `firewall`.
    """
    files = lab.kernel.files(node.name)
    for folder in (BIN, CONF):
        files.make_folder(folder)
    for name in ("bridge", "firewall", "host-local", "loopback"):
        files.link(f"{BIN}/{name}", f"{_REFERENCE}/{name}")
    files.write(f"{CONF}/10-{NETWORK}.conflist", json.dumps(_reference_conflist(lab.lab, node, whole=whole)))
    if whole:
        return
    firewall = lab.kernel.firewall(node.name)
    for flag in ("-s", "-d"):
        firewall.append("filter", "FORWARD", (flag, str(lab.lab.cluster_range), "-j", "ACCEPT"))
    inner = ("-s", str(node.pod_range), "!", "-d", str(lab.lab.cluster_range))
    firewall.append("nat", "POSTROUTING", (*inner, "-j", "MASQUERADE"))


def _reference_conflist(lab: Lab, node: Node, *, whole: bool) -> dict[str, object]:
    bridge = {
        "type": "bridge",
        "bridge": lab.bridge,
        "isDefaultGateway": True,
        "ipMasq": whole,
        "ipam": {"type": "host-local", "ranges": [[{"subnet": str(node.pod_range)}]]},
    }
    # Later versions than this are refused by containerd 1.6 and podman 4.3.
    plugins = [bridge, {"type": "firewall"}] if whole else [bridge]
    return {"cniVersion": "1.0.0", "name": NETWORK, "plugins": plugins}
