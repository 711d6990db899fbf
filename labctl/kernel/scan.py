"""nmap on one node (port `Scanner`): who answers in a range, and which addresses the range has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nmap

from labctl.errors import CannotTell

if TYPE_CHECKING:
    from labctl.model.ports import Programs

# -n: without it nmap asks DNS for every address, 13–17 s where none answers. The rest cuts what a silent /24 costs
# from seconds to a sixth of one (nmap(1), TIMING AND PERFORMANCE; measured).
FAST = ("-n", "-T5", "--max-retries", "0", "--min-parallelism", "100", "--max-rtt-timeout", "100ms")


class NodeScanner:
    """nmap, run on the node; python-nmap reads its XML."""

    def __init__(self, programs: Programs) -> None:
        """Run it through these."""
        self._programs = programs

    def answering(self, pod_range: str) -> tuple[str, ...]:
        """Who answers (`nmap -sn`)."""
        return self._hosts("-sn", *FAST, pod_range, state="up")

    def listed(self, pod_range: str) -> tuple[str, ...]:
        """What there is (`nmap -sL -n`), without asking anybody."""
        return self._hosts("-sL", "-n", pod_range, state="unknown")

    def _hosts(self, *arguments: str, state: str) -> tuple[str, ...]:
        done = self._programs.run(("nmap", *arguments, "-oX", "-"))
        if done.code != 0:
            raise CannotTell(f"nmap failed: {(done.err or done.out).strip().splitlines()[:1]}", "try: labctl doctor")
        # PortScanner's constructor starts nmap by itself; only its reader is wanted, programs have one door.
        reader = nmap.PortScanner.__new__(nmap.PortScanner)
        found = reader.analyse_nmap_xml_scan(nmap_xml_output=done.out)["scan"]
        return tuple(address for address, host in found.items() if host["status"]["state"] == state)
