"""The descriptions of kernel, file and cloud objects: one kind a file."""

from labctl.model.store import store_folder
from labctl.resources.address import ContainerAddress, LinkAddress
from labctl.resources.bridge import Bridge
from labctl.resources.cni_result import RESULTS_FOLDER, CniResult
from labctl.resources.folder import Folder
from labctl.resources.iptables import IptablesRule
from labctl.resources.netns_link import NETNS_FOLDER, NetnsLink
from labctl.resources.reservation import AddressStore, Reservation
from labctl.resources.route import DefaultRoute
from labctl.resources.veth import VethPair
from labctl.resources.vpc_route import VpcRoute

__all__ = [
    "NETNS_FOLDER",
    "RESULTS_FOLDER",
    "AddressStore",
    "Bridge",
    "CniResult",
    "ContainerAddress",
    "DefaultRoute",
    "Folder",
    "IptablesRule",
    "LinkAddress",
    "NetnsLink",
    "Reservation",
    "VethPair",
    "VpcRoute",
    "store_folder",
]
