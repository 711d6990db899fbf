"""One call of a plug-in: what was sent, and what came back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from labctl.cni.conformance.check import Failed

if TYPE_CHECKING:
    from collections.abc import Collection

# As timeout(1) says it of a command that it had to end.
TIMED_OUT = 124
KILLED = -9
_MOST = 1500
# What is longer is no answer, and hundreds of them are held.
_KEPT = 1 << 20


@dataclass(frozen=True)
class Answer:
    """What a plug-in was sent (variables, standard input), and what it gave."""

    variables: tuple[tuple[str, str], ...]
    text: str
    code: int
    out: str
    err: str
    killed: bool = False
    """Whether it was we who ended it, on purpose."""
    seconds: float = 10
    """How long it was given."""

    @cached_property
    def said(self) -> Any:  # noqa: ANN401 (whatever JSON can say)
        """The JSON on standard output; None where that is no JSON document."""
        try:
            return json.loads(self.out)
        except ValueError:
            return None

    @property
    def fields(self) -> dict[str, Any]:
        """The JSON object on standard output; empty where there is none."""
        return self.said if isinstance(self.said, dict) else {}

    @property
    def version(self) -> str | None:
        """The version that the configuration named; None if it named none that can be read."""
        try:
            return str(json.loads(self.text)["cniVersion"])
        except (ValueError, TypeError, KeyError):
            return None

    @property
    def sent(self) -> dict[str, Any]:
        """The configuration that it was sent; empty where that was no JSON object."""
        try:
            sent = json.loads(self.text)
        except ValueError:
            return {}
        return sent if isinstance(sent, dict) else {}

    @property
    def words(self) -> str:
        """What an error says, message and details."""
        return f"{self.fields.get('msg', '')} {self.fields.get('details', '')}"

    def __str__(self) -> str:
        """Say what was sent and what came, so that it can be done again."""
        variables = " ".join(
            f"{name}={value!r}" if " " in value or not value else f"{name}={value}" for name, value in self.variables
        )
        said = "".join(
            f", {where} {_shorten(text.strip())}"
            for where, text in (("stdout", self.out), ("stderr", self.err))
            if text.strip()
        )
        return f"sent {variables} with {_shorten(self.text) or 'an empty stdin'}; came {self._end}{said or ', no word'}"

    @property
    def cut_short(self) -> bool:
        """Whether it was killed on purpose before it had ended by itself."""
        return self.killed and self.code == KILLED

    @property
    def _end(self) -> str:
        if self.cut_short:
            return "nothing more: it was killed in the middle, on purpose"
        ends = {
            TIMED_OUT: f"no end within {self.seconds:g} seconds",
            KILLED: "an end by signal 9, by which labctl ends output without end, too",
        }
        return ends.get(self.code, f"exit code {self.code}" if self.code >= 0 else f"an end by signal {-self.code}")

    def expect_success(self, what: str) -> Answer:
        """Raise Failed unless it ended with 0."""
        if self.code != 0:
            raise Failed(f"{what}: {self}")
        return self

    def expect_error(self, what: str, codes: Collection[int] = (), naming: str = "") -> Answer:
        """Raise Failed unless it ended with an error, of one of these codes (if any is given), naming something."""
        if self.code in (TIMED_OUT, KILLED):
            raise Failed(f"it did not end: {self}")
        if self.code == 0:
            raise Failed(f"{what}: {self}")
        if codes and self.fields.get("code") not in codes:
            expected = " or ".join(map(str, sorted(codes)))
            raise Failed(f"{what}: the error's code is {self.fields.get('code')!r}, expected {expected}: {self}")
        if naming and naming not in self.words:
            raise Failed(f"{what}: the error does not name {naming}: {self}")
        return self


def keep(text: str) -> str:
    """As much of what a plug-in said as may be an answer."""
    return text if len(text) <= _KEPT else text[:_MOST]


def _shorten(text: str) -> str:
    return text if len(text) <= _MOST else f"{text[:_MOST]}…"
