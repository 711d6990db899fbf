"""Measures what a pod costs a real runtime: containerd with labnet, and with Debian's reference plug-ins. As root.

With `--write` the table goes into docs/performance.md too, between its marks. What the runtimes need is there once
`./lab test` has run.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.document import write_between  # noqa: E402 (the path is set above)
from benchmarks.figures import Figure, table  # noqa: E402 (the path is set above)
from tests.runtimes.containerd import containerd_on  # noqa: E402 (as above)
from tests.runtimes.plugin import install, install_reference  # noqa: E402 (as above)
from tests.runtimes.world import runtime_lab  # noqa: E402 (as above)

if TYPE_CHECKING:
    from tests.runtimes.cri import Cri

RUNS = 15
BEGIN, END = "<!-- figures of the runtimes -->", "<!-- end of figures of the runtimes -->"


def measure() -> tuple[Figure, ...]:
    """Two worlds beside each other, asked in turn."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        labs = [
            stack.enter_context(runtime_lab(Path(folder, name), put))
            for name, put in (("ours", install), ("theirs", partial(install_reference, whole=True)))
        ]
        runtimes = [stack.enter_context(containerd_on(lab, "master")) for lab in labs]
        times: list[list[float]] = [[], []]
        for number in range(RUNS + 1):
            for of, cri in zip(times, runtimes, strict=True):
                of.append(_pod(cri, f"pod-{number}"))
    ours, theirs = (statistics.median(each[1:]) for each in times)
    spelled = f"{ours * 1000:.0f} ÷ {theirs * 1000:.0f} ms"
    what = f"RunPodSandbox + StopPodSandbox of containerd ÷ with the reference ({spelled})"
    return (Figure(what, f"{ours / theirs:.2f} ×", "≤ 1.0 ×", ours <= theirs),)


def _pod(cri: Cri, name: str) -> float:
    began = time.perf_counter()
    identity = cri.start_sandbox(name)
    cri.stop_sandbox(identity)
    took = time.perf_counter() - began
    cri.remove_sandbox(identity)
    return took


def main(arguments: list[str]) -> int:
    """Measure, print, and write if asked."""
    measured = measure()
    text = table(list(measured), RUNS)
    print(text)
    if "--write" in arguments:
        write_between("docs/performance.md", (BEGIN, END), text)
    return 0 if all(each.fine for each in measured) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
