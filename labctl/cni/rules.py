"""The rules of iptables that a network needs on its node: steps 5 and 6, for IPv4 and for IPv6."""

from __future__ import annotations

from ipaddress import ip_interface
from typing import TYPE_CHECKING

from labctl.cni.config import complete
from labctl.cni.own import OwnRule
from labctl.kernel.plugin_kernel import HERE
from labctl.resources.ip6tables import Ip6tablesRule
from labctl.resources.iptables import IptablesRule

if TYPE_CHECKING:
    from collections.abc import Iterable

    from labctl.cni.attachment import Given
    from labctl.cni.config import Configuration
    from labctl.model.resource import Resource


def make_rules(configuration: Configuration, given: Iterable[Given]) -> tuple[Resource, ...]:
    """Let the cluster's ranges through FORWARD; give what leaves the node its address, if that is wanted."""
    subnets = tuple(dict.fromkeys(str(ip_interface(each.cidr).network) for each in given))
    # Where another plug-in gives the addresses, the configuration has no range, only what was given.
    cluster = dict.fromkeys(complete(configuration.cluster, subnets))
    rules: list[Resource] = [
        _rule("filter", "FORWARD", (flag, subnet), "ACCEPT", "") for subnet in cluster for flag in ("-s", "-d")
    ]
    if configuration.masquerade:
        for subnet in subnets:
            around = next((each for each in cluster if (":" in each) == (":" in subnet)), subnet)
            rules.append(
                _rule("nat", "POSTROUTING", ("-s", subnet, "!", "-o", configuration.bridge), "MASQUERADE", around)
            )
    return tuple(rules)


def _rule(table: str, chain: str, match: tuple[str, ...], target: str, cluster: str) -> Resource:
    if ":" in match[1]:
        match = match[2:] if match[1] == "::/0" else match  # as ip6tables-save spells it: found as it is spelled
        return OwnRule(Ip6tablesRule(HERE.node, table, chain, match, target), family=6)
    rule = IptablesRule(
        HERE.node, table, chain, match, target, policy="", cluster_range=cluster, uplink="", alone=False
    )
    return OwnRule(rule)
