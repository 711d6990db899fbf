"""Something that a learner types wrong, and what verify has to say of it."""

from __future__ import annotations

from dataclasses import dataclass

from labctl.engine.report import Outcome


@dataclass(frozen=True)
class Wrong:
    """What is typed after the step was done, and what the first cause then says.

    `cleared`: labctl must refuse to touch it, and this moves it away. `residue`: what is not the lab's, and stays.
    """

    typed: str
    says: tuple[str, ...]
    outcome: Outcome = Outcome.WRONG
    cleared: str = ""
    residue: str = ""
    at: str = "master"


NOT_DONE = Outcome.NOT_DONE
