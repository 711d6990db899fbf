"""How a plug-in fails: the codes of the CNI specification 1.1.0, section 5 "Error", and our own from 100."""

from __future__ import annotations

from typing import Any

from labctl.errors import Busy, LabError

UNSUPPORTED_VERSION = 1
UNKNOWN_CONTAINER = 3
BAD_VARIABLES = 4
NO_IO = 5
NOT_JSON = 6
BAD_CONFIGURATION = 7
TRY_LATER = 11
NOT_READY = 50
ONLY_IN_PART = 51
"""Not ready, and containers that are attached may have no connectivity either."""

NAME_TAKEN = 100
"""The container has an interface of that name already, or the node something that is not a bridge."""
NOT_AS_IT_SHOULD_BE = 101
"""CHECK found something missing or wrong."""
REFUSED = 102
"""The kernel or a tool refused."""
NO_ADDRESS = 103
"""Every address of the range is taken."""
DELEGATE_FAILED = 104
"""The IPAM plug-in failed without a word."""
DEFECT = 199
"""A defect of labnet itself."""


class CniFailure(Exception):
    """What a plug-in prints when it fails: a code, a sentence, and more of it."""

    def __init__(self, code: int, msg: str, details: str = "") -> None:
        """`msg` is one sentence that names what was wrong; `details` may be longer, or empty."""
        super().__init__(msg)
        self.code, self.msg, self.details = code, msg, details

    def as_json(self, version: str) -> dict[str, Any]:
        """The object that the specification wants on standard output."""
        said: dict[str, Any] = {"cniVersion": version, "code": self.code, "msg": self.msg}
        return {**said, "details": self.details} if self.details else said


def failure_of(error: LabError, more: str = "") -> CniFailure:
    """What an error of the lab's is to a runtime: 11 if it may ask again later, else 102; `more` goes into its word."""
    return CniFailure(TRY_LATER if isinstance(error, Busy) else REFUSED, f"{error.what}{more}", error.hint)
