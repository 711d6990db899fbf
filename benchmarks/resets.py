"""Wrecks a lab at random, as tests/test_reset.py does, but more often; `reset --to N` puts it back. Prints a table.

With `--write` the table goes into docs/faults.md too, between its marks. A number says how many states. Ctrl-C or
SIGTERM ends it early, with a table of what was done.
"""

from __future__ import annotations

import contextlib
import io
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.document import write_between  # noqa: E402 (the path is set above)
from labctl.cli.putting_back import put_back  # noqa: E402 (the path is set above)
from labctl.engine.remake.picture import take_picture  # noqa: E402 (as above)
from labctl.engine.remake.remake import differences  # noqa: E402 (as above)
from tests.lab_under_test import STEPS, LabUnderTest  # noqa: E402 (as above)
from tests.mischief import commit, mischief  # noqa: E402 (as above)
from tests.references import References  # noqa: E402 (as above)

BEGIN, END = "<!-- resets -->", "<!-- end of resets -->"
STATES, TOGETHER = 500, 50
FIRST_SEED = 1000
LONGEST_SECONDS = 2.0


@dataclass(frozen=True)
class Reset:
    """One state, put back."""

    seed: int
    to: int | None
    kinds: tuple[str, ...]
    seconds: float
    differs: tuple[str, ...]


def put_back_all(folder: Path, seeds: range) -> list[Reset]:
    """Wreck and put back, in worlds of one home; a new process of labctl's would take a quarter of a second longer."""
    references = References(folder / "references")
    done: list[Reset] = []
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt):
        for begin in range(seeds.start, seeds.stop, TOGETHER):
            with LabUnderTest(folder / f"home{begin}") as lab:
                for seed in range(begin, min(begin + TOGETHER, seeds.stop)):
                    done.append(_put_back(lab, references, seed))
                    if done[-1].differs:
                        print(f"\nseed {seed}, to {done[-1].to}: {done[-1].differs[:5]}", file=sys.stderr)
                    print(f"\r{len(done)} of {len(seeds)}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return done


def _put_back(lab: LabUnderTest, references: References, seed: int) -> Reset:
    acts = mischief(seed, lab.lab)
    commit(lab, acts)
    to = (None, *STEPS)[seed % (len(STEPS) + 1)]
    began = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        put_back(lab.session, to, "all", as_json=False)
    seconds = time.perf_counter() - began
    lab.enter_anew()
    found = differences(take_picture(lab.kernel, lab.lab), references.after(to))
    return Reset(seed, to, tuple(act.kind for act in acts), seconds, found)


def table(done: list[Reset]) -> str:
    """How many were exact, and how long they took, by the step that was asked for."""
    rows = ["| put back to | states | exact | median | longest | over 2 s |", "|---|---|---|---|---|---|"]
    targets: tuple[int | str | None, ...] = (None, *STEPS, "all")
    for to in targets:
        own = [each for each in done if to in ("all", each.to)]
        name = "as after `up`" if to is None else "all" if to == "all" else f"step {to}"
        seconds = [each.seconds for each in own] or [0.0]
        exact = sum(not each.differs for each in own)
        slow = sum(each > LONGEST_SECONDS for each in seconds)
        rows.append(
            f"| {name} | {len(own)} | {exact} | {statistics.median(seconds):.2f} s | {max(seconds):.2f} s | {slow} |"
        )
    kinds = Counter(kind for each in done for kind in each.kinds)
    told = {"apply": "applied", "killed": "applied and killed", "undo": "undone", "type": "typed"}
    rows += ["", "What was done: " + ", ".join(f"{told[kind]} {times}" for kind, times in sorted(kinds.items())) + "."]
    return "\n".join(rows)


def main(arguments: list[str]) -> int:
    """Wreck, put back, print, and write if asked."""
    number = next((int(each) for each in arguments if each.isdecimal()), STATES)
    with tempfile.TemporaryDirectory() as folder:
        done = put_back_all(Path(folder), range(FIRST_SEED, FIRST_SEED + number))
    text = table(done)
    print(text)
    if "--write" in arguments:
        write_between("docs/faults.md", (BEGIN, END), text)
    return 1 if any(each.differs for each in done) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
