"""Makes one node bare in place, whatever has become of it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from labctl.engine.remake.node import empty_other_backend
from labctl.engine.remake.picture import only_node
from labctl.engine.remake.remake import remake
from labctl.errors import ToolMissing

if TYPE_CHECKING:
    from labctl.engine.remake.picture import Picture
    from labctl.model.lab import Lab, Node
    from labctl.model.ports import Kernel

# What no snapshot shows, and packets follow all the same: rules that only nft can say, and which table a packet asks.
_RULES = """\
ip rule flush
ip rule add pref 32766 lookup main
ip rule add pref 32767 lookup default
"""


def clear_node(kernel: Kernel, lab: Lab, node: Node, bare: Picture) -> tuple[str, ...]:
    """Make a node as `bare` has it; give what could not be made so, a line each."""
    programs = kernel.programs(node.place)
    # A table that iptables cannot read could not even be looked at.
    with suppress(ToolMissing):
        programs.run(("nft", "flush", "ruleset"))
    empty_other_backend(kernel, node.name)
    programs.run(("sh", "-c", _RULES))
    return remake(kernel, lab, bare, lambda whole: only_node(whole, node))
