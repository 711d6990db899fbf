"""Lines of `gcloud` in an order, each with what it gives: exit code, standard output, standard error.

The texts were printed by Google Cloud SDK 528.0.0, run against the lab's vpc; the lab's own client says the same.
"""

from __future__ import annotations

from tests.gcloud_cloud import LINK, NOTES

HEAD = "NAME        NETWORK  DEST_RANGE     NEXT_HOP    PRIORITY\n"
MASTER = "k8s-master  k8s      10.244.0.0/24  10.128.0.2  1000\n"
WORKER = "k8s-worker  k8s      10.244.1.0/24  10.128.0.3  100\n"
ROUTES = "compute routes"
NETWORKS = "compute networks"
_HOP = "--next-hop-address 10.128.0.3"
_WORKER = f"{ROUTES} create k8s-worker --network k8s --destination-range 10.244.1.0/24 {_HOP}"
_JSON = f"""\
[
  {{
    "destRange": "10.244.0.0/24",
    "kind": "compute#route",
    "name": "k8s-master",
    "network": "{LINK}/networks/k8s",
    "nextHopIp": "10.128.0.2",
    "priority": 1000,
    "selfLink": "{LINK}/routes/k8s-master"
  }}
]
"""
_YAML = f"""\
description: 'the worker: pods'
destRange: 10.244.1.0/24
kind: compute#route
name: k8s-worker
network: {LINK}/networks/k8s
nextHopIp: 10.128.0.3
priority: 100
selfLink: {LINK}/routes/k8s-worker
"""
_MINE = """\
NAME  SUBNET_MODE  BGP_ROUTING_MODE  IPV4_RANGE  GATEWAY_IPV4  INTERNAL_IPV6_RANGE
mine  CUSTOM       REGIONAL
"""
_NETWORKS = """\
NAME     SUBNET_MODE  BGP_ROUTING_MODE  IPV4_RANGE  GATEWAY_IPV4  INTERNAL_IPV6_RANGE
default  AUTO         REGIONAL
k8s      CUSTOM       REGIONAL
mine     CUSTOM       REGIONAL
"""
_NETWORK = f"""\
autoCreateSubnetworks: false
description: another one
kind: compute#network
name: mine
routingConfig:
  routingMode: REGIONAL
selfLink: {LINK}/networks/mine
x_gcloud_bgp_routing_mode: REGIONAL
x_gcloud_subnet_mode: CUSTOM
"""
_UNREACHABLE = """
Instances on this network will not be reachable until firewall rules
are created. As an example, you can allow all internal traffic between
instances as well as SSH, RDP, and ICMP by running:

$ gcloud compute firewall-rules create <FIREWALL_NAME> --network mine --allow tcp,udp,icmp --source-ranges <IP_RANGE>
$ gcloud compute firewall-rules create <FIREWALL_NAME> --network mine --allow tcp:22,tcp:3389,icmp

"""
_PROJECT = "projects/lab/global"


def _refused(command: str, why: str) -> tuple[int, str, str]:
    did_not = "Some requests did not succeed" if command.endswith("list") else "Could not fetch resource"
    return 1, "", f"ERROR: (gcloud.compute.{command}) {did_not}:\n - {why}\n\n"


_QUESTION = "The following routes will be deleted:\n - [k8s-master]\n\nDo you want to continue (Y/n)?  "
_GONE = _refused("routes.delete", f"The resource '{_PROJECT}/routes/k8s-master' was not found")[2]

CASES: tuple[tuple[str, tuple[int, str, str]], ...] = (
    (f"{ROUTES} list", (0, "", "Listed 0 items.\n")),
    (NOTES, (0, HEAD + MASTER, f"Created [{LINK}/routes/k8s-master].\n")),
    (NOTES, _refused("routes.create", f"The resource '{_PROJECT}/routes/k8s-master' already exists")),
    (
        f"{ROUTES} create x --network k8s --destination-range 10.244.0.1/24 {_HOP}",
        _refused(
            "routes.create",
            "Invalid value for field 'resource.destRange': '10.244.0.1/24'. Must be a CIDR address range.",
        ),
    ),
    (
        f"{ROUTES} create x --network nope --destination-range 10.9.0.0/24 {_HOP}",
        _refused("routes.create", f"The resource '{_PROJECT}/networks/nope' was not found"),
    ),
    (f"{ROUTES} list --format json", (0, _JSON, "")),
    (
        f"{_WORKER} --priority 100 --description 'the worker: pods'",
        (0, HEAD + WORKER, f"Created [{LINK}/routes/k8s-worker].\n"),
    ),
    (f"{ROUTES} list", (0, HEAD + MASTER + WORKER, "")),
    (f"{ROUTES} list --filter 'name=worker AND network:k8s'", (0, HEAD + WORKER, "")),
    (f"{ROUTES} list --filter 'name!=worker'", (0, HEAD + MASTER, "")),
    (
        f"{ROUTES} list --filter netwrok=k8s",
        _refused(
            "routes.list",
            "Invalid value for field 'filter': 'netwrok eq \".*\\bk8s\\b.*\"'. Invalid list filter expression.",
        ),
    ),
    (f"{ROUTES} describe k8s-worker", (0, _YAML, "")),
    (
        f"{ROUTES} describe nope",
        _refused("routes.describe", f"The resource '{_PROJECT}/routes/nope' was not found"),
    ),
    (
        f"{ROUTES} list --project other",
        _refused("routes.list", "The resource 'projects/other' was not found"),
    ),
    (
        f"{ROUTES} delete k8s-master",
        (0, "", f"{_QUESTION}\nDeleted [{LINK}/routes/k8s-master].\n"),
    ),
    (
        f"{ROUTES} delete k8s-worker k8s-master --quiet",
        (1, "", f"Deleted [{LINK}/routes/k8s-worker].\n{_GONE}"),
    ),
    (
        f"{NETWORKS} create mine --subnet-mode custom --description 'another one'",
        (0, _MINE, f"Created [{LINK}/networks/mine].\n{_UNREACHABLE}"),
    ),
    (
        f"{NETWORKS} list",
        (0, _NETWORKS, ""),
    ),
    (f"{NETWORKS} describe mine", (0, _NETWORK, "")),
    (
        f"{NETWORKS} delete k8s --quiet",
        _refused(
            "networks.delete",
            f"The network resource '{_PROJECT}/networks/k8s' is already being used by"
            " 'projects/lab/zones/us-central1-a/instances/master'",
        ),
    ),
    (f"{NETWORKS} delete mine --quiet", (0, "", f"Deleted [{LINK}/networks/mine].\n")),
    ("compute regions describe us-central1 --format 'value(name,status)'", (0, "us-central1\tUP\n", "")),
    ("compute project-info describe --format 'value(name)'", (0, "lab\n", "")),
    (f"{ROUTES} create x {_HOP}", (2, "", "")),
    ("config get-value compute/region", (0, "", "(unset)\n")),
)
"""A case of code 2 leaves out the words: those of usage are in tests/test_gcloud_words.py."""
