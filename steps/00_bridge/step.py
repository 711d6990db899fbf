"""Step 0: the bridge that the containers will be plugged into, and its address."""

from labctl.model import Lab, Node, Ping, Probe, RouteVia, Step
from labctl.resources import Bridge, LinkAddress


def resources(lab: Lab, node: Node) -> tuple[Bridge | LinkAddress, ...]:
    """Make a bridge with the first address of the pod range; the kernel adds the connected route itself."""
    address = LinkAddress(node.place, lab.bridge, node.bridge_cidr, str(lab.cluster_range))
    return Bridge(node.name, lab.bridge), address


def probes(lab: Lab, node: Node) -> tuple[Probe, ...]:
    """Ask for the bridge's own address, and which way a pod's would be looked for."""
    address = str(node.bridge_address)
    first_pod = str(node.pod_range[2])
    return (
        Probe(
            f"{node.name} can ping {address}",
            Ping(node.place, address),
            before=False,
            after=True,
            blame=f"is {address} on {lab.bridge}?",
        ),
        Probe(
            f"{node.name} looks for {first_pod} on {lab.bridge}",
            RouteVia(node.place, first_pod, lab.bridge),
            before=False,
            after=True,
            blame="the address of the bridge carries the prefix of the pod range, and the bridge is up",
        ),
    )


STEP = Step(
    title="The bridge cni0 and its address",
    notes="""\
$ sudo brctl addbr cni0
$ sudo ip link set cni0 up
$ sudo ip addr add <bridge-ip>/24 dev cni0""",
    resources=resources,
    probes=probes,
    hints=(
        "A bridge is a switch inside the kernel: `brctl addbr`, or `ip link add … type bridge`, makes one.",
        "It starts out down, and without an address. Both matter.",
        "The prefix of the address (/24) is what makes the kernel add the route for the pods.",
    ),
)
