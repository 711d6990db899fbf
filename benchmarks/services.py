"""Measures what step 9's rules cost, for 1 and for 5,000 Services of three endpoints, with either backend of iptables.

As root, in a world of root's: iptables-nft sends all rules in one message, which may be so large for root only. With
`--write` the table goes into docs/performance.md too, between its marks.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.document import write_between  # noqa: E402 (the path is set above)
from benchmarks.figures import Figure, seconds, table  # noqa: E402 (the path is set above)
from labctl.model.resource import Present  # noqa: E402 (as above)
from labctl.model.service import Service, ServicePort, serving  # noqa: E402 (as above)
from labctl.model.service_chains import make_portals  # noqa: E402 (as above)
from labctl.model.store import reserved_address  # noqa: E402 (as above)
from labctl.model.value import replace  # noqa: E402 (as above)
from labctl.resources import ServiceRules  # noqa: E402 (as above)
from labctl.resources.service_reading.spell import spell_load, wanted_rules  # noqa: E402 (as above)
from tests.lab_under_test import LabUnderTest  # noqa: E402 (as above)

if TYPE_CHECKING:
    from labctl.model.resource import Seen
    from labctl.model.values import Completed

BEGIN, END = "<!-- figures of Services -->", "<!-- end of figures of Services -->"
RUNS = {1: 15, 5000: 5}
BACKENDS = ("nft", "legacy")
_TEXT = "/tmp/services"  # noqa: S108 (in the lab's own world)
_BARE = f"iptables-restore -w 5 --noflush <{_TEXT}"
_EMPTY = "*nat\nCOMMIT\n*filter\n:FORWARD DROP [0:0]\nCOMMIT\n"


class Bench:
    """One node of a lab, with so many Services to be made."""

    def __init__(self, lab: LabUnderTest, count: int) -> None:
        self._kernel, self._node = lab.kernel, lab.lab.nodes[0]
        services = tuple(
            Service("bench", f"svc-{number}", f"10.96.{number >> 8}.{number & 255}", (_PORT,), serving(lab.lab))
            for number in range(1, count + 1)
        )
        self._rules = ServiceRules(lab.lab, self._node, services, shared=True)
        found = {each: reserved_address(lab.kernel, each, lab.lab.network) for each in serving(lab.lab)}
        portals = make_portals(services, {each: address for each, address in found.items() if address})
        self.text = spell_load(wanted_rules(portals, str(lab.lab.cluster_range)), {}, {}, shared=True)
        lab.kernel.files(self._node.name).write(_TEXT, self.text)

    def clear(self) -> None:
        """Take every rule away, so that the next load is from nothing."""
        self._run("iptables-restore", _EMPTY)
        self._kernel.refresh()

    def bare(self) -> float:
        """The text, loaded by the program alone."""
        self.clear()
        return seconds(lambda: self._run(_BARE))

    def apply(self) -> float:
        """The same by the resource, which has looked already, as it has when its plan is carried out."""
        self.clear()
        rules = replace(self._rules)
        rules.observe(self._kernel)
        return seconds(lambda: rules.apply(self._kernel))

    def verify(self) -> float:
        """A look at what stands now."""
        self._kernel.refresh()
        seen: list[Seen] = []
        rules = replace(self._rules)
        took = seconds(lambda: seen.append(rules.observe(self._kernel)))
        assert seen == [Present()], seen
        return took

    def _run(self, script: str, text: str = "") -> Completed:
        done = self._kernel.programs(self._node.place).run(("sh", "-c", script), text)
        assert done.code == 0, done.err
        return done


_PORT = ServicePort("http", 80, 80)


def measure_backend(backend: str) -> list[Figure]:
    """Bare, by the resource, and looked at, in turn."""
    os.environ["LABCTL_IPTABLES"] = backend
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as folder, LabUnderTest(Path(folder, "home"), kind="privileged") as lab:
        lab.apply(range(2), nodes=lab.lab.nodes)
        for count, runs in RUNS.items():
            bench = Bench(lab, count)
            times = [(bench.bare(), bench.apply(), bench.verify()) for _ in range(runs + 1)][1:]
            bench.clear()
            bare, apply, verify = (statistics.median(each) for each in zip(*times, strict=True))
            load = statistics.median(apply / bare for bare, apply, _ in times)
            look = statistics.median(verify / apply for _, apply, verify in times)
            many = f"{count:,} Service{'s' if count > 1 else ''}, {backend}"
            what = f"{many}: apply ÷ bare `iptables-restore --noflush` ({_spell(apply)} ÷ {_spell(bare)})"
            figures += [
                Figure(what, f"{load:.2f} ×", "≤ 1.2 ×", load <= 1.2),
                Figure(f"{many}: verify ÷ apply ({_spell(verify)})", f"{look:.2f} ×", "≤ 1 ×", look <= 1),
            ]
    return figures


def _spell(time: float) -> str:
    return f"{time:.2f} s" if time > 0.1 else f"{time * 1000:.1f} ms"


def main(arguments: list[str]) -> int:
    """Measure, print, and write if asked."""
    measured = [figure for backend in BACKENDS for figure in measure_backend(backend)]
    text = table(measured, min(RUNS.values()))
    print(text)
    if "--write" in arguments:
        write_between("docs/performance.md", (BEGIN, END), text)
    return 0 if all(each.fine for each in measured) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
