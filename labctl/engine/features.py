"""The features of the kernel that the lab is built on, each by the name of its trial."""

from __future__ import annotations

from dataclasses import dataclass

from labctl.engine.needs import BRIDGE_FIREWALL, PINGS


@dataclass(frozen=True)
class Feature:
    """What is tried, and what suffers without it.

    `need` names it among the needs of the steps (`find_needs`). `modules` are what `modprobe` loads where the kernel
    does not by itself. `tool` is set where the feature is that tool: without the tool it is missing, not unknown.
    """

    id: str
    title: str
    suffers: str = ""
    need: str = ""
    needed: bool = True
    modules: tuple[str, ...] = ()
    tool: str = ""


FEATURES = (
    Feature("user_namespace", "user namespaces", "the lab works without root only by them"),
    Feature("namespaces", "the other namespaces", "the nodes are made of them"),
    Feature(
        "nested_user_namespace", "nested user namespaces", "they lock the lab's mounts, which protect this machine"
    ),
    Feature("mount_setattr", "mount_setattr(2)", "it keeps this machine's files from the lab"),
    Feature("proc_and_sys", "/proc and /sys of its own", "without them the lab would see this machine's"),
    Feature("overlay", "overlay on /etc", "the lab takes a copy of /etc in its place", needed=False),
    Feature("bridge", "bridge", need="bridge", modules=("bridge",)),
    Feature("veth", "veth pairs", "the nodes are wired with them", need="veth", modules=("veth",)),
    Feature(
        "br_netfilter",
        "br_netfilter",
        "what a bridge forwards by-passes iptables, so a container reaches the next one at once",
        need=BRIDGE_FIREWALL,
        needed=False,
        modules=("br_netfilter",),
    ),
    Feature("raw_sockets", "raw ICMP sockets", need=PINGS),
    Feature(
        "iptables",
        "iptables rules",
        "each node has a policy from the beginning",
        need="iptables",
        modules=("nf_tables", "nft_compat"),
    ),
    Feature("masquerade", "NAT (MASQUERADE)", need="MASQUERADE", modules=("xt_MASQUERADE",)),
    Feature("conntrack", "connection tracking", need="MASQUERADE", modules=("nf_conntrack", "xt_conntrack")),
    Feature(
        "iptables_nft",
        "iptables, nft backend",
        "only LABCTL_IPTABLES=nft asks for it",
        needed=False,
        tool="iptables-nft",
    ),
    Feature(
        "iptables_legacy",
        "iptables, legacy backend",
        "only LABCTL_IPTABLES=legacy asks for it",
        needed=False,
        modules=("ip_tables", "iptable_filter"),
        tool="iptables-legacy",
    ),
    Feature("nft_trace", "nft monitor trace", "it shows which rule dropped a packet", needed=False),
)
