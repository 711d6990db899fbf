"""What there is: the lab's nodes, containers and Services as one look at the kernel finds them. Nothing is remembered.

A pod is a network namespace: of a container that the world was made with, or one that a runtime gave a name on a node
(step 8). Components of kube-system are there when what they do is: kube-proxy when its chains stand on a node.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from labctl.errors import KernelRefused
from labctl.model.lab import NETNS_FOLDER, Container, Place
from labctl.model.value import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from labctl.engine.journal import Event
    from labctl.model.lab import Lab, Node
    from labctl.model.ports import Kernel
    from labctl.model.values import MachineFacts, Standing

DEFAULT, SYSTEM = "default", "kube-system"
LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
"""What a name must be to appear in the API: a DNS label (RFC 1123)."""
_NETWORKS = "/etc/cni/net.d"
_CHAIN = "KUBE-SERVICES"
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


class SeenPort(Value):
    """A port of a Service."""

    name: str
    port: int
    target_port: int
    protocol: str = "TCP"
    node_port: int = 0


class SeenService(Value):
    """A Service, as the nodes' rules (or, headless, the files of the DNS) have it; `endpoints` are addresses."""

    namespace: str
    name: str
    cluster_ip: str
    ports: tuple[SeenPort, ...]
    endpoints: tuple[str, ...]


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
        return tuple(sorted((*self._containers(), *self._proxies()), key=lambda each: (each.namespace, each.name)))

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
                self.namespace_of(container),
                container.name,
                self.lab.node(container.node),
                standing.address,
                str(standing.namespace),
                standing.born,
                (("labctl/made-by", made_by),),
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

    def namespace_of(self, container: Container) -> str:
        """The Kubernetes namespace that a container is in."""
        del container
        return DEFAULT

    def _proxies(self) -> Iterator[SeenPod]:
        """kube-proxy in iptables mode is its rules; where the chains stand, it does its work."""
        for seen in self.nodes:
            try:
                table = self._kernel.firewall(seen.node.name).table("nat")
            except KernelRefused:
                continue
            if any(chain == _CHAIN for chain, _ in table.policies):
                yield SeenPod(
                    SYSTEM,
                    f"kube-proxy-{seen.node.name}",
                    seen.node,
                    seen.standing.address,
                    f"{seen.standing.namespace}/{_CHAIN}",
                    None,
                    (("k8s-app", "kube-proxy"),),
                    host_network=True,
                )

    @cached_property
    def services(self) -> tuple[SeenService, ...]:
        """The Services that the nodes' rules and the DNS know."""
        return ()

    @cached_property
    def namespaces(self) -> tuple[str, ...]:
        """The namespaces that every cluster has, and those in which something is."""
        used = {each.namespace for each in self.pods} | {each.namespace for each in self.services}
        return tuple(sorted({DEFAULT, SYSTEM} | used))

    @cached_property
    def events(self) -> tuple[Event, ...]:
        """What labctl did in this world within the last hour."""
        oldest = (datetime.now(UTC) - _EVENTS_KEPT).isoformat(timespec="milliseconds")
        return tuple(each for each in self._journal() if each.kind in ("did", "took_back") and each.at >= oldest)

    def pod_at(self, place: Place) -> SeenPod | None:
        """The pod whose namespace a place is."""
        return next((each for each in self.pods if Place(each.node.name, each.name) == place), None)
