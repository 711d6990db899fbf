"""Kills labctl at every change of a host world: of `up`, of each step, of `down`. Prints a table.

After each, `down` or `reset`; then the machine must be as before, or as where nothing was killed. With `--write` the
table goes into docs/faults.md too, between its marks.
"""

from __future__ import annotations

import sys
import tempfile
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.document import write_between  # noqa: E402 (the path is set above)
from tests.host_killed import kill_in_down, kill_in_step, kill_in_up  # noqa: E402 (the path is set above)
from tests.host_under_test import NEIGHBOURS, OTHERS, HostUnderTest  # noqa: E402 (as above)
from tests.lab_under_test import STEPS, LabUnderTest  # noqa: E402 (as above)

if TYPE_CHECKING:
    from collections.abc import Callable

BEGIN, END = "<!-- power cuts -->", "<!-- end of power cuts -->"


def _cut(host: HostUnderTest, kill: Callable[[int], bool]) -> tuple[int, int]:
    """Kill at each change, then `down`: how often, and how often the machine was not as before."""
    before, lost = host.state(), 0
    for at in count(1):
        print(f"change {at}", file=sys.stderr)
        killed = host.call(lambda at=at: kill(at))
        host.labctl("down")
        if not killed:
            return at - 1, lost
        lost += host.state() != before
    raise AssertionError


def _cut_step(host: HostUnderTest, number: int) -> tuple[int, int]:
    """Kill a step at each change, then `reset`."""
    wrong = 0
    for at in count(1):
        print(f"step {number}, change {at}", file=sys.stderr)
        differs = host.call(lambda at=at: kill_in_step(host.home, number, at))
        host.labctl("down")
        if differs == "-":
            return at - 1, wrong
        wrong += bool(differs)
    raise AssertionError


def measure() -> list[tuple[str, int, int]]:
    """One row each: what was killed, how often, how often that was not put right."""
    with tempfile.TemporaryDirectory() as folder, LabUnderTest(Path(folder) / "home") as around:
        host = HostUnderTest(around)
        host.type(f"{OTHERS}iptables -P FORWARD ACCEPT\n")
        host.type(NEIGHBOURS.format(pid=host.pid_of("worker"), other=around.lab.node("worker").address))
        before = host.state()
        rows = [("`up`, then `down`", *_cut(host, lambda at: kill_in_up(host.home, at)))]
        rows += [(f"step {number}, then `reset`", *_cut_step(host, number)) for number in STEPS]
        rows.append(("`down`, then `down`", *_cut(host, lambda at: kill_in_down(host.home, at))))
        rows.append(("all of it, what was there before", 1, int(host.state() != before)))
        return rows


def main(arguments: list[str]) -> int:
    """Kill, print, and write if asked."""
    rows = measure()
    lines = ["| killed in | at so many changes | not exact after |", "|---|---|---|"]
    text = "\n".join([*lines, *(f"| {what} | {times} | {wrong} |" for what, times, wrong in rows)])
    print(text)
    if "--write" in arguments:
        write_between("docs/faults.md", (BEGIN, END), text)
    return 1 if any(wrong for _, _, wrong in rows) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
