"""Step 10: names for Services, answered by a pod. One step for the whole lab."""

from labctl.model import Lab, Node, Probe, Resolves, Step
from labctl.model.naming import CLUSTER_DOMAIN, SERVICES_FOLDER
from labctl.model.ports import Kernel
from labctl.model.resource import Resource
from labctl.model.service import dns_pod, dns_service, headless_service, my_service, namespace_of
from labctl.model.zone import reverse, spell
from labctl.resources import (
    Folder,
    Guest,
    GuestNetwork,
    ResolverFile,
    Server,
    ServiceEntry,
    ServiceRules,
    service_words,
)

_KUBEDNS_PORT, _DNS_PORT = 10053, 53
_DOMAIN = f"svc.{CLUSTER_DOMAIN}"


def resources(lab: Lab, node: Node) -> tuple[Resource, ...]:
    """Say what there is, answer for it in a pod, lead the Service's address there, and tell each container of it."""
    pod, service = dns_pod(lab), dns_service(lab)
    guests = tuple(lab.guest(each) for each in lab.nodes)
    return (
        Folder(node.name, SERVICES_FOLDER, "one file a Service: what DNS answers from", parents=1),
        *(ServiceEntry(lab, node.name, each) for each in (my_service(lab), headless_service(lab), service)),
        Guest(pod, loopback=True),
        GuestNetwork(lab, node, pod),
        _kubedns(lab),
        _dnsmasq(lab),
        *(ServiceRules(lab, each, (service,)) for each in lab.nodes),
        *(ResolverFile(each, namespace_of(lab, each), service.cluster_ip) for each in (*lab.containers, *guests)),
    )


def _kubedns(lab: Lab) -> Server:
    argv = (
        "kubedns",
        f"--dns-port={_KUBEDNS_PORT}",
        f"--services={SERVICES_FOLDER}",
        f"--pods={lab.cluster_range}",
    )
    why = "it answers for the names of the cluster, from the files"
    pod = dns_pod(lab).place
    return Server(pod, "kubedns", argv, _KUBEDNS_PORT, address="127.0.0.1", purpose=why)


def _dnsmasq(lab: Lab) -> Server:
    zones = (CLUSTER_DOMAIN, "in-addr.arpa", "ip6.arpa")
    argv = (
        "dnsmasq",
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--pid-file=",
        "--user=root",
        "--group=",
        "--no-resolv",
        "--no-hosts",
        "--cache-size=0",
        "--bind-interfaces",
        "--listen-address=0.0.0.0",
        "--local=/#/",
        *(f"--server=/{zone}/127.0.0.1#{_KUBEDNS_PORT}" for zone in zones),
    )
    why = "it takes the questions of all pods, and hands on those that are about the cluster"
    needed = tuple(each.partition("=")[2] for each in argv if each.startswith(("--local=", "--server=")))
    pod = dns_pod(lab).place
    return Server(pod, "dnsmasq", argv, _DNS_PORT, program=("dnsmasq",), needed=needed, purpose=why)


def probes(lab: Lab, node: Node) -> tuple[Probe, ...]:
    """Ask from a pod in the Service's own namespace, and from one in another."""
    del node
    service, headless = my_service(lab), headless_service(lab)
    near, far = service.endpoints[0], lab.containers[0]
    full = f"{service.name}.{service.namespace}.{_DOMAIN}"
    http = service.ports[0]
    address = service.cluster_ip
    asked = (
        (near, service.name, "A", (address,)),
        (far, f"{service.name}.{service.namespace}", "A", (address,)),
        (far, full, "A", (address,)),
        (far, f"{headless.name}.{headless.namespace}", "A", headless.endpoints),
        (far, f"_{http.name}._{http.protocol}.{full}", "SRV", (f"0 100 {http.port} {full}.",)),
        (far, spell(reverse(address)), "PTR", (f"{full}.",)),
    )
    blame = f"who answers there? labctl exec {lab.nodes[0].name} -- ip netns exec {dns_pod(lab).name} ss -lnup"
    known = tuple(
        Probe(
            f"{source.name} asks for {name}{'' if kind == 'A' else f' ({kind})'}",
            Resolves(source.place, name, kind, expected),
            before=False,
            after=True,
            blame=blame,
        )
        for source, name, kind, expected in asked
    )
    unknown = Probe(
        f"{far.name} hears that there is no nosuch.{service.namespace}",
        Resolves(far.place, f"nosuch.{service.namespace}", code="NXDOMAIN"),
        before=False,
        after=True,
        blame=blame,
    )
    return (*known, unknown)


def words(lab: Lab, node: Node, kernel: Kernel | None) -> dict[str, str]:
    """The lesson speaks of the Service of the step before, and of where its name is kept."""
    del node
    told = {"dns_address": dns_service(lab).cluster_ip, "services": SERVICES_FOLDER}
    return {**service_words(lab, my_service(lab), None), **told}


STEP = Step(
    title="Names for Services: DNS",
    notes="""\
kube-dns = provides naming and discovery for the services that are defined in
the cluster.""",
    resources=resources,
    probes=probes,
    hints=(
        "A pod asks whom its /etc/resolv.conf names; DNS is a Service like any other, behind an address of its own.",
        "Behind it is a pod with two programs: dnsmasq takes all questions, kubedns answers those about the cluster.",
        "A short name becomes a full one by the search list: NAMESPACE.svc.cluster.local comes first.",
    ),
    whole_lab=True,
    words=words,
)
