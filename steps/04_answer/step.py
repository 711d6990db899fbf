"""Step 4: tell the one who asked what has been made."""

from labctl.model import Lab, Node, Probe, Step, Succeeds
from labctl.resources import RESULTS_FOLDER, CniResult, Folder


def resources(lab: Lab, node: Node) -> tuple[Folder | CniResult, ...]:
    """Write the result of a CNI ADD for each container."""
    results = tuple(CniResult(lab, node, container) for container in node.containers)
    return (Folder(node.name, RESULTS_FOLDER, "a place for the answers", parents=1), *results)


def probes(lab: Lab, node: Node) -> tuple[Probe, ...]:
    """Read the answers as the one who asked would."""
    return tuple(
        Probe(
            f"jq reads an address out of the answer for {container.name}",
            Succeeds(node.place, ("jq", "-e", ".ips[0].address", CniResult(lab, node, container).path)),
            before=False,
            after=True,
            blame="is the file there, and is it JSON?",
        )
        for container in node.containers
    )


STEP = Step(
    title="Answer the one who asked",
    notes="4. let the requestore KUBELET knows about it",
    resources=resources,
    probes=probes,
    hints=(
        "The answer is JSON: which interfaces were made, which addresses they got, which routes.",
        "`ip -j` prints what the kernel holds as JSON; `jq` puts it into the shape that the CNI specification wants.",
        "The interface inside the container carries a `sandbox`: the path of its namespace, $CNI_NETNS.",
    ),
)
