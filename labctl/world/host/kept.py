"""What is known of this machine before the lab, as the home of the lab keeps it: the file outlives crash and reboot."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labctl.errors import KernelRefused
from labctl.model.baseline import Baseline, from_json, to_json
from labctl.world.topology import localise, read_lab

if TYPE_CHECKING:
    from labctl.model.lab import Lab
    from labctl.world.state import State
    from labctl.world.topology import Document

BASELINE = "baseline.json"
_SCHEMA = 1


@dataclass(frozen=True)
class Kept:
    """What is known of this machine before the lab, and the plan of the lab that has come since."""

    topology: Document
    node: str
    cloud: str
    baseline: Baseline

    @property
    def lab(self) -> Lab:
        """The lab, as it is seen from here."""
        return localise(read_lab(self.topology), self.node, self.cloud)


def keep(state: State, kept: Kept) -> None:
    """Write it down, before anything is changed."""
    plan = {"topology": kept.topology, "node": kept.node, "cloud": kept.cloud}
    state.keep(BASELINE, json.dumps({"schema": _SCHEMA, **plan, "baseline": to_json(kept.baseline)}) + "\n")


def load(state: State) -> Kept | None:
    """Read it; None where no lab has come yet, or the last one has gone.

    Raises:
        KernelRefused: the file cannot be understood.
    """
    text = state.kept(BASELINE)
    try:
        return _parse(text) if text is not None else None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        path = state.home / BASELINE
        raise KernelRefused(
            f"{path} cannot be read: {type(error).__name__} {error}",
            f"it tells what was here before the lab; take the lab away by hand, then: rm {path}",
        ) from None


def _parse(text: str) -> Kept:
    data = json.loads(text)
    if data["schema"] != _SCHEMA:
        raise ValueError("schema")
    return Kept(data["topology"], data["node"], data["cloud"], from_json(data["baseline"]))
