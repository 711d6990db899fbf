"""Sends the API server generated requests, as tests/test_api_requests.py does, but more of them. Prints a table.

With `--write` the table goes into docs/faults.md too, between its marks. A number says how many requests.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.document import write_between  # noqa: E402 (the path is set above)
from tests.api_requests import KINDS, fault_of, generate  # noqa: E402 (the path is set above)
from tests.lab_under_test import LabUnderTest  # noqa: E402 (as above)
from tests.served_lab import ServedLab, get  # noqa: E402 (as above)

if TYPE_CHECKING:
    from tests.served_lab import Reply

BEGIN, END = "<!-- requests -->", "<!-- end of requests -->"
REQUESTS, TOGETHER, SEED = 5_000, 250, 12
PATIENCE_SECONDS, LONGEST_SECONDS = 1.0, 2.0

Answered = list[tuple[str, bytes, "Reply"]]


def ask(served: ServedLab, asked: list[tuple[str, bytes]]) -> Answered:
    """Send them; after each batch the server must still answer a good one."""
    answered: Answered = []
    for begin in range(0, len(asked), TOGETHER):
        batch = asked[begin : begin + TOGETHER]
        replies = served.ask(*(request for _, request in batch))
        answered += [(name, request, reply) for (name, request), reply in zip(batch, replies, strict=True)]
        (fine,) = served.ask(get("/api/v1/nodes"))
        assert fine.code == 200, fine
    assert served.errors() == ""
    return answered


def table(answered: Answered) -> str:
    """How many of each kind were answered how, and how long the longest took."""
    rows = [
        "| what is wrong | requests | answered, by code | faults | longest | over 2 s |",
        "|---|---|---|---|---|---|",
    ]
    for kind in (*KINDS, "all"):
        own = [(request, reply) for name, request, reply in answered if kind in (name, "all")]
        codes = Counter(reply.code for _, reply in own)
        spelled = ", ".join(f"{code}: {times}" for code, times in sorted(codes.items()))
        faults = sum(bool(fault_of(reply)) for _, reply in own)
        longest = max((reply.seconds for _, reply in own), default=0.0)
        slow = sum(reply.seconds > LONGEST_SECONDS for _, reply in own)
        rows.append(f"| {kind} | {len(own)} | {spelled} | {faults} | {longest:.2f} s | {slow} |")
    return "\n".join(rows)


def main(arguments: list[str]) -> int:
    """Send, print, and write if asked."""
    number = next((int(each) for each in arguments if each.isdecimal()), REQUESTS)
    with tempfile.TemporaryDirectory() as folder, LabUnderTest(Path(folder) / "home") as lab:
        answered = ask(ServedLab(lab, PATIENCE_SECONDS), generate(number, SEED))
    text = table(answered)
    print(text)
    bad = [each for each in answered if fault_of(each[2])]
    for name, request, reply in bad[:20]:
        print(f"{name}: {fault_of(reply)}: {request[:300]!r} {reply}", file=sys.stderr)
    if "--write" in arguments:
        write_between("docs/faults.md", (BEGIN, END), text)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
