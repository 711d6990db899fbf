"""`status` in the host world, on a machine with thousands of rules and hundreds of interfaces that are others'.

With `--write` the table goes into docs/performance.md too, between its marks.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.document import write_between  # noqa: E402 (the path is set above)
from tests.host_under_test import OTHERS, HostUnderTest  # noqa: E402 (the path is set above)
from tests.lab_under_test import LabUnderTest  # noqa: E402 (as above)

BEGIN, END = "<!-- host -->", "<!-- end of host -->"
RULES, INTERFACES, TIMES = 3000, 500, 7
MOST_SECONDS = 2.0
_MANY = f"""\
iptables -N MANY
iptables -A FORWARD -j MANY
# A few hundred at a time: one message to the kernel has a bound.
for begin in $(seq 0 250 {RULES // 2 - 1}); do
  {{
    echo '*filter'
    for i in $(seq $((begin + 1)) $((begin + 250))); do
      echo "-A MANY -s 172.20.$((i / 250)).$((i % 250))/32 -p tcp --dport $i -j ACCEPT"
      echo "-A FORWARD -d 172.21.$((i / 250)).$((i % 250))/32 -o docker0 -j ACCEPT"
    done
    echo COMMIT
  }} | iptables-restore --noflush
done
for i in $(seq {INTERFACES // 2}); do
  echo "link add vethx$i type veth peer name vethy$i"
  echo "link set vethx$i master docker0"
done | ip -batch -
"""


def _times(host: HostUnderTest, *words: str, code: int | None = None) -> float:
    seconds = []
    for _ in range(TIMES):
        began = time.perf_counter()
        host.labctl(*words, code=code)
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def measure(many: str) -> dict[str, float]:
    """Seconds of `up`, and of `status` before the first step and after all."""
    with tempfile.TemporaryDirectory() as folder, LabUnderTest(Path(folder) / "home") as around:
        host = HostUnderTest(around)
        host.type(OTHERS + many)
        began = time.perf_counter()
        host.labctl("up")
        found = {"up": time.perf_counter() - began, "status, nothing done": _times(host, "status", code=1)}
        host.labctl("step", "0-6", "--apply")
        found["status, steps 0 to 6 done"] = _times(host, "status", code=1)
        began = time.perf_counter()
        host.labctl("down")
        return {**found, "down": time.perf_counter() - began}


def main(arguments: list[str]) -> int:
    """Measure, print, and write if asked."""
    few, many = measure(""), measure(_MANY)
    rows = [f"| | a few | {RULES} rules, {INTERFACES} interfaces |", "|---|---|---|"]
    rows += [f"| {what} | {few[what]:.2f} s | {many[what]:.2f} s |" for what in few]
    text = "\n".join(rows)
    print(text)
    if "--write" in arguments:
        write_between("docs/performance.md", (BEGIN, END), text)
    return 1 if max(seconds for what, seconds in many.items() if "status" in what) > MOST_SECONDS else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
