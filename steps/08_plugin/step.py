"""Step 8: hand the steps to a program that a container runtime calls."""

from labctl.model import INTERNET_TCP_PORT, Lab, Node, Ping, Probe, SeenFrom, Step
from labctl.resources import Folder, Guest, GuestNetwork, PluginConfiguration, PluginExecutable

_BIN, _CONF = "/opt/cni/bin", "/etc/cni/net.d"


def resources(
    lab: Lab, node: Node
) -> tuple[Folder | PluginExecutable | PluginConfiguration | Guest | GuestNetwork, ...]:
    """Install the plug-in, then be a runtime: make a container, and ask for its network."""
    guest = lab.guest(node)
    return (
        Folder(node.name, _BIN, "where runtimes look for plug-ins"),
        PluginExecutable(node.name),
        Folder(node.name, _CONF, "where runtimes look for networks"),
        PluginConfiguration(lab, node),
        Guest(guest),
        GuestNetwork(lab, node, guest),
    )


def probes(lab: Lab, node: Node) -> tuple[Probe, ...]:
    """Ask for a neighbour that was made by hand, for the internet, and for a container of another node."""
    guest, first, target = lab.guest(node), node.containers[0], str(lab.internet)
    others = [each for each in lab.nodes if each != node][:1]
    return (
        Probe(
            f"{guest.name} can ping {first.name}",
            Ping(guest.place, first),
            before=False,
            after=True,
            through_firewall=True,
            blame=f"what did the plug-in make? sudo ip netns exec {guest.name} ip addr",
        ),
        Probe(
            f"{guest.name} reaches {target}, which sees {node.address}",
            SeenFrom(guest.place, target, INTERNET_TCP_PORT, str(node.address)),
            before=False,
            after=True,
            blame="is the node's rule of step 6 there? sudo iptables -t nat -S POSTROUTING",
        ),
        *(
            Probe(
                f"{guest.name} ({node.name}) can ping {other.containers[0].name} ({other.name})",
                Ping(guest.place, other.containers[0]),
                before=False,
                after=True,
                blame=f"does the cloud know where the pods of {other.name} are? gcloud compute routes list",
            )
            for other in others
        ),
    )


STEP = Step(
    title="The plug-in that a runtime calls",
    notes="""\
A CNI plug-in is responsible for allocating network interfaces to the newly
created containers""",
    resources=resources,
    probes=probes,
    hints=(
        "A runtime looks into /etc/cni/net.d for networks, and into /opt/cni/bin for the plug-ins that they name.",
        "It tells the plug-in what to do by CNI_… variables, and hands it the configuration on standard input.",
        "What the plug-in prints is the answer of step 4. Keep it: CHECK wants to see it again.",
    ),
)
