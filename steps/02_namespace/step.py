"""Step 2: make the container's network namespace known to `ip netns`."""

from labctl.model import Lab, Node, Probe, Step, Succeeds
from labctl.resources import NETNS_FOLDER, Folder, NetnsLink


def resources(lab: Lab, node: Node) -> tuple[Folder | NetnsLink, ...]:
    """Make the folder that `ip netns` looks in, and a link for each container."""
    del lab
    links = tuple(NetnsLink(container) for container in node.containers)
    return (Folder(node.name, NETNS_FOLDER, "the folder where `ip netns` looks for names"), *links)


def probes(lab: Lab, node: Node) -> tuple[Probe, ...]:
    """Use the name, as a person would."""
    del lab
    return tuple(
        Probe(
            f"ip netns exec {container.name} ip link works on {node.name}",
            Succeeds(node.place, ("ip", "netns", "exec", container.name, "ip", "link")),
            before=False,
            after=True,
            blame=f"where does {NETNS_FOLDER}/{container.name} lead?",
        )
        for container in node.containers
    )


STEP = Step(
    title="A name for the container's namespace",
    notes="""\
2. Create namespace
    mkdir -p /var/run/netns/
    ln -sfT $CNI_NETNS /var/run/netns/$CNI_CONTAINERID""",
    resources=resources,
    probes=probes,
    hints=(
        "The namespace exists already: the runtime made it, and says where it is in $CNI_NETNS.",
        f"`ip netns` knows what is in {NETNS_FOLDER} by its name. A link is enough.",
        (
            "In `labctl shell`, $CNI_NETNS and $CNI_CONTAINERID are those of the first container; "
            "/run/labctl/containers has the others'."
        ),
    ),
)
