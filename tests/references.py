"""What a lab should look like: pictures of a world of its own, in which nothing but the steps was ever done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labctl.engine.remake.picture import take_picture
from tests.lab_under_test import STEPS, LabUnderTest

if TYPE_CHECKING:
    from pathlib import Path

    from labctl.engine.remake.picture import Picture


class References:
    """The pictures, all taken when the first is asked for."""

    def __init__(self, home: Path) -> None:
        """Use this home for the world."""
        self._home = home
        self._pictures: list[Picture] = []

    def after(self, step: int | None) -> Picture:
        """As after `up` (None), or as after a step on every node."""
        if not self._pictures:
            with LabUnderTest(self._home) as lab:
                self._pictures.append(take_picture(lab.kernel, lab.lab))
                for number in STEPS:
                    lab.apply((number,))
                    self._pictures.append(take_picture(lab.kernel, lab.lab))
        return self._pictures[0 if step is None else step + 1]
