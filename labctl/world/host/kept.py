"""What is known of this machine before the lab, as the home of the lab keeps it: the file outlives crash and reboot."""

from __future__ import annotations

import json
import os
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
    """Write it down, whole or not at all, and on the disk: a power cut must not take it.

    Raises:
        KernelRefused: the home cannot be written.
    """
    plan = {"topology": kept.topology, "node": kept.node, "cloud": kept.cloud}
    text = json.dumps({"schema": _SCHEMA, **plan, "baseline": to_json(kept.baseline)}) + "\n"
    path = state.home / BASELINE
    beside = path.with_suffix(".new")
    try:
        with beside.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise KernelRefused(f"{path} cannot be written: {error.strerror}", "nothing was changed yet") from None


def forget(state: State) -> None:
    """Remove it; gone already is success."""
    (state.home / BASELINE).unlink(missing_ok=True)


def load(state: State) -> Kept | None:
    """Read it; None where no lab has come yet, or the last one has gone.

    Raises:
        KernelRefused: the file cannot be understood.
    """
    path = state.home / BASELINE
    try:
        return _parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise KernelRefused(
            f"{path} cannot be read: {type(error).__name__} {error}",
            f"it tells what was here before the lab; take the lab away by hand, then: rm {path}",
        ) from None


def _parse(text: str) -> Kept:
    data = json.loads(text)
    if data["schema"] != _SCHEMA:
        raise ValueError("schema")
    return Kept(data["topology"], data["node"], data["cloud"], from_json(data["baseline"]))
