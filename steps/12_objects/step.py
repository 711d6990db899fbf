"""API objects: everything in a cluster is at a path of the API server, which looks it up when it is asked."""

from labctl.model import Lab, Node, Probe, Shows, Step, Succeeds
from labctl.model.kubeconfig import ADMIN, API_ADDRESS, API_PORT, AUTHORITY_FILE, KEY_FILE, LAB, LAB_PROXY
from labctl.model.objects import MY_POD_PATH, my_pod
from labctl.resources import Certificate, Folder, Guest, GuestNetwork, KubectlProxy, Server

_PKI = AUTHORITY_FILE.rpartition("/")[0]


def resources(lab: Lab, node: Node) -> tuple[Guest | GuestNetwork | Folder | Certificate | Server | KubectlProxy, ...]:
    """Make the notes' pod; start the API server, with a certificate of its own, and `kubectl proxy` in front of it."""
    pod, proxy = my_pod(lab), KubectlProxy(node.name)
    server = Server(
        node.place,
        "kube-apiserver",
        ("kube-apiserver", f"--bind-address={API_ADDRESS}", f"--secure-port={API_PORT}"),
        API_PORT,
        address=API_ADDRESS,
        program=("kube-apiserver",),
        purpose="the API server: it serves the lab as objects",
    )
    return (
        Guest(pod),
        GuestNetwork(lab, node, pod),
        Folder(node.name, _PKI, "where a cluster has its certificates", parents=1),
        Certificate(node.name, AUTHORITY_FILE, KEY_FILE, "kube-apiserver", API_ADDRESS, readers=(server, proxy)),
        server,
        proxy,
    )


def probes(lab: Lab, node: Node) -> tuple[Probe, ...]:
    """Ask the real kubectl: by the proxy for the notes' own path and for all pods, and once as a user, over TLS.

    Whatever its file says; and it is to keep nothing: its cache in the learner's home would outlive the step.
    """
    bare = ("kubectl", "--kubeconfig=/dev/null", "--cache-dir=/dev/null")
    ask = (*bare, f"--server={LAB_PROXY.server}", "get")
    user = (f"--server={LAB.server}", f"--certificate-authority={LAB.authority}", f"--token={ADMIN.token}")
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
        Probe(
            f"{ADMIN.name} is let in, and trusts the server",
            Succeeds(node.place, (*bare, *user, "get", "--raw", "/readyz")),
            before=False,
            after=True,
            blame=f"is {AUTHORITY_FILE} what it shows? openssl s_client -connect {API_ADDRESS}:{API_PORT}",
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
