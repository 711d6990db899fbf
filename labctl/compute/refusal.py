"""How the compute service says no: HTTP status, reason, canonical status and a sentence (AIP-193, compute v1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Never

if TYPE_CHECKING:
    from labctl.errors import LabError
    from labctl.world.gcloud.reference import Record


class ServiceRefused(Exception):
    """The service said no; the message is its own.

    `code` is the HTTP status, `reason` and `status` what programs tell it by (`notFound`, `NOT_FOUND`).
    """

    def __init__(self, message: str, code: int, reason: str, status: str) -> None:
        """Say so."""
        super().__init__(message)
        self.code, self.reason, self.status = code, reason, status

    def as_json(self) -> Record:
        """The body of the answer."""
        message = str(self)
        errors = [{"message": message, "domain": "global", "reason": self.reason}]
        return {"error": {"code": self.code, "message": message, "errors": errors, "status": self.status}}


def not_found(path: str) -> ServiceRefused:
    """There is no such resource."""
    return ServiceRefused(f"The resource '{path}' was not found", 404, "notFound", "NOT_FOUND")


def exists(path: str) -> ServiceRefused:
    """There is such a resource already."""
    return ServiceRefused(f"The resource '{path}' already exists", 409, "alreadyExists", "ALREADY_EXISTS")


def in_use(path: str, user: str) -> ServiceRefused:
    """Something else needs it."""
    what = f"The {path.split('/')[-2].removesuffix('s')} resource '{path}' is already being used by '{user}'"
    return ServiceRefused(what, 400, "resourceInUseByAnotherResource", "INVALID_ARGUMENT")


def malformed(message: str, reason: str = "invalid") -> ServiceRefused:
    """What was sent cannot be read."""
    return ServiceRefused(message, 400, reason, "INVALID_ARGUMENT")


def invalid(field: str, value: str, why: str) -> Never:
    """A value is none of those that a field may have.

    Raises:
        ServiceRefused: always.
    """
    raise malformed(f"Invalid value for field '{field}': '{value}'. {why}")


def refusal_of(error: LabError) -> ServiceRefused:
    """What the lab's own cloud refuses, as it says it. Not a 5xx: the client would try again, and again."""
    message = f"{error.what} ({error.hint})" if error.hint else error.what
    return ServiceRefused(message, 400, "failedPrecondition", "FAILED_PRECONDITION")
