"""Which CNI plug-in the runtimes call, and how a node gets it: here, and nowhere else in these tests.

Debian's reference plug-ins: `bridge` with `host-local`. What they leave to others (the FORWARD chain, NAT) is done
once a node, as steps 5 and 6 do it.
"""

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
    """Put the plug-in and its configuration on a node. `loopback` lies beside it: containerd wants it there."""
    files = lab.kernel.files(node.name)
    for folder in (BIN, CONF):
        files.make_folder(folder)
    for name in ("bridge", "host-local", "loopback"):
        files.link(f"{BIN}/{name}", f"{_REFERENCE}/{name}")
    files.write(f"{CONF}/10-{NETWORK}.conflist", json.dumps(_conflist(lab.lab, node)))
    firewall = lab.kernel.firewall(node.name)
    for flag in ("-s", "-d"):
        firewall.append("filter", "FORWARD", (flag, str(lab.lab.cluster_range), "-j", "ACCEPT"))
    inner = ("-s", str(node.pod_range), "!", "-d", str(lab.lab.cluster_range))
    firewall.append("nat", "POSTROUTING", (*inner, "-j", "MASQUERADE"))


def _conflist(lab: Lab, node: Node) -> dict[str, object]:
    bridge = {
        "type": "bridge",
        "bridge": lab.bridge,
        "isDefaultGateway": True,
        "ipam": {"type": "host-local", "ranges": [[{"subnet": str(node.pod_range)}]]},
    }
    # Later versions than this are refused by containerd 1.6 and podman 4.3.
    return {"cniVersion": "1.0.0", "name": NETWORK, "plugins": [bridge]}
