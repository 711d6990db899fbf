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
    from collections.abc import Iterator

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


def take_marked(kernel: Kernel, node: Node, table: str, marks: Marks) -> str:
    """Take away the rules of a table that are the lab's, and the table if there are no others; say what went.

    Raises:
        KernelRefused: it does not go.
    """
    entries = _ask(kernel, node, "table", *table.split()) or []
    rules, marked = [each["rule"] for each in entries if "rule" in each], _find_marked(entries, marks)
    own = [each for each in rules if _is_own(each, marks, marked)]
    if not own and not marked:
        return ""
    # firewalld keeps all that it has in one table: what names no pod is its own.
    whole = len(own) == len(rules)
    lines = [f"delete rule {table} {each['chain']} handle {each['handle']}" for each in own]
    text = "".join(f"{line}\n" for line in ([f"delete table {table}"] if whole else lines))
    done = kernel.programs(node.place).run(("nft", "-f", "-"), text) if text else None
    if done is not None and done.code != 0:
        raise KernelRefused(f"the nft table {table} does not go: {done.err.strip()}", f"nft list table {table}")
    what = f"the nft table {table}"
    return what if whole else f"{len(own)} of {len(rules)} rules of {what}" if own else ""


def _find_marked(entries: list[dict[str, Any]], marks: Marks) -> set[str]:
    """The sets and chains that are the lab's: by what they hold or stand at, or as all of their rules are its."""
    rules = [each["rule"] for each in entries if "rule" in each]
    kinds = [(kind, each) for entry in entries for kind, each in entry.items() if kind not in ("metainfo", "rule")]
    marked = {f"@{each['name']}" for kind, each in kinds if kind != "table" and _names_mark(each, marks, set())}
    while True:
        others = {f"@{each['chain']}" for each in rules if not _is_own(each, marks, marked)}
        more = {f"@{each['chain']}" for each in rules} - others
        if more <= marked:
            return marked
        marked |= more


def _is_own(rule: dict[str, Any], marks: Marks, marked: set[str]) -> bool:
    return f"@{rule['chain']}" in marked or _names_mark(rule["expr"], marks, marked)


def _names_mark(value: Any, marks: Marks, marked: set[str]) -> bool:  # noqa: ANN401 (whatever JSON can say)
    return any(word in marks.links or word in marked or marks.has_range(word) for word in _words(value))


def _words(value: Any) -> Iterator[str]:  # noqa: ANN401 (as above)
    """What is named: texts, a prefix as it is typed; a set, or a chain that is jumped to, with `@` before it."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for each in value:
            yield from _words(each)
    elif isinstance(value, dict) and value.keys() == {"addr", "len"}:
        yield f"{value['addr']}/{value['len']}"
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from (f"@{each}",) if key == "target" else _words(each)


def drop_empty(kernel: Kernel, node: Node, baseline: Baseline) -> None:
    """Take away what iptables made for the lab and that holds nothing any more: no rule, no chain but its own."""
    now = list_tables(kernel, node)
    if now is None or baseline.nft is None:
        return
    for table in _IPTABLES:
        if table in now and table not in baseline.nft:
            entries = _ask(kernel, node, "table", *table.split())
            # What cannot be looked at may hold somebody's rules.
            if entries is not None and all(_is_bare(each) for each in entries):
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
