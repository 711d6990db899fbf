"""Who may ask: only who holds a token, from this machine's own name, and with a request of bounded size.

A page in a browser can send requests to 127.0.0.1, under a foreign name even to a server that trusts its machine (DNS
rebinding): so a foreign Host or Origin is refused, as `kubectl proxy` does before us.
"""

from __future__ import annotations

import asyncio
import hmac
import re
from typing import TYPE_CHECKING

from labctl.api.status import bad_request, forbidden, head_too_large, timed_out, too_large, unauthorized

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.datastructures import Headers
    from starlette.requests import Request
    from starlette.types import Scope

MOST_HEAD, MOST_BODY = 16384, 1 << 20
"""Bytes of a request's target and headers, and of what follows them."""

_HOST = re.compile(r"(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?", re.IGNORECASE)
_ORIGIN = re.compile(r"https?://(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?", re.IGNORECASE)
_BEARER = re.compile(r"bearer +(\S+) *", re.IGNORECASE)


def check_head(scope: Scope) -> None:
    """Bound the head of a request that came in one piece; one that comes bit by bit is bounded while it comes.

    Raises:
        Refusal: 431 (RFC 6585, 5); 400 for another version of HTTP.
    """
    if scope["http_version"] not in ("1.0", "1.1"):
        raise bad_request(f"HTTP/{scope['http_version']} is not spoken here")
    parts = (scope["raw_path"], scope["query_string"], *(part for header in scope["headers"] for part in header))
    if sum(len(part) for part in parts) > MOST_HEAD:
        raise head_too_large(MOST_HEAD)


def check_caller(headers: Headers, tokens: Iterable[str]) -> None:
    """Let in who may ask.

    Raises:
        Refusal: 400 without a Host, 403 for a foreign Host or Origin, 401 without a token that we know.
    """
    host, origin = headers.get("host"), headers.get("origin")
    if not host:
        raise bad_request("missing required Host header")
    if not _HOST.fullmatch(host):
        raise forbidden(f'the Host "{host}" is not this server: it is asked as 127.0.0.1 or localhost only')
    if origin is not None and not _ORIGIN.fullmatch(origin):
        raise forbidden(f'the Origin "{origin}" is foreign')
    match = _BEARER.fullmatch(headers.get("authorization", ""))
    shown = match[1].encode() if match else b""
    # In a time that does not tell how much of it was right.
    if not any(hmac.compare_digest(shown, each.encode()) for each in tokens):
        raise unauthorized()


async def read_body(request: Request, patience: float) -> bytes:
    """Read the body to its end, also where it is not wanted: the answer comes after the question.

    Raises:
        Refusal: 413 if it is too large, 408 if it does not come.
    """
    told = request.headers.get("content-length", "0")
    if told.isdecimal() and int(told[:20]) > MOST_BODY:
        raise too_large(MOST_BODY)
    body = bytearray()
    try:
        async with asyncio.timeout(patience):
            async for part in request.stream():
                body += part
                if len(body) > MOST_BODY:
                    raise too_large(MOST_BODY)
    except TimeoutError:
        raise timed_out("the request's body did not come in time") from None
    return bytes(body)
