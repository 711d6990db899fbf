"""Measures `kubectl get pods` against the lab's API server: whole processes in turn, inside the lab. Prints a table.

With `--write` the table goes into docs/performance.md too, between its marks.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.document import write_between  # noqa: E402 (the path is set above)
from benchmarks.figures import Figure, StillScanner, table  # noqa: E402 (the path is set above)
from labctl.world.topology import spread  # noqa: E402 (as above)
from tests.lab_under_test import STEPS, LabUnderTest  # noqa: E402 (as above)

BEGIN, END = "<!-- objects -->", "<!-- end of objects -->"
NODES, CONTAINERS, RUNS = 2, 50, 15
BOUND = 3.0
# Times both in turn, on the node itself, where kubectl has its cache of what the server has: the first run fills it.
_TIMER = """
import json, subprocess, sys, time
def seconds(*argv):
    began = time.perf_counter()
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    return time.perf_counter() - began, len(done.stdout.splitlines())
asked = ("kubectl", "get", "pods", "-A"), ("kubectl", "version", "--client")
json.dump([[seconds(*argv) for argv in asked] for _ in range(int(sys.argv[1]))], sys.stdout)
"""


def measure() -> list[tuple[float, float]]:
    """Pairs of seconds: a list of all pods, and what kubectl costs without any server."""
    with (
        tempfile.TemporaryDirectory() as folder,
        LabUnderTest(Path(folder) / "home", spread(NODES, CONTAINERS)) as lab,
    ):
        lab.kernel.scanner = StillScanner  # type: ignore[method-assign, assignment]  # nmap's time is not measured
        lab.apply(STEPS)
        programs = lab.kernel.programs(lab.lab.nodes[0].place)
        done = programs.run(("python3", "-IS", "-c", _TIMER, str(RUNS + 1)))
        assert done.code == 0, done.err
    pairs = json.loads(done.out)
    assert all(lines > NODES * CONTAINERS for (_, lines), _ in pairs)
    return [(get, version) for (get, _), (version, _) in pairs[1:]]


def figures(pairs: list[tuple[float, float]]) -> list[Figure]:
    """The figure: a ratio within the run."""
    ratio = statistics.median(get / version for get, version in pairs)
    get, version = (statistics.median(each) * 1000 for each in zip(*pairs, strict=True))
    what = (
        f"`kubectl get pods -A` ÷ `kubectl version --client`, {NODES * CONTAINERS} containers "
        f"({get:.0f} ÷ {version:.0f} ms)"
    )
    return [Figure(what, f"{ratio:.2f} ×", f"≤ {BOUND:.0f} ×", ratio <= BOUND)]


def main(arguments: list[str]) -> int:
    """Measure, print, and write if asked."""
    measured = figures(measure())
    text = table(measured, RUNS)
    print(text)
    if "--write" in arguments:
        write_between("docs/performance.md", (BEGIN, END), text)
    return 0 if all(each.fine for each in measured) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
