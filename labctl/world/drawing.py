"""Draws the links of a world that has been booted: who is connected to whom, and what each machine starts with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labctl.errors import KernelRefused
from labctl.model.lab import INTERNET, VPC

if TYPE_CHECKING:
    from labctl.model.lab import Lab, Node, Place
    from labctl.model.ports import Kernel

# Only what comes from a node's own address may leave for the internet; table 100 is the way there.
_TABLE = "100"


def draw(kernel: Kernel, lab: Lab) -> None:
    """Connect the machines, and leave each node as the notes find it after Docker."""
    _script(kernel, VPC, _vpc_script(kernel, lab))
    _script(
        kernel,
        INTERNET,
        f"""\
ip -batch - <<END
link set lo up
addr add {lab.internet}/32 dev eth0
link set eth0 up
route add {lab.gateway} dev eth0
route add default via {lab.gateway}
END
""",
    )
    for node in lab.nodes:
        _script(kernel, node.place, _node_script(lab, node))


def _script(kernel: Kernel, place: Place, script: str) -> None:
    done = kernel.programs(place).run(("sh", "-e", "-s"), script)
    if done.code != 0:
        raise KernelRefused(
            f"{place} could not be set up: {done.err.strip() or done.out.strip()}", "try: labctl doctor"
        )


def _vpc_script(kernel: Kernel, lab: Lab) -> str:
    """A router that knows only routes that it was given, and lets only the nodes' own addresses out."""
    lines = ["link set lo up", "route add blackhole default"]
    ends = [(str(INTERNET), INTERNET), *((node.name, node.place) for node in lab.nodes)]
    for name, place in ends:
        pid = kernel.namespace_path(place).split("/")[2]
        # No interface may be called `master` (a keyword of ip link set): hence the v.
        lines += [
            f"link add v{name} type veth peer name eth0 netns {pid}",
            f"addr add {lab.gateway}/32 dev v{name}",
            f"link set v{name} up",
        ]
    lines.append(f"route add {lab.internet} dev v{INTERNET} table {_TABLE}")
    for node in lab.nodes:
        lines += [
            f"route add {node.address} dev v{node.name}",
            f"rule add iif v{node.name} from {node.address} lookup {_TABLE}",
        ]
    batch = "\n".join(lines)
    return f"""\
cd /proc/sys/net/ipv4
echo 1 > ip_forward
for each in all default; do
  echo 0 > conf/$each/send_redirects
  echo 0 > conf/$each/rp_filter
done
ip -batch - <<END
{batch}
END
"""


def _node_script(lab: Lab, node: Node) -> str:
    return f"""\
ip -batch - <<END
link set lo up
addr add {node.address}/32 dev eth0
link set eth0 up
route add {lab.gateway} dev eth0
route add default via {lab.gateway}
END
echo 1 > /proc/sys/net/ipv4/ip_forward
if [ -e /proc/sys/net/bridge/bridge-nf-call-iptables ]; then
  echo 1 > /proc/sys/net/bridge/bridge-nf-call-iptables
fi
iptables-restore --noflush <<END
*filter
:FORWARD DROP [0:0]
COMMIT
END
"""
