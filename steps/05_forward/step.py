"""Step 5: let the containers talk to each other."""

from itertools import pairwise

from labctl.model import Lab, Node, Ping, Probe, Step
from labctl.resources import IptablesRule

_WHY = {"-s": "accept what comes from the pods", "-d": "accept what goes to the pods"}


def resources(lab: Lab, node: Node) -> tuple[IptablesRule, ...]:
    """Accept what comes from, and what goes to, the pods."""
    return tuple(
        IptablesRule(
            node=node.name,
            table="filter",
            chain="FORWARD",
            match=(flag, str(lab.cluster_range)),
            target="ACCEPT",
            comment=why,
        )
        for flag, why in _WHY.items()
    )


def probes(lab: Lab, node: Node) -> tuple[Probe, ...]:
    """Ping a neighbour, both ways; before this step Docker's DROP policy eats it."""
    del lab
    return tuple(
        Probe(
            f"{first.name} can ping {second.name}",
            Ping(first.place, second),
            before=False,
            after=True,
            through_firewall=True,
            blame="what does the FORWARD chain do with it? sudo iptables -S FORWARD",
        )
        for pair in pairwise(node.containers)
        for first, second in (pair, pair[::-1])
    )


STEP = Step(
    title="Let containers talk: the FORWARD chain",
    notes="""\
5. allow containter to container network in IPTABLES
$ sudo iptables -t filter -A FORWARD -s 10.244.0.0/16 -j ACCEPT
$ sudo iptables -t filter -A FORWARD -d 10.244.0.0/16 -j ACCEPT""",
    resources=resources,
    probes=probes,
    hints=(
        "Between two containers the node only forwards: the FORWARD chain decides, and Docker left its policy at DROP.",
        "One rule for what comes from the pods (-s), one for what goes to them (-d).",
        "The range is that of the whole cluster, not only this node's: pods of other nodes must get through too.",
    ),
)
