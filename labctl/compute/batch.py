"""Several requests in one (`POST /batch/compute/v1`): what gcloud sends when it deletes more than one thing.

Request and answer are `multipart/mixed`; each part is an HTTP message of its own (`application/http`), and the answer's
`Content-ID` is the request's with `response-` before it (cloud.google.com/compute/docs/api/how-tos/batch).
"""

from __future__ import annotations

from email.parser import BytesParser
from http import HTTPStatus
from typing import TYPE_CHECKING

from labctl.compute.message import JSON, Request, Response
from labctl.compute.refusal import malformed

if TYPE_CHECKING:
    from collections.abc import Callable
    from email.message import Message

_MOST_PARTS = 1000
_BOUNDARY = "batch_labctl"


def respond_to_all(request: Request, respond: Callable[[Request], Response]) -> Response:
    """Answer the requests one after the other, in their order.

    Raises:
        ServiceRefused: it is no such message.
    """
    try:
        whole = BytesParser().parsebytes(f"Content-Type: {request.content_type}\r\n\r\n".encode() + request.body)
    except RecursionError:  # parts in parts in parts
        raise malformed("Failed to parse batch request, error: Nested too deeply.", "badRequest") from None
    parts = whole.get_payload()
    if not isinstance(parts, list) or len(parts) > _MOST_PARTS:
        raise malformed("Failed to parse batch request, error: Expected multipart/mixed.", "badRequest")
    answers = [_answer(part, respond) for part in parts if not isinstance(part, str)]
    content = b"".join(b"--%s\r\n%s\r\n" % (_BOUNDARY.encode(), each) for each in answers)
    return Response(200, content + f"--{_BOUNDARY}--\r\n".encode(), f"multipart/mixed; boundary={_BOUNDARY}")


def _answer(part: Message, respond: Callable[[Request], Response]) -> bytes:
    payload = part.get_payload(decode=True)
    line, _, rest = (payload if isinstance(payload, bytes) else b"").lstrip().partition(b"\n")
    words = line.decode("latin-1").split()
    if len(words) < 2:  # noqa: PLR2004 (a method and a target)
        raise malformed("Failed to parse batch request, error: Not an HTTP request.", "badRequest")
    inner = BytesParser().parsebytes(rest)
    body = inner.get_payload(decode=True)
    media = str(inner.get("Content-Type", ""))
    answer = respond(Request(words[0], words[1], body if isinstance(body, bytes) else b"", media))
    # A header's value comes from the caller: without line ends it cannot become two.
    own = "".join(str(part.get("Content-ID", "")).split()).removeprefix("<")
    head = (
        f"Content-Type: application/http\r\nContent-ID: <response-{own}\r\n\r\n"
        f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}\r\n"
        f"Content-Type: {JSON}\r\nContent-Length: {len(answer.content)}\r\n\r\n"
    )
    return head.encode() + answer.content
