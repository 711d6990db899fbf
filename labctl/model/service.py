"""Services as data: what Kubernetes calls a Service, and the ones that the course builds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labctl.model.lab import Container
from labctl.model.namespaces import DEFAULT_NAMESPACE, OWN_NAMESPACE, SYSTEM_NAMESPACE
from labctl.model.value import Value

if TYPE_CHECKING:
    from labctl.model.lab import Lab

DNS_POD = "kube-dns"
_MOST_ENDPOINTS = 3
# Where a cluster has them by custom: the tenth address is kube-dns's (kubeadm), the hundredth the course's own.
_DNS_NUMBER, _SERVICE_NUMBER = 10, 100


class ServicePort(Value):
    """A port of a Service: `port` at its own address, `target_port` in each pod, `node_port` (0: none) at each node."""

    name: str
    port: int
    target_port: int
    protocol: str = "tcp"
    node_port: int = 0


class Service(Value):
    """A name and an address for several pods.

    `cluster_ip` is its virtual address, empty for a headless Service. `endpoints` are the containers behind it; their
    addresses are those reserved for them, looked up when asked (`labctl.model.store.reserved_address`).
    """

    namespace: str
    name: str
    cluster_ip: str
    ports: tuple[ServicePort, ...]
    endpoints: tuple[Container, ...]

    @property
    def key(self) -> str:
        """`mystuff/my-svc`, as Kubernetes and kube-proxy spell it."""
        return f"{self.namespace}/{self.name}"


def serving(lab: Lab) -> tuple[Container, ...]:
    """The containers that serve `my-svc`: all but the lab's first, which asks, and at most three, on as many nodes."""
    others = lab.containers[1:] or lab.containers
    rounds = [node.containers[number : number + 1] for number in range(_MOST_ENDPOINTS) for node in reversed(lab.nodes)]
    chosen = [each for one in rounds for each in one if each in others][:_MOST_ENDPOINTS]
    return tuple(each for each in others if each in chosen)


def my_service(lab: Lab) -> Service:
    """`my-svc` in `mystuff`: HTTP, at its own address and at a port of every node."""
    port = ServicePort("http", 80, 80, node_port=30080)
    return Service(OWN_NAMESPACE, "my-svc", str(lab.service_range[_SERVICE_NUMBER]), (port,), serving(lab))


def headless_service(lab: Lab) -> Service:
    """`my-svc-headless`: a name for the same pods, without an address that stands for them."""
    return Service(OWN_NAMESPACE, "my-svc-headless", "", (ServicePort("http", 80, 80),), serving(lab))


def namespace_of(lab: Lab, container: Container) -> str:
    """The namespace that a container's pod is in: that of the Service which it serves, else the default one."""
    return OWN_NAMESPACE if container in serving(lab) else DEFAULT_NAMESPACE


def dns_pod(lab: Lab) -> Container:
    """The pod in which kube-dns runs, on the first node."""
    return Container(DNS_POD, lab.nodes[0].name)


def dns_service(lab: Lab) -> Service:
    """`kube-dns` in `kube-system`: DNS by UDP and by TCP."""
    ports = (ServicePort("dns", 53, 53, "udp"), ServicePort("dns-tcp", 53, 53))
    return Service(SYSTEM_NAMESPACE, "kube-dns", str(lab.service_range[_DNS_NUMBER]), ports, (dns_pod(lab),))
