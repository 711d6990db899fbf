"""Step 1: find free addresses with nmap, and reserve one for each container."""

from labctl.model import Lab, Node, Probe, Reserved, Step
from labctl.resources import AddressStore, Folder, Reservation, store_folder


def resources(lab: Lab, node: Node) -> tuple[Folder | AddressStore | Reservation, ...]:
    """Keep a store on the node, with a line for each container."""
    folder = Folder(node.name, store_folder(lab.network), "a place for the list of reserved addresses", parents=2)
    lines = tuple(Reservation(lab, node, container) for container in node.containers)
    return (folder, AddressStore(lab, node), *lines)


def probes(lab: Lab, node: Node) -> tuple[Probe, ...]:
    """Ask whether somebody else already lives at a reserved address."""
    del lab
    return tuple(
        Probe(
            f"{container.name} has an address that nobody else answers for",
            Reserved(node.place, container),
            before=False,
            after=True,
            blame="who else answers? nmap -n -sn on the range tells",
        )
        for container in node.containers
    )


STEP = Step(
    title="Find free addresses with nmap",
    notes="1. find free ip addresses with nmap",
    resources=resources,
    probes=probes,
    hints=(
        "`nmap -n -sL RANGE` lists every address of a range without asking anybody.",
        "`nmap -n -sn RANGE` asks them all and lists who answers.",
        "Free is what is listed, less what is reserved, less who answers. Write it down under a lock.",
    ),
)
