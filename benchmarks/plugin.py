"""Measures the CNI plug-in against Debian's `bridge` + `host-local` + `firewall`, in one run. Prints a table.

With `--write` the table goes into docs/performance.md too, between its marks.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.document import write_between  # noqa: E402 (the path is set above)
from benchmarks.figures import Figure, table  # noqa: E402 (the path is set above)
from tests.cni_runtime import DEBIAN, Runtime  # noqa: E402 (as above)
from tests.lab_under_test import LabUnderTest  # noqa: E402 (as above)

RUNS, PARALLEL, MANY = 15, 20, 200
BEGIN, END = "<!-- figures of the plug-in -->", "<!-- end of figures of the plug-in -->"
_RANGES = [[{"subnet": "10.244.0.0/24"}]]
_REFERENCE_RANGES = [[{"subnet": "10.250.0.0/24"}]]
CHAINS = (
    ("labnet", "/opt/labctl/bin", [{"type": "labnet", "ipMasq": True, "ipam": {"ranges": _RANGES}}]),
    (
        "reference",
        DEBIAN,
        [
            {
                "type": "bridge",
                "bridge": "ref0",
                "isDefaultGateway": True,
                "ipMasq": True,
                "hairpinMode": True,
                "ipam": {"type": "host-local", "ranges": _REFERENCE_RANGES},
            },
            {"type": "firewall"},
        ],
    ),
)


def ask(runtime: Runtime, do: str, many: int = 0) -> Any:  # noqa: ANN401 (as the driver answers)
    """Have the driver do something on a node."""
    driver = (ROOT / "benchmarks/plugin_driver.py").read_text(encoding="utf-8")
    asked = json.dumps({"do": do, "chains": CHAINS, "runs": RUNS, "many": many})
    done = runtime.run("python3", "-IS", "-c", driver, text=asked)
    assert done.code == 0, done.err
    return json.loads(done.out)


def measure() -> dict[str, Any]:
    """All of it; the second container's ADD and the last one's in turn, each on a node of its own."""
    with tempfile.TemporaryDirectory() as folder, LabUnderTest(Path(folder) / "home") as lab:
        few, many = Runtime(lab, "master"), Runtime(lab, "worker")
        found = {"one": ask(few, "one by one"), "at once": ask(few, "at once", PARALLEL)}
        found["apart"] = ask(few, "at once, apart", PARALLEL)
        ask(few, "fill", 1)
        ask(many, "fill", MANY - 1)
        pairs = [(ask(few, "once"), ask(many, "once")) for _ in range(RUNS + 1)][1:]
    return {**found, "growth": statistics.median(last / second for second, last in pairs)}


def figures(found: dict[str, Any]) -> list[Figure]:
    """The figures: each a ratio within the run."""
    ours, theirs = ({key: statistics.median(times) for key, times in found["one"][name].items()} for name in _NAMES)
    whole, alone = sum(ours.values()) / sum(theirs.values()), ours["ADD"] / theirs["ADD"]
    growth = found["growth"]
    return [
        Figure(
            f"ADD + CHECK + DEL ÷ the reference's ({_spell(ours)} ÷ {_spell(theirs)} ms)",
            f"{whole:.2f} ×",
            "≤ 1.0 ×",
            whole <= 1,
        ),
        Figure("ADD ÷ the reference's", f"{alone:.2f} ×", "≤ 3 ×", alone <= 3),
        *_at_once(found["at once"], "all in one session"),
        *_at_once(found["apart"], "each in a session of its own"),
        Figure(f"the {MANY}th container's ADD ÷ the 2nd's", f"{growth:.2f} ×", "≤ 1.3 ×", growth <= 1.3),
    ]


_NAMES = ("labnet", "reference")


def _at_once(found: dict[str, Any], how: str) -> list[Figure]:
    ours, theirs = (found[name] for name in _NAMES)
    times, reference = statistics.median(ours["times"]), statistics.median(theirs["times"])
    spoilt = ours["failed"] + ours["twice"]
    return [
        Figure(
            f"{PARALLEL} ADDs at once, {how} ÷ the reference's ({times * 1000:.0f} ÷ {reference * 1000:.0f} ms)",
            f"{times / reference:.2f} ×",
            "≤ 1.5 ×",
            times / reference <= 1.5,
        ),
        Figure("of these, failed or with another's address", f"{spoilt}", "0", spoilt == 0),
    ]


def _spell(times: dict[str, float]) -> str:
    return " + ".join(f"{seconds * 1000:.0f}" for seconds in times.values())


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
