"""Step 7: routes between the pods of different hosts. One step for the whole lab."""

from itertools import pairwise

from labctl.model import Lab, Node, Ping, Probe, Step
from labctl.resources import NodeRoute, VpcRoute, routes_between_nodes


def resources(lab: Lab, node: Node) -> tuple[VpcRoute | NodeRoute, ...]:
    """Tell the cloud network, or each node where there is none, where the pods of every node are."""
    del node
    return routes_between_nodes(lab)


def probes(lab: Lab, node: Node) -> tuple[Probe, ...]:
    """Ping from one node's first container to the next one's, and back as a new flow.

    Of a machine that nobody can look into from here, only the bridge's address is known.
    """
    del node
    firsts = [each.containers[0] for each in lab.nodes]
    away = tuple(
        Probe(
            f"{source.name} ({source.node}) can ping {peer.bridge_address}, the bridge of {peer.name}",
            Ping(source.place, str(peer.bridge_address)),
            before=False,
            after=True,
            blame=f"has {peer.name} a route back, and come as far as step 5?",
        )
        for source in firsts[:1]
        for peer in lab.peers
    )
    return away + tuple(
        Probe(
            f"{source.name} ({source.node}) can ping {target.name} ({target.node})",
            Ping(source.place, target),
            before=False,
            after=True,
            blame=f"does the cloud know where the pods of {target.node} are? gcloud compute routes list",
        )
        for pair in pairwise(firsts)
        for source, target in (pair, pair[::-1])
    )


STEP = Step(
    title="Routes between hosts",
    notes="""\
7. Route for containers on same subnet on different hosts
$ gcloud compute routes create k8s-master --destination-range 10.244.0.0/24 \\
    --network k8s --next-hop-address 10.128.0.2""",
    resources=resources,
    probes=probes,
    hints=(
        "The cloud network is a router that knows the nodes, but not the pods behind them.",
        "One route for each node: its pod range, and the node's address as next hop.",
        "The notes give the master's route only; the worker's is needed as well, or packets find one way only.",
    ),
    whole_lab=True,
)
