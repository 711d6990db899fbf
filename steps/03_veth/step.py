"""Step 3: a virtual cable between the container and the bridge."""

from itertools import pairwise

from labctl.model import Lab, Node, Ping, Probe, Step
from labctl.resources import ContainerAddress, DefaultRoute, VethPair


def resources(lab: Lab, node: Node) -> tuple[VethPair | ContainerAddress | DefaultRoute, ...]:
    """Plug each container in, give it the reserved address, and show it the way out."""
    return tuple(
        resource
        for container in node.containers
        for resource in (
            VethPair(container, lab.bridge),
            ContainerAddress(node, container, lab.network),
            DefaultRoute(container, str(node.bridge_address)),
        )
    )


def probes(lab: Lab, node: Node) -> tuple[Probe, ...]:
    """Container and node reach each other; container and container do not, until step 5."""
    del lab
    gateway = str(node.bridge_address)
    claims = []
    for container in node.containers:
        out = Ping(container.place, gateway)
        back = Ping(node.place, container)
        claims.append(Probe(f"{container.name} can ping {node.name} ({gateway})", out, before=False, after=True))
        claims.append(Probe(f"{node.name} can ping {container.name}", back, before=False, after=True))
    for first, second in pairwise(node.containers):
        claims.append(
            Probe(
                f"{first.name} can ping {second.name}",
                Ping(first.place, second),
                before=False,
                after=False,
                until=5,
                through_firewall=True,
                blame="the FORWARD chain should still drop this; step 5 opens it",
            )
        )
    return tuple(claims)


STEP = Step(
    title="A veth pair from the bridge into the container",
    notes="3. create bridge veth devices in that namespace",
    resources=resources,
    probes=probes,
    hints=(
        "A veth pair is a cable with two ends: one for the bridge, one, called eth0, for the container.",
        "Both ends start out down. The container's end needs the reserved address, with the prefix of the pod range.",
        "Without a default route the container knows its neighbours only.",
    ),
)
