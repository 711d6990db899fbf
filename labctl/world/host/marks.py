"""What carries the course's own names and ranges on a real machine: that is the lab's, whoever typed it."""

from __future__ import annotations

import re
from ipaddress import IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING

from labctl.model.kubeconfig import AUTHORITY_FILE, KEY_FILE, KUBECONFIG
from labctl.model.naming import SERVICES_FOLDER
from labctl.model.objects import MY_POD
from labctl.model.service import DNS_POD
from labctl.model.service_chains import SHARED
from labctl.model.store import PLUGIN, RESULTS_FOLDER, store_folder

if TYPE_CHECKING:
    from labctl.model.lab import Lab
    from labctl.model.values import Rule

_NETWORK = re.compile(r"(?<![\d.])\d+\.\d+\.\d+\.\d+(?:/\d+)?")
# What kube-proxy calls its own, and the course after it; KUBE-FIREWALL and the canaries are the kubelet's.
_CHAINS = re.compile("|".join((*map(re.escape, SHARED), r"KUBE-(?:SVC|SEP|EXT)-.+")))


class Marks:
    """The names and ranges of one lab, seen from its one node here."""

    def __init__(self, lab: Lab) -> None:
        """Of this lab."""
        node = lab.nodes[0]
        self.names = {*(each.name for each in node.containers), lab.guest(node).name, DNS_POD, MY_POD}
        self.links = {lab.bridge, *(f"veth{name}" for name in self.names)}
        self._ranges = (lab.cluster_range, lab.service_range)
        self._paths = (
            re.escape(f"{store_folder(lab.network)}/"),
            re.escape(f"{RESULTS_FOLDER}/{lab.network}-"),
            rf"/(?:etc/cni/net\.d|opt/cni/bin)/[^/]*{PLUGIN}",
            rf"/etc/netns/(?:{'|'.join(map(re.escape, self.names))})/",
            re.escape(f"{SERVICES_FOLDER}/"),
            *(rf"{re.escape(each)}$" for each in (KUBECONFIG, AUTHORITY_FILE, KEY_FILE)),
        )

    def has_range(self, text: str) -> bool:
        """Tell whether a range or an address (`10.244.0.0/24`) is the lab's, or a part of it."""
        try:
            found = IPv4Network(text, strict=False)
        except ValueError:
            return False
        return any(found.subnet_of(each) for each in self._ranges)

    def has_rule(self, rule: Rule) -> bool:
        """Tell whether a rule names the lab's bridge or a port of it, one of its ranges or of its chains."""
        ranges = (found for word in rule.words for found in _NETWORK.findall(word))
        return (
            bool(self.links & set(rule.words))
            or any(self.has_range(each) for each in ranges)
            or any(self.has_chain(each) for each in (rule.chain, *rule.words))
        )

    def has_chain(self, name: str) -> bool:
        """Tell whether a chain is called as the course's are."""
        return _CHAINS.fullmatch(name) is not None

    def has_path(self, path: str) -> bool:
        """Tell whether a file is one that the lab writes."""
        return any(re.match(each, path) for each in self._paths)


def lab_files(lab: Lab) -> tuple[Path, ...]:
    """The files and folders of a lab that a reboot does not take."""
    results = Path(RESULTS_FOLDER)
    found = sorted(results.glob(f"{lab.network}-*")) if results.is_dir() else []
    return (
        Path(store_folder(lab.network)),
        *found,
        Path(f"/opt/cni/bin/{PLUGIN}"),
        Path(f"/etc/cni/net.d/10-{PLUGIN}.conflist"),
    )
