"""Namespaces and contexts: tell kubectl where the cluster is, who asks, and in which namespace."""

from labctl.model import Lab, Node, Prints, Probe, Step
from labctl.model.kubeconfig import CLUSTERS, CONTEXTS, CURRENT, USERS
from labctl.resources import CurrentContext, KubeconfigCluster, KubeconfigContext, KubeconfigFile, KubeconfigUser

_ASK = ("kubectl", "config")


def resources(
    lab: Lab, node: Node
) -> tuple[KubeconfigFile | KubeconfigCluster | KubeconfigUser | KubeconfigContext | CurrentContext, ...]:
    """A file of the lab's own; in it clusters, users, contexts that join them, and which context is used."""
    return (
        KubeconfigFile(node.name),
        *(KubeconfigCluster(node.name, cluster) for cluster in CLUSTERS),
        *(KubeconfigUser(node.name, user) for user in USERS),
        *(KubeconfigContext(node.name, context) for context in CONTEXTS),
        CurrentContext(node.name, CURRENT.name),
    )


def probes(lab: Lab, node: Node) -> tuple[Probe, ...]:
    """Ask the real kubectl: it finds the file with nothing set."""
    look = "what does kubectl see? kubectl config get-contexts"
    return (
        Probe(
            f"kubectl uses the context {CURRENT.name}",
            Prints(node.place, (*_ASK, "current-context"), CURRENT.name),
            before=False,
            after=True,
            blame=look,
        ),
        Probe(
            f"kubectl looks into the namespace {CURRENT.namespace}",
            Prints(node.place, (*_ASK, "view", "--minify", "-o", "jsonpath={..namespace}"), CURRENT.namespace),
            before=False,
            after=True,
            blame=look,
        ),
    )


STEP = Step(
    title="Namespaces and contexts",
    notes="""\
- create a context with different default namespace
$ kubectl config set-context my-context --namespace=mystuff
- start using it
$ kubectl config use-context my-context""",
    resources=resources,
    probes=probes,
    hints=(
        "kubectl reads one file, $HOME/.kube/config, and `kubectl config` writes it. No cluster is asked.",
        "A context joins a cluster, a user and a namespace by their names: set-context --cluster --user --namespace.",
        "Without a cluster, as in the notes' own line, kubectl asks localhost:8080, where nobody is: give it one.",
    ),
    whole_lab=True,
)
