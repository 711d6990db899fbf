"""Measures what labctl costs: whole processes, medians, every ratio within one run. Prints a table.

With `--write` the table goes into docs/performance.md too, between its marks.
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.document import write_between  # noqa: E402 (the path is set above)
from labctl.engine.course import nodes_of, resources_of  # noqa: E402 (the path is set above)
from labctl.engine.script import do_statements  # noqa: E402 (as above)
from labctl.model.shell import Assign, Capture, Statement, render_script  # noqa: E402 (as above)
from labctl.world.topology import spread  # noqa: E402 (as above)
from tests.lab_under_test import LabUnderTest  # noqa: E402 (as above)

if TYPE_CHECKING:
    from collections.abc import Callable

    from labctl.model.lab import Node
    from labctl.model.world import WorldRecord

RUNS = 7
BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"

# Step 8 is the plug-in, whose calls have figures of their own.
_BY_HAND = tuple(range(8))


@dataclass(frozen=True)
class Figure:
    """One line of the table."""

    what: str
    found: str
    bound: str
    fine: bool


class StillScanner:
    """Stands for nmap, whose time is not labctl's: lists the range, and nobody answers."""

    def __init__(self, pod_range: str) -> None:
        self._range = pod_range

    def listed(self, pod_range: str) -> tuple[str, ...]:
        from ipaddress import IPv4Network

        return tuple(str(each) for each in IPv4Network(pod_range))

    def answering(self, _pod_range: str) -> tuple[str, ...]:
        return ()


def seconds(action: Callable[[], object]) -> float:
    """How long one call takes."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def median(action: Callable[[], object], runs: int = RUNS) -> float:
    """The median of several calls, after one that does not count."""
    action()
    return statistics.median(seconds(action) for _ in range(runs))


def process(*argv: str, home: Path | None = None) -> Callable[[], object]:
    """A whole process, its output thrown away. One that fails would look fast: it ends the measurement."""
    environment = {**os.environ, **({"LABCTL_HOME": str(home)} if home else {})}
    return lambda: subprocess.run(argv, check=True, capture_output=True, stdin=subprocess.DEVNULL, env=environment)


def whole_processes(home: Path) -> list[Figure]:
    """Start-up, up, down, status, and all steps with their probes, through ./lab."""
    lab = str(ROOT / "lab")
    explain, direct, bare = [], [], []
    itself = (sys.executable, "-I", str(Path(sys.executable).with_name("labctl")))
    for number in range(RUNS * 2 + 1):
        # In turn, now this first and now that: what runs second finds the files in the cache.
        pairs = [(explain, lab), (direct, *itself)]
        for times, *start in pairs if number % 2 else reversed(pairs):
            times.append(seconds(process(*start, "step", "3", "--explain", home=home)))
        bare.append(seconds(process(sys.executable, "-c", "pass")))
    ratio = statistics.median(a / b for a, b in zip(explain[1:], bare[1:], strict=True))
    extra = statistics.median(a - b for a, b in zip(explain[1:], direct[1:], strict=True)) * 1000
    up, down, apply, status = [], [], [], []
    for _ in range(RUNS + 1):
        up.append(seconds(process(lab, "up", home=home)))
        apply.append(seconds(process(lab, "step", "0-7", "--apply", "--node", "all", home=home)))
        process(lab, "step", "all", "--apply", "--node", "all", home=home)()
        status.append(seconds(process(lab, "status", home=home)))
        down.append(seconds(process(lab, "down", home=home)))
    figures = [
        Figure("`./lab step 3 --explain` ÷ `python -c pass`", f"{ratio:.1f} ×", "≤ 18 ×", ratio <= 18),
        Figure("what `./lab` adds to labctl itself", f"{extra:.0f} ms", "≤ 20 ms", extra <= 20),
    ]
    for what, times, bound in (
        ("`up`", up, 0.4),
        ("`down`", down, 0.3),
        ("`status`, all steps done (0–12)", status, 0.8),
        ("`step 0-7 --apply --node all`, probes and nmap included", apply, 3.0),
    ):
        found = statistics.median(times[1:])
        figures.append(Figure(what, f"{found:.2f} s", f"≤ {bound} s", found <= bound))
    demo = median(process(lab, "demo", home=home))
    return [*figures, Figure("`demo`", f"{demo:.2f} s", "< 5 s", demo < 5)]


def engine_against_bash(containers: int, bound: float, runs: int) -> tuple[Figure, float]:
    """Plan, apply and look again on both nodes, against the same commands run by bash inside each node."""
    ratios, times = [], []
    for _ in range(runs):
        engine = _in_fresh_lab(containers, _apply_all)
        bash = _in_fresh_lab(containers, _type_all)
        ratios.append(engine / bash)
        times.append(engine)
    ratio = statistics.median(ratios)
    what = f"engine ÷ bash, steps 0–7, {containers} containers a node"
    return Figure(what, f"{ratio:.2f} ×", f"≤ {bound} ×", ratio <= bound), statistics.median(times)


def _in_fresh_lab(containers: int, action: Callable[[LabUnderTest], Callable[[], object]]) -> float:
    with tempfile.TemporaryDirectory() as folder, LabUnderTest(Path(folder) / "home", spread(2, containers)) as lab:
        return seconds(action(lab))


def _apply_all(lab: LabUnderTest) -> Callable[[], object]:
    lab.kernel.scanner = StillScanner  # type: ignore[method-assign, assignment]  # nmap's time is not the engine's
    return lambda: lab.apply(_BY_HAND)


def _type_all(lab: LabUnderTest) -> Callable[[], object]:
    scripts = [
        (node.name, _script(lab, number, node))
        for number in _BY_HAND
        for node in nodes_of(lab.lesson(number), lab.lab, lab.lab.nodes)
    ]

    def type_them() -> None:
        for node, script in scripts:
            done = lab.kernel.programs(lab.lab.place(node)).run(("bash", "-e", "-s"), script)
            assert done.code == 0, done.err

    return type_them


def _script(lab: LabUnderTest, number: int, node: Node) -> str:
    """A step's commands as the notes type them, with the addresses known instead of asked of nmap."""
    statements: list[Statement] = []
    free = iter(str(each) for each in list(node.pod_range.hosts())[1:])
    for statement in do_statements(resources_of(lab.lesson(number), lab.lab, node), "notes"):
        if number == 1 and isinstance(statement, Capture) and statement.name in ("ANSWERING", "RESERVED"):
            continue
        if number == 1 and isinstance(statement, Capture) and statement.name == "ADDRESS":
            statements.append(Assign("ADDRESS", next(free)))
        else:
            statements.append(statement)
    return render_script(tuple(statements))


def memory(nodes: int) -> float:
    """What a standing world takes, in MB of PSS (proc(5), smaps_rollup)."""
    with tempfile.TemporaryDirectory() as folder, LabUnderTest(Path(folder) / "home", spread(nodes, 2)) as lab:
        return sum(_pss(pid) for pid in _pids(lab.world.record)) / 1024


def _pids(record: WorldRecord) -> list[int]:
    return [record.root.outside, *(keeper.outside for _, keeper in record.keepers)]


def _pss(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def measure() -> list[Figure]:
    """All figures."""
    with tempfile.TemporaryDirectory() as folder:
        figures = whole_processes(Path(folder) / "home")
    few, _ = engine_against_bash(2, 1.5, RUNS)
    some, at_ten = engine_against_bash(10, 1.5, RUNS)
    many, at_hundred = engine_against_bash(100, 0.5, RUNS)
    growth = (at_hundred / 100) / (at_ten / 10)
    two, ten = memory(2), memory(10)
    each = (ten - two) / 8
    return [
        *figures,
        few,
        some,
        many,
        Figure("engine, a container at 100 ÷ a container at 10", f"{growth:.2f} ×", "≤ 1 ×", growth <= 1),
        Figure("a standing world of two nodes", f"{two:.1f} MB", "≤ 25 MB", two <= 25),
        Figure("each further node", f"{each:.2f} MB", "≤ 2 MB", each <= 2),
    ]


def table(figures: list[Figure], runs: int = RUNS) -> str:
    """The figures as Markdown."""
    release = platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    kernel = platform.release().split("-")[0]
    machine = f"{release}, Linux {kernel}, Python {platform.python_version()}, {os.cpu_count()} cores"
    rows = [f"| {each.what} | {each.found} | {each.bound} | {'yes' if each.fine else '**no**'} |" for each in figures]
    head = ["| figure | median | wanted | held |", "|---|---|---|---|"]
    return "\n".join([f"{machine}; medians of {runs} or more.", "", *head, *rows])


def main(arguments: list[str]) -> int:
    """Measure, print, and write if asked."""
    figures = measure()
    text = table(figures)
    print(text)
    if "--write" in arguments:
        write_between("docs/performance.md", (BEGIN, END), text)
    return 0 if all(each.fine for each in figures) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
