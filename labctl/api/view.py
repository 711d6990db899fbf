"""What there is: the lab's nodes, containers and Services as one look at the kernel finds them. Nothing is remembered.

A pod is a network namespace: of a container that the world was made with, or one that a runtime gave a name on a node
(step 8). Components of kube-system are there when what they do is: kube-proxy when its chains stand on a node.
"""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from labctl.errors import KernelRefused
from labctl.model.kubeconfig import PROXY_WORDS
from labctl.model.lab import NETNS_FOLDER, Container, Place
from labctl.model.namespaces import DEFAULT_NAMESPACE, SYSTEM_NAMESPACE
from labctl.model.naming import CLUSTER_DOMAIN, SERVICES_FOLDER, Endpoint, read_entry, split_file_name
from labctl.model.program import program_words
from labctl.model.resolver import NETNS_FILES, read_resolver, resolver_path
from labctl.model.service import DNS_POD, ServicePort, dns_pod
from labctl.model.service_chains import SERVICES
from labctl.model.value import Value
from labctl.resources.service_reading.portals import read_portals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from labctl.engine.journal import Event
    from labctl.model.lab import Lab, Node
    from labctl.model.ports import Kernel
    from labctl.model.service_chains import Portal
    from labctl.model.values import MachineFacts, Standing

LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
"""What a name must be to appear in the API: a DNS label (RFC 1123)."""
_NETWORKS = "/etc/cni/net.d"
_SERVICES_DOMAIN = f"svc.{CLUSTER_DOMAIN}"
# As long as the real API server keeps them (kube-apiserver --event-ttl).
_EVENTS_KEPT = timedelta(hours=1)


class SeenNode(Value):
    """A node whose namespace stands. `ready`: a runtime on it would find a network to plug containers into."""

    node: Node
    standing: Standing
    first: bool
    ready: bool


class SeenPod(Value):
    """A pod. `identity` tells it from a later one of the same name; `born` is None where nobody knows."""

    namespace: str
    name: str
    node: Node
    address: str
    identity: str
    born: float | None
    labels: tuple[tuple[str, str], ...] = ()
    command: tuple[str, ...] = ()
    host_network: bool = False


class SeenService(Value):
    """A Service as the nodes' rules have it; one without an address (headless, or another's name) as the DNS has it."""

    namespace: str
    name: str
    cluster_ip: str
    ports: tuple[ServicePort, ...]
    endpoints: tuple[Endpoint, ...]
    external_name: str = ""


class View:
    """One look. Each part is looked up when it is first asked for."""

    def __init__(
        self, kernel: Kernel, lab: Lab, world: str, born: float, journal: Callable[[], tuple[Event, ...]]
    ) -> None:
        """`world` names this very world, `born` is when it began; `journal` gives what labctl did in it."""
        self.lab, self.world, self.born = lab, world, born
        self._kernel, self._journal = kernel, journal

    @cached_property
    def machine(self) -> MachineFacts:
        """The machine that all nodes are."""
        return self._kernel.machine()

    @cached_property
    def nodes(self) -> tuple[SeenNode, ...]:
        """The nodes that stand."""
        standings = self._kernel.standings([node.place for node in self.lab.nodes])
        return tuple(
            SeenNode(node, standing, node == self.lab.nodes[0], self._has_network(node))
            for node, standing in zip(self.lab.nodes, standings, strict=True)
            if standing is not None
        )

    def _has_network(self, node: Node) -> bool:
        """Tell whether a runtime would find a network (libcni, ConfFiles: these endings)."""
        names = self._kernel.files(node.name).names(_NETWORKS)
        return any(name.endswith((".conf", ".conflist", ".json")) for name in names)

    @cached_property
    def pods(self) -> tuple[SeenPod, ...]:
        """All pods: containers by their namespaces, then the components of kube-system that are none."""
        found = (*self._containers(), *self._proxies(), *self._dashboards())
        return tuple(sorted(found, key=lambda each: (each.namespace, each.name)))

    def _containers(self) -> Iterator[SeenPod]:
        containers = (*self.lab.containers, *self._guests())
        standings = self._kernel.standings([each.place for each in containers])
        born_with_world, seen = len(self.lab.containers), set[int]()
        for number, (container, standing) in enumerate(zip(containers, standings, strict=True)):
            if standing is None or standing.namespace in seen:  # gone, or a second name of one that was listed
                continue
            seen.add(standing.namespace)
            made_by = "topology" if number < born_with_world else "runtime"
            yield SeenPod(
                self._namespace_of(container),
                container.name,
                self.lab.node(container.node),
                standing.address,
                str(standing.namespace),
                standing.born,
                (("k8s-app", DNS_POD),) if container == dns_pod(self.lab) else (("labctl/made-by", made_by),),
            )

    def _guests(self) -> tuple[Container, ...]:
        """What runtimes have made on the nodes: namespaces with a name that are none of the lab's containers."""
        known = {each.name for each in self.lab.containers}
        return tuple(
            Container(name, node.name)
            for node in self.lab.nodes
            for name in self._kernel.files(node.name).names(NETNS_FOLDER)
            if name not in known and LABEL.fullmatch(name)
        )

    def _namespace_of(self, container: Container) -> str:
        """The Kubernetes namespace of a container: the kubelet has told it, as the first domain that it searches."""
        if container == dns_pod(self.lab):
            return SYSTEM_NAMESPACE
        if container.place not in self._resolved:
            return DEFAULT_NAMESPACE
        text = self._kernel.files(container.node).read(resolver_path(container.name)) or ""
        domains = (each.partition(".") for each in read_resolver(text).search)
        found = (name for name, _, rest in domains if rest == _SERVICES_DOMAIN and LABEL.fullmatch(name))
        return next(found, DEFAULT_NAMESPACE)

    @cached_property
    def _resolved(self) -> frozenset[Place]:
        """The containers that have a resolv.conf of their own."""
        nodes = [node.name for node in self.lab.nodes]
        return frozenset(Place(node, name) for node in nodes for name in self._kernel.files(node).names(NETNS_FILES))

    @cached_property
    def _rules(self) -> tuple[tuple[SeenNode, str], ...]:
        """The packet filter of each node that can be read, as `iptables-save` prints it."""
        found = []
        for seen in self.nodes:
            with suppress(KernelRefused):
                found.append((seen, self._kernel.firewall(seen.node.name).saved()))
        return tuple(found)

    def _proxies(self) -> Iterator[SeenPod]:
        """kube-proxy in iptables mode is its rules: where the chains stand, it does its work."""
        for seen, saved in self._rules:
            if f"\n:{SERVICES} " in saved:
                identity = f"{seen.standing.namespace}/{SERVICES}"
                yield self._component("kube-proxy", seen, identity, None, f"kube-proxy-{seen.node.name}")

    def _dashboards(self) -> Iterator[SeenPod]:
        """What the notes reach through `kubectl proxy` on the first node, while that runs."""
        for seen in self.nodes[:1]:
            listeners = self._kernel.net(seen.node.place).listeners()
            proxies = [each for each in listeners if program_words(each.argv)[:2] == PROXY_WORDS]
            for each in proxies[:1]:
                born = self._kernel.began(each.pid)
                yield self._component("kubernetes-dashboard", seen, f"{each.pid}/{born}", born)

    def _component(self, app: str, seen: SeenNode, identity: str, born: float | None, name: str = "") -> SeenPod:
        """A part of kube-system that lives in a node's own network."""
        labels = (("k8s-app", app),)
        address = seen.standing.address
        return SeenPod(SYSTEM_NAMESPACE, name or app, seen.node, address, identity, born, labels, host_network=True)

    @cached_property
    def services(self) -> tuple[SeenService, ...]:
        """The Services that the nodes' rules know, and those that only the DNS does, as they have no address."""
        found = {(each.namespace, each.name): each for each in (*self._named_services(), *self._proxied_services())}
        return tuple(found[key] for key in sorted(found))

    def _proxied_services(self) -> Iterator[SeenService]:
        for _, saved in reversed(self._rules):  # of what nodes know differently, the first node's counts
            by_service: dict[tuple[str, str], list[Portal]] = {}
            for portal in read_portals(saved):
                namespace, _, name = portal.name.partition(":")[0].partition("/")
                if LABEL.fullmatch(namespace) and LABEL.fullmatch(name):
                    by_service.setdefault((namespace, name), []).append(portal)
            for (namespace, name), portals in by_service.items():
                addresses = dict.fromkeys(backend.address for portal in portals for backend in portal.backends)
                endpoints = tuple(Endpoint(each) for each in addresses)
                ports = tuple(_port_of(portal) for portal in portals)
                yield SeenService(namespace, name, portals[0].address, ports, endpoints)

    def _named_services(self) -> Iterator[SeenService]:
        files = self._kernel.files(self.lab.nodes[0].name)
        for file_name in files.names(SERVICES_FOLDER):
            info = files.info(f"{SERVICES_FOLDER}/{file_name}")
            if split_file_name(file_name) is None or info is None or info.kind != "file":
                continue
            with suppress(ValueError):  # of what DNS does not understand, it tells nothing either
                entry = read_entry(file_name, files.read(f"{SERVICES_FOLDER}/{file_name}") or "")
                if not entry.cluster_ip:
                    ports = tuple(
                        ServicePort(each.name, each.number, each.number, each.protocol) for each in entry.ports
                    )
                    yield SeenService(entry.namespace, entry.name, "", ports, entry.endpoints, entry.external_name)

    @cached_property
    def namespaces(self) -> tuple[str, ...]:
        """The namespaces that every cluster has, and those in which something is."""
        used = {each.namespace for each in self.pods} | {each.namespace for each in self.services}
        return tuple(sorted({DEFAULT_NAMESPACE, SYSTEM_NAMESPACE} | used))

    @cached_property
    def events(self) -> tuple[Event, ...]:
        """What labctl did in this world within the last hour."""
        oldest = (datetime.now(UTC) - _EVENTS_KEPT).isoformat(timespec="milliseconds")
        return tuple(each for each in self._journal() if each.kind in ("did", "took_back") and each.at >= oldest)


def _port_of(portal: Portal) -> ServicePort:
    target = portal.backends[0].port if portal.backends else portal.port
    return ServicePort(portal.name.partition(":")[2], portal.port, target, portal.protocol, portal.node_port)
