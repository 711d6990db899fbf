"""The packet filter in memory, which the tests of the laws ask, held against the real ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import HealthCheck, given, settings

from labctl.kernel.firewall import IptablesFirewall
from tests.iptables_memory import MemoryFirewall, OnlyFirewall
from tests.iptables_namespace import Namespace
from tests.iptables_rules import OWN_CHAINS, WANTED, Line, rules

if TYPE_CHECKING:
    from labctl.model.ports import Kernel
    from labctl.model.values import Rule, Ruleset

pytestmark = [pytest.mark.machine, pytest.mark.anybody]

ONE_BY_ONE = settings(
    deadline=None,  # nothing here is about time
    max_examples=15,  # each is some twenty calls of iptables
    suppress_health_check=[HealthCheck.too_slow],
)


@dataclass(frozen=True)
class OnlyRealFirewall:
    """As `OnlyFirewall`, with a real one."""

    it: IptablesFirewall

    def firewall(self, node: str) -> IptablesFirewall:
        assert node == "master"
        return self.it


def sort_chains(ruleset: Ruleset) -> dict[str, tuple[str, tuple[Rule, ...]]]:
    """The order of chains says nothing, the order of rules in a chain all."""
    return {chain: (policy, ruleset.of(chain)) for chain, policy in ruleset.policies}


@pytest.mark.parametrize("backend", ["nft", "legacy"])
@pytest.mark.parametrize("table", ["filter", "nat"])
def test_the_filter_in_memory_is_the_real_one(backend: str, table: str) -> None:
    with Namespace(backend) as namespace:
        chains = "; ".join(f"iptables -t {table} -N {chain}" for chain in OWN_CHAINS)
        namespace.must(f"iptables -P FORWARD DROP; {chains}")

        @ONE_BY_ONE
        @given(rules(table))
        def compare(lines: list[Line]) -> None:
            namespace.must(f"iptables -t {table} -F")
            memory, real = MemoryFirewall(), IptablesFirewall(namespace)
            memory.set_policy("FORWARD", "DROP")
            for chain in OWN_CHAINS:
                memory.add_chain(table, chain)
            for line in lines:
                memory.append(table, line.chain, line.words)
                real.append(table, line.chain, line.words)
            assert sort_chains(real.table(table)) == sort_chains(memory.table(table))
            for wanted in WANTED:
                if wanted.table == table:
                    for change in (wanted.apply, wanted.revert):
                        change(OnlyFirewall(memory).kernel)
                        change(cast("Kernel", OnlyRealFirewall(real)))
                        assert sort_chains(real.table(table)) == sort_chains(memory.table(table))

        compare()
