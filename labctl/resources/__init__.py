"""The descriptions of kernel, file and cloud objects: one kind a file, imported when a step first asks for it."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labctl.model.lab import NETNS_FOLDER
    from labctl.model.store import RESULTS_FOLDER, store_folder
    from labctl.resources.address import ContainerAddress, LinkAddress
    from labctl.resources.bridge import Bridge
    from labctl.resources.certificate import Certificate
    from labctl.resources.cni_result import CniResult
    from labctl.resources.folder import Folder
    from labctl.resources.guest import Guest
    from labctl.resources.guest_network import GuestNetwork
    from labctl.resources.hairpin import Hairpin
    from labctl.resources.iptables import IptablesRule
    from labctl.resources.kubeconfig.cluster import KubeconfigCluster
    from labctl.resources.kubeconfig.context import KubeconfigContext
    from labctl.resources.kubeconfig.current import CurrentContext
    from labctl.resources.kubeconfig.file import KubeconfigFile
    from labctl.resources.kubeconfig.user import KubeconfigUser
    from labctl.resources.kubectl_proxy import KubectlProxy
    from labctl.resources.netns_link import NetnsLink
    from labctl.resources.node_route import NodeRoute, routes_between_nodes
    from labctl.resources.plugin import PluginConfiguration, PluginExecutable
    from labctl.resources.reservation import AddressStore, Reservation
    from labctl.resources.resolver_file import ResolverFile
    from labctl.resources.route import DefaultRoute
    from labctl.resources.server import Server
    from labctl.resources.service_entry import ServiceEntry
    from labctl.resources.service_lesson import service_words
    from labctl.resources.service_rules import ServiceRules
    from labctl.resources.veth import VethPair
    from labctl.resources.vpc_route import VpcRoute

# A lesson that is only read needs its own step's: all of them together cost a quarter of labctl's start.
_WHERE = {
    "NETNS_FOLDER": "labctl.model.lab",
    "RESULTS_FOLDER": "labctl.model.store",
    "AddressStore": "labctl.resources.reservation",
    "Bridge": "labctl.resources.bridge",
    "Certificate": "labctl.resources.certificate",
    "CniResult": "labctl.resources.cni_result",
    "ContainerAddress": "labctl.resources.address",
    "CurrentContext": "labctl.resources.kubeconfig.current",
    "DefaultRoute": "labctl.resources.route",
    "Folder": "labctl.resources.folder",
    "IptablesRule": "labctl.resources.iptables",
    "LinkAddress": "labctl.resources.address",
    "Guest": "labctl.resources.guest",
    "GuestNetwork": "labctl.resources.guest_network",
    "Hairpin": "labctl.resources.hairpin",
    "KubeconfigCluster": "labctl.resources.kubeconfig.cluster",
    "KubeconfigContext": "labctl.resources.kubeconfig.context",
    "KubeconfigFile": "labctl.resources.kubeconfig.file",
    "KubectlProxy": "labctl.resources.kubectl_proxy",
    "KubeconfigUser": "labctl.resources.kubeconfig.user",
    "NetnsLink": "labctl.resources.netns_link",
    "NodeRoute": "labctl.resources.node_route",
    "PluginConfiguration": "labctl.resources.plugin",
    "PluginExecutable": "labctl.resources.plugin",
    "Reservation": "labctl.resources.reservation",
    "ResolverFile": "labctl.resources.resolver_file",
    "Server": "labctl.resources.server",
    "ServiceRules": "labctl.resources.service_rules",
    "ServiceEntry": "labctl.resources.service_entry",
    "service_words": "labctl.resources.service_lesson",
    "VethPair": "labctl.resources.veth",
    "VpcRoute": "labctl.resources.vpc_route",
    "routes_between_nodes": "labctl.resources.node_route",
    "store_folder": "labctl.model.store",
}


def __getattr__(name: str) -> object:
    """Import a description (PEP 562)."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(_WHERE[name]), name)
    globals()[name] = found
    return found


__all__ = [
    "NETNS_FOLDER",
    "RESULTS_FOLDER",
    "AddressStore",
    "Bridge",
    "Certificate",
    "CniResult",
    "ContainerAddress",
    "CurrentContext",
    "DefaultRoute",
    "Folder",
    "Guest",
    "GuestNetwork",
    "Hairpin",
    "IptablesRule",
    "KubeconfigCluster",
    "KubeconfigContext",
    "KubeconfigFile",
    "KubeconfigUser",
    "KubectlProxy",
    "LinkAddress",
    "NetnsLink",
    "NodeRoute",
    "PluginConfiguration",
    "PluginExecutable",
    "Reservation",
    "ResolverFile",
    "Server",
    "ServiceEntry",
    "ServiceRules",
    "VethPair",
    "VpcRoute",
    "routes_between_nodes",
    "service_words",
    "store_folder",
]
