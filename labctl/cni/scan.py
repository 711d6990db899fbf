"""Step 1's question to nmap, for ranges that are small enough to be asked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from labctl.errors import KernelRefused
from labctl.kernel import spawn

if TYPE_CHECKING:
    from collections.abc import Iterable

_FAST = ("-n", "-sn", "-T5", "--max-retries", "0", "--min-parallelism", "100", "--max-rtt-timeout", "100ms")
_REPORT = re.compile(r"^Nmap scan report for (\S+)$", re.MULTILINE)


def find_answering(ranges: Iterable[str]) -> frozenset[str]:
    """Ask IPv4 ranges of at most 4,096 addresses who answers; others are too wide to be asked.

    Raises:
        KernelRefused: nmap failed; then its silence says nothing of who is there.
    """
    asked = tuple(each for each in ranges if ":" not in each and int(each.rpartition("/")[2]) >= 20)  # noqa: PLR2004 (4,096)
    if not asked:
        return frozenset()
    done = spawn.run(("nmap", *_FAST, *asked))
    if done.code != 0:
        said = (done.err.strip() or f"exit code {done.code}").splitlines()[-1]
        raise KernelRefused(f"nmap could not ask who answers in {', '.join(asked)}: {said}")
    return frozenset(_REPORT.findall(done.out))
