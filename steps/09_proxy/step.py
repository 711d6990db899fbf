"""Step 9: an address for several pods, by the rules that kube-proxy writes. One step for the whole lab."""

from labctl.model import Lab, Node, Probe, Step
from labctl.model.service import my_service
from labctl.resources import Hairpin, Server, ServiceRules


def resources(lab: Lab, node: Node) -> tuple[Server | Hairpin | ServiceRules, ...]:
    """A server in each endpoint, the way back to itself for each, and the rules on every node."""
    del node
    service = my_service(lab)
    port = service.ports[0].target_port
    return (
        *(
            Server(
                each.place,
                "serve-hostname",
                ("serve-hostname", each.name, str(port)),
                port,
                purpose=f"a server in {each.name} that answers with its name",
            )
            for each in service.endpoints
        ),
        *(Hairpin(each, lab.bridge) for each in service.endpoints),
        *(ServiceRules(lab, each, (service,), shared=True) for each in lab.nodes),
    )


STEP = Step(
    title="Services: the rules that kube-proxy writes",
    notes="""\
kube-proxy""",
    resources=resources,
    hints=("x",),
    whole_lab=True,
)
