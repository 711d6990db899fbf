"""nmap on one node (port `Scanner`): who answers in a range, and which addresses the range has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nmap

from labctl.errors import CannotTell
from labctl.model.store import ASK_FAST, why_nmap_failed

if TYPE_CHECKING:
    from labctl.model.ports import Programs
    from labctl.model.values import Completed

# Without it nmap asks DNS for every address, 13–17 s where none answers.
_NO_NAMES = "-n"
_AS_XML = ("-oX", "-")


class NodeScanner:
    """nmap, run on the node; python-nmap reads its XML."""

    def __init__(self, programs: Programs) -> None:
        """Run it through these."""
        self._programs = programs

    def answering(self, pod_range: str) -> tuple[str, ...]:
        """Who answers (`nmap -sn`)."""
        return read_answering(self._programs.run(asking(pod_range)))

    def listed(self, pod_range: str) -> tuple[str, ...]:
        """What there is (`nmap -sL -n`), without asking anybody."""
        return _read(self._programs.run(("nmap", _NO_NAMES, "-sL", pod_range, *_AS_XML)), "unknown")


def asking(pod_range: str) -> tuple[str, ...]:
    """The words that ask who answers; what comes of them is for `read_answering`."""
    return ("nmap", _NO_NAMES, "-sn", *ASK_FAST, pod_range, *_AS_XML)


def read_answering(done: Completed) -> tuple[str, ...]:
    """Who answered.

    Raises:
        CannotTell: nmap failed.
    """
    return _read(done, "up")


def _read(done: Completed, state: str) -> tuple[str, ...]:
    if done.code != 0:
        raise CannotTell(f"nmap failed: {why_nmap_failed(done)}", "try: labctl doctor")
    # PortScanner's constructor starts nmap by itself; only its reader is wanted, programs have one door.
    reader = nmap.PortScanner.__new__(nmap.PortScanner)
    found = reader.analyse_nmap_xml_scan(nmap_xml_output=done.out)["scan"]
    return tuple(address for address, host in found.items() if host["status"]["state"] == state)
