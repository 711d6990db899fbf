"""What the API server answers when it does not give what was asked for: a `Status`, worded as the real one words it.

The forms are those of k8s.io/apimachinery/pkg/api/errors; kubectl prints `Error from server (REASON): MESSAGE`.
"""

from __future__ import annotations

from typing import Any


class Refusal(Exception):
    """A request that is answered by a `Status`."""

    def __init__(self, code: int, reason: str, message: str, details: dict[str, Any] | None = None) -> None:
        """`reason` is one of the words of metav1.StatusReason."""
        super().__init__(message)
        self.code, self.reason, self.message, self.details = code, reason, message, details

    def as_json(self) -> dict[str, Any]:
        """The object."""
        status: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
        }
        if self.details is not None:
            status["details"] = self.details
        return status | {"code": self.code}


def not_found(resource: str, group: str, name: str) -> Refusal:
    """There is no such object."""
    qualified = f"{resource}.{group}" if group else resource
    details = {"name": name, **({"group": group} if group else {}), "kind": resource}
    return Refusal(404, "NotFound", f'{qualified} "{name}" not found', details)


def no_such_path() -> Refusal:
    """There is nothing at this path."""
    return Refusal(404, "NotFound", "the server could not find the requested resource", {})


def method_not_allowed(verb: str, resource: str, group: str) -> Refusal:
    """The lab is changed in the lab, not here."""
    qualified = f"{resource}.{group}" if group else resource
    details = {**({"group": group} if group else {}), "kind": resource}
    message = f'{verb} is not supported on resources of kind "{qualified}"'
    return Refusal(405, "MethodNotAllowed", message, details)


def no_method_here() -> Refusal:
    """The same where the path names no resource."""
    return Refusal(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {})


def bad_request(message: str) -> Refusal:
    """What was asked cannot be understood."""
    return Refusal(400, "BadRequest", message)


def unauthorized() -> Refusal:
    """No token, or a wrong one."""
    return Refusal(401, "Unauthorized", "Unauthorized")


def forbidden(message: str) -> Refusal:
    """Somebody else's page is asking."""
    return Refusal(403, "Forbidden", message, {})


def not_acceptable(offered: str) -> Refusal:
    """None of the forms that the caller takes is one that we have."""
    return Refusal(406, "NotAcceptable", f"only the following media types are accepted: {offered}")


def too_large(bound: int) -> Refusal:
    """The body is larger than anything that could make sense."""
    return Refusal(413, "RequestEntityTooLarge", f"Request entity too large: limit is {bound}")


def head_too_large(bound: int) -> Refusal:
    """The target or the headers are larger than anything that could make sense."""
    return Refusal(431, "BadRequest", f"the request's head is larger than {bound} bytes")


def too_many(message: str) -> Refusal:
    """There is no room for one more just now."""
    return Refusal(429, "TooManyRequests", message, {"retryAfterSeconds": 1})


def timed_out(message: str) -> Refusal:
    """The caller was too slow."""
    return Refusal(408, "Timeout", message)


def expired(message: str) -> Refusal:
    """What was to be gone on with is no longer known."""
    return Refusal(410, "Expired", message)


def internal_error(message: str) -> Refusal:
    """The lab itself could not be looked at."""
    details = {"causes": [{"message": message}]}
    return Refusal(500, "InternalError", f"Internal error occurred: {message}", details)
