"""Step 6: let the containers reach the world outside."""

from labctl.model import INTERNET_TCP_PORT, Lab, Node, Probe, SeenFrom, Step
from labctl.resources import IptablesRule


def resources(lab: Lab, node: Node) -> tuple[IptablesRule, ...]:
    """Send what leaves the node out under the node's own address."""
    return (
        IptablesRule(
            node=node.name,
            table="nat",
            chain="POSTROUTING",
            match=("-s", str(node.pod_range), "!", "-o", lab.bridge),
            target="MASQUERADE",
            policy="",
            node_address=str(node.address),
            cluster_range=str(lab.cluster_range),
            comment="what leaves, but not by the bridge, gets the node's own address",
        ),
    )


def probes(lab: Lab, node: Node) -> tuple[Probe, ...]:
    """Connect to the internet, and ask it whom it saw."""
    target = str(lab.internet)
    return tuple(
        Probe(
            f"{container.name} reaches {target}, which sees {node.address}",
            SeenFrom(container.place, target, INTERNET_TCP_PORT, str(node.address)),
            before=False,
            after=True,
            blame="the cloud lets out only what comes from a node's own address",
        )
        for container in node.containers
    )


STEP = Step(
    title="Reach the world outside: NAT",
    notes="""\
6. NAT, so container could access ouside world
$ sudo iptables -t nat -A POSTROUTING -s 10.244.0.0/24 ! -o cni0 -j MASQUERADE""",
    resources=resources,
    probes=probes,
    hints=(
        "The cloud forwards to the internet only what carries a node's own address.",
        "The nat table's POSTROUTING chain may change the source address of what leaves.",
        "What stays on the bridge must keep its address: that is what `! -o cni0` is for.",
    ),
)
