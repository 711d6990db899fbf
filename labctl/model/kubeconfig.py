"""The lab's cluster as a client knows it: where its API server listens, whom it knows, and what kubectl is told.

The one place for these names: the kubeconfig of the step about contexts is written from them, and the API server of the
step about API objects serves them.

kubectl sends a user's token over TLS only: to a server whose URL begins with `http:` it sends none, whatever the
kubeconfig says (client-go, `DirectClientConfig.ClientConfig`: "only try to read the auth information if we are
secure"). So the API server speaks TLS, and `kubectl proxy`, which adds the token of whoever started it, does not.
"""

from __future__ import annotations

from labctl.model.namespaces import DEFAULT_NAMESPACE, OWN_NAMESPACE
from labctl.model.value import Value

API_ADDRESS = "127.0.0.1"
"""The API server listens on the master's loopback only; its certificate is for this address, and for localhost."""
API_PORT = 6443
"""kube-apiserver's own default."""
PROXY_PORT = 8001
"""Where the notes have `kubectl proxy` listen."""
AUTHORITY_FILE = "/etc/kubernetes/pki/ca.crt"
"""The certificate that vouches for the API server's, where kubeadm has it."""
KEY_FILE = "/etc/kubernetes/pki/apiserver.key"
"""The key of that certificate."""

KUBE_FOLDER = ".kube"
HOME = "/root"
KUBECONFIG = f"{HOME}/{KUBE_FOLDER}/config"
"""Where kubectl looks with nothing set, in the home that every node of the lab shows. Never the person's own."""


class Cluster(Value):
    """An API server: its URL, and, for TLS, the certificate that vouches for it (a path)."""

    name: str
    server: str
    authority: str = ""


class User(Value):
    """Somebody whom the API server knows by a token. The tokens are the lab's, the same in every lab: no secrets."""

    name: str
    token: str


class Context(Value):
    """Which cluster, as whom, and in which namespace; an empty user means that no token is sent."""

    name: str
    cluster: str
    user: str = ""
    namespace: str = DEFAULT_NAMESPACE


LAB = Cluster("lab", f"https://{API_ADDRESS}:{API_PORT}", AUTHORITY_FILE)
LAB_PROXY = Cluster("lab-proxy", f"http://{API_ADDRESS}:{PROXY_PORT}")
CLUSTERS = (LAB, LAB_PROXY)

ADMIN = User("lab-admin", "lab-admin-token")
READER = User("lab-reader", "lab-reader-token")
USERS = (ADMIN, READER)

MY_CONTEXT = Context("my-context", LAB.name, ADMIN.name, OWN_NAMESPACE)
"""The notes' own."""
CONTEXTS = (
    Context("lab", LAB.name, ADMIN.name),
    MY_CONTEXT,
    Context("lab-reader", LAB.name, READER.name),
    Context("lab-proxy", LAB_PROXY.name),
)
CURRENT = MY_CONTEXT
"""The context that the notes start using."""
PROXY_WORDS = ("kubectl", "proxy")
"""How the proxy is started; whatever follows, it is one."""
PROXY_CONTEXT = CONTEXTS[0]
"""As whom `kubectl proxy` asks, whichever context is current."""
