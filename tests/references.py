"""What a lab should look like: pictures of a world of its own, in which nothing but the steps was ever done."""

from __future__ import annotations

import fcntl
import json
from typing import TYPE_CHECKING

from labctl.engine.remake.picture import take_picture
from tests.lab_under_test import STEPS, LabUnderTest

if TYPE_CHECKING:
    from pathlib import Path

    from labctl.engine.remake.picture import Picture


class References:
    """The pictures: all taken when the first is asked for, once for all processes that share the folder."""

    def __init__(self, folder: Path) -> None:
        """Use this folder for the world and the pictures."""
        self._folder = folder
        self._pictures: list[Picture] = []

    def after(self, step: int | None) -> Picture:
        """As after `up` (None), or as after a step on every node."""
        if not self._pictures:
            self._folder.mkdir(exist_ok=True)
            with (self._folder / "lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                file = self._folder / "pictures.json"
                if not file.exists():
                    file.write_text(json.dumps(self._take()), encoding="utf-8")
                self._pictures = json.loads(file.read_text(encoding="utf-8"))
        return self._pictures[0 if step is None else step + 1]

    def _take(self) -> list[Picture]:
        with LabUnderTest(self._folder / "home") as lab:
            pictures = [take_picture(lab.kernel, lab.lab)]
            for number in STEPS:
                lab.apply((number,))
                pictures.append(take_picture(lab.kernel, lab.lab))
        return pictures
