"""API objects: everything in a cluster is at a path of the API server, which looks it up when it is asked."""

from labctl.model import Lab, Node, Probe, Shows, Step, Succeeds
from labctl.model.kubeconfig import API_ADDRESS, API_PORT, AUTHORITY_FILE, KEY_FILE, LAB_PROXY
from labctl.model.objects import MY_POD_PATH, my_pod
from labctl.resources import Certificate, Folder, Guest, GuestNetwork, KubectlProxy, Server

_PKI = AUTHORITY_FILE.rpartition("/")[0]


def resources(lab: Lab, node: Node) -> tuple[Guest | GuestNetwork | Folder | Certificate | Server | KubectlProxy, ...]:
    """Make the notes' pod; start the API server, with a certificate of its own, and `kubectl proxy` in front of it."""
    pod = my_pod(lab)
    return (
        Guest(pod),
        GuestNetwork(lab, node, pod),
        Folder(node.name, _PKI, "where a cluster has its certificates", parents=1),
        Certificate(node.name, AUTHORITY_FILE, KEY_FILE, "kube-apiserver", API_ADDRESS),
        Server(
            node.place,
            "kube-apiserver",
            ("kube-apiserver", f"--bind-address={API_ADDRESS}", f"--secure-port={API_PORT}"),
            API_PORT,
            address=API_ADDRESS,
            program=("kube-apiserver",),
            purpose="the API server: it serves the lab as objects",
            certificate=AUTHORITY_FILE,
        ),
        KubectlProxy(node.name),
    )


def probes(lab: Lab, node: Node) -> tuple[Probe, ...]:
    """Ask the real kubectl, by the proxy alone: whatever its file says, for the notes' own path, and for all pods."""
    ask = ("kubectl", "--kubeconfig=/dev/null", f"--server={LAB_PROXY.server}", "get")
    look = "who listens? sudo ss -Hltnp; what does it say? curl http://127.0.0.1:8001/readyz"
    return (
        Probe(
            f"there is an object at {MY_POD_PATH}",
            Succeeds(node.place, (*ask, "--raw", MY_POD_PATH)),
            before=False,
            after=True,
            blame=look,
        ),
        Probe(
            "kubectl get pods -A -o wide shows the containers' own addresses",
            Shows(node.place, (*ask, "pods", "-A", "-o", "wide"), (*lab.containers, my_pod(lab))),
            before=False,
            after=True,
            blame=look,
        ),
    )


STEP = Step(
    title="API objects",
    notes="""\
Each Kubernetes object exists at a unique HTTP path; for example,
https://yourk8s.com/api/v1/namespaces/default/pods/my-pod leads to the
representation of a pod in the default namespace named my-pod.""",
    resources=resources,
    probes=probes,
    hints=(
        "Somebody must listen where the kubeconfig says that the cluster is, and kubectl must know his certificate.",
        "`openssl req -x509` makes a certificate for IP:127.0.0.1; then start `kube-apiserver`, and ask it for /api.",
        "`kubectl proxy --port=8001` adds the token by itself: curl http://127.0.0.1:8001/api/v1/namespaces.",
    ),
    whole_lab=True,
)
