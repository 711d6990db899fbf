"""The tables of nftables: those that nobody needs any more once the lab has gone, and those that came beside it.

Debian's iptables keeps its rules in such tables (`ip filter`), makes them when it is first asked to change something,
and never takes them away.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from labctl.errors import KernelRefused
from labctl.model.baseline import TABLES

if TYPE_CHECKING:
    from labctl.model.baseline import Baseline
    from labctl.model.lab import Node
    from labctl.model.ports import Kernel
    from labctl.world.host.marks import Marks

_IPTABLES = tuple(f"{family} {table}" for family in ("ip", "ip6") for table in TABLES)


def list_tables(kernel: Kernel, node: Node) -> tuple[str, ...] | None:
    """All tables, as `FAMILY NAME`; None where nobody can be asked."""
    found = _ask(kernel, node, "tables")
    return None if found is None else tuple(_spell(each["table"]) for each in found if "table" in each)


def find_new(kernel: Kernel, node: Node, baseline: Baseline) -> tuple[str, ...]:
    """Those that came since and are not what iptables keeps its rules in: these are looked at as its own."""
    now = list_tables(kernel, node)
    if now is None or baseline.nft is None:
        return ()
    return tuple(each for each in now if each not in baseline.nft and each not in _IPTABLES)


def is_marked(kernel: Kernel, node: Node, table: str, marks: Marks) -> bool:
    """Tell whether a table names the lab's bridge or a port of it, or one of its ranges."""
    done = kernel.programs(node.place).run(("nft", "-n", "list", "table", *table.split()))
    words = done.out.replace('"', " ").replace(",", " ").split()
    return done.code == 0 and (bool(marks.links & set(words)) or any(marks.has_range(each) for each in words))


def delete(kernel: Kernel, node: Node, table: str) -> None:
    """Take a table away with all that is in it.

    Raises:
        KernelRefused: it does not go.
    """
    done = kernel.programs(node.place).run(("nft", "delete", "table", *table.split()))
    if done.code != 0:
        raise KernelRefused(f"the nft table {table} does not go: {done.err.strip()}", f"nft list table {table}")


def drop_empty(kernel: Kernel, node: Node, baseline: Baseline) -> None:
    """Take away what iptables made for the lab and that holds nothing any more: no rule, no chain but its own."""
    now = list_tables(kernel, node)
    if now is None or baseline.nft is None:
        return
    for table in _IPTABLES:
        if table in now and table not in baseline.nft:
            entries = _ask(kernel, node, "table", *table.split()) or []
            if all(_is_bare(each) for each in entries):
                chains = [each["chain"]["name"] for each in entries if "chain" in each]
                # In one transaction, and chain by chain: one that has got a rule by now is not deleted, nor the table.
                lines = [*(f"delete chain {table} {chain}" for chain in chains), f"delete table {table}"]
                kernel.programs(node.place).run(("nft", "-f", "-"), "".join(f"{line}\n" for line in lines))


def _is_bare(entry: dict[str, Any]) -> bool:
    """Tell whether this is the table itself, or a chain of iptables' own that lets everything pass."""
    return not entry.keys() - {"metainfo", "table"} or entry.get("chain", {}).get("policy") == "accept"


def _ask(kernel: Kernel, node: Node, *what: str) -> list[dict[str, Any]] | None:
    try:
        done = kernel.programs(node.place).run(("nft", "-j", "list", *what))
        return list(json.loads(done.out)["nftables"]) if done.code == 0 else None
    except (KernelRefused, ValueError, KeyError):
        return None  # no nft on this machine, or one that speaks no JSON


def _spell(table: dict[str, Any]) -> str:
    return f"{table['family']} {table['name']}"
