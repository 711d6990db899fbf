"""Sends labnet generated inputs, as tests/test_cni_plugin_inputs.py does, but more of them. Prints a table.

With `--write` the table goes into docs/faults.md too, between its marks. A number says how many inputs.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from hypothesis import HealthCheck, Phase, given, seed, settings  # noqa: E402 (the path is set above)

from benchmarks.document import write_between  # noqa: E402 (the path is set above)
from tests.cni_inputs import COMMANDS, Bystanders, Reply, Request, ask_all, fault_of, requests  # noqa: E402 (as above)
from tests.cni_runtime import Runtime  # noqa: E402 (as above)
from tests.lab_under_test import LabUnderTest  # noqa: E402 (as above)

BEGIN, END = "<!-- faults -->", "<!-- end of faults -->"
INPUTS, TOGETHER = 10_000, 50
SEED = 3
LONGEST_SECONDS = 2.0
KILLED_SECONDS = 60.0


def generate(netns: str, number: int) -> list[Request]:
    """Inputs, by the same seed always the same."""
    made: list[Request] = []

    @seed(SEED)
    @settings(
        max_examples=number,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(requests(netns))
    def note(one: Request) -> None:
        made.append(one)

    note()
    return made[:number]


def ask(runtime: Runtime, asked: list[Request]) -> list[tuple[Request, Reply]]:
    """Send them, and look after each batch whether anything of anybody else's has changed."""
    bystanders = Bystanders(runtime)
    answered = []
    for begin in range(0, len(asked), TOGETHER):
        batch = asked[begin : begin + TOGETHER]
        replies = ask_all(runtime, batch, KILLED_SECONDS)
        answered += zip(batch, replies, strict=True)
        bystanders.assert_unchanged()
    return answered


def table(answered: list[tuple[Request, Reply]]) -> str:
    """How many of each command ended how, and how long they took."""
    rows = [
        "| command | inputs | success | refused, by code | faults | longest | over 2 s |",
        "|---|---|---|---|---|---|---|",
    ]
    for kind in (*COMMANDS, "other", "all"):
        own = [
            each
            for each in answered
            if kind in ("all", each[0].command) or (kind == "other" and each[0].command not in COMMANDS)
        ]
        codes = Counter(reply.said["code"] for _, reply in own if reply.code == 1)
        spelled = ", ".join(f"{code}: {times}" for code, times in sorted(codes.items()))
        successes = sum(reply.code == 0 for _, reply in own)
        faults = sum(bool(fault_of(*each)) for each in own)
        slow = sum(reply.seconds > LONGEST_SECONDS for _, reply in own)
        longest = max((reply.seconds for _, reply in own), default=0.0)
        rows.append(f"| {kind} | {len(own)} | {successes} | {spelled} | {faults} | {longest:.2f} s | {slow} |")
    return "\n".join(rows)


def main(arguments: list[str]) -> int:
    """Send, print, and write if asked."""
    number = next((int(each) for each in arguments if each.isdecimal()), INPUTS)
    with tempfile.TemporaryDirectory() as folder, LabUnderTest(Path(folder) / "home") as lab:
        runtime = Runtime(lab)
        answered = ask(runtime, generate(runtime.netns("a"), number))
    text = table(answered)
    print(text)
    bad = [each for each in answered if fault_of(*each) or each[1].seconds > LONGEST_SECONDS]
    for request, reply in bad[:20]:
        print(f"{fault_of(request, reply)}: {request} {reply}", file=sys.stderr)
    if "--write" in arguments:
        write_between("docs/faults.md", (BEGIN, END), text)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
