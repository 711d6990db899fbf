"""Step 1's question to nmap, for ranges that are small enough to be asked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from labctl.kernel import spawn

if TYPE_CHECKING:
    from collections.abc import Iterable

_FAST = ("-n", "-sn", "-T5", "--max-retries", "0", "--min-parallelism", "100", "--max-rtt-timeout", "100ms")
_REPORT = re.compile(r"^Nmap scan report for (\S+)$", re.MULTILINE)


def find_answering(ranges: Iterable[str]) -> frozenset[str]:
    """Ask IPv4 ranges of at most 4,096 addresses who answers; others are too wide to be asked."""
    asked = tuple(each for each in ranges if ":" not in each and int(each.rpartition("/")[2]) >= 20)  # noqa: PLR2004 (4,096)
    if not asked:
        return frozenset()
    return frozenset(_REPORT.findall(spawn.run(("nmap", *_FAST, *asked)).out))
