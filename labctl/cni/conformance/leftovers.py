"""What an attachment has left behind on the node, told from two snapshots."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

Snapshot = dict[str, Any]


def find_leftovers(
    node: str, before: Snapshot, after: Snapshot, containers: Iterable[str], addresses: Iterable[str]
) -> list[str]:
    """Name what is there after and was not before: links (a network's bridge may stay), rules, files.

    A file counts if it names one of the containers and did not before, or is itself called by one of their addresses: a
    lock file, or a note of which address was last given out, holds nothing.
    """
    links = after["places"][node]["links"]
    found = [
        f"the link {name}" for name in _added(before["places"][node]["links"], links) if links[name]["kind"] != "bridge"
    ]
    found += [f"the {table} rule {rule}" for table, rule in find_rules(node, before, after)]
    for container in containers:
        found += [f"the file {path}, which names {container}" for path in find_files(node, before, after, container)]
    new = _added(before["nodes"][node]["files"], after["nodes"][node]["files"])
    return found + [f"the file {path}" for address in addresses for path in new if _names(path, address)]


def find_rules(node: str, before: Snapshot, after: Snapshot) -> list[tuple[str, str]]:
    """The rules (table, rule) that are there after and were not before."""
    return _added(_rules(before["nodes"][node]), _rules(after["nodes"][node]))


def find_files(node: str, before: Snapshot, after: Snapshot, mark: str) -> list[str]:
    """The files that name a container and did not before."""
    old, new = before["nodes"][node]["files"], after["nodes"][node]["files"]
    return [
        path
        for path, text in new.items()
        if _names(f"{path}\n{text}", mark) and not _names(f"{path}\n{old[path]}" if path in old else "", mark)
    ]


def _rules(node: Snapshot) -> list[tuple[str, str]]:
    return [(table, rule) for table, rules in node["iptables"].items() for rule in rules]


def _added(before: Iterable[Any], after: Iterable[Any]) -> list[Any]:
    """What there is more of: the same rule a second time counts."""
    return list((Counter(list(after)) - Counter(list(before))).elements())


def _names(text: str, mark: str) -> bool:
    """Whether a text names this, and not merely something longer that holds it (10.244.0.2 in 10.244.0.20)."""
    start = text.find(mark)
    while start >= 0:
        end = start + len(mark)
        if not text[start - 1 : start].isalnum() and not text[end : end + 1].isalnum():
            return True
        start = text.find(mark, start + 1)
    return False
