"""The HTTP of the server (uvicorn's, over h11): bounded in size and time, and a `Status` for what is no HTTP.

uvicorn bounds how long a connection may be idle between two requests, but not how long a head may take to come, nor how
long an answer may wait for a reader.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from labctl.api.gate import MOST_HEAD
from labctl.api.status import bad_request, head_too_large, timed_out

if TYPE_CHECKING:
    import asyncio

    from uvicorn.protocols.http.h11_impl import RequestResponseCycle

    from labctl.api.status import Refusal

_HEAD_TOO_LARGE = 431  # RFC 6585, 5


class BoundedProtocol(H11Protocol):
    """One connection. `patience`, in seconds, is how long a head may take, and an answer may wait for a reader."""

    patience = 10.0

    def __init__(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401 (as uvicorn calls it)
        """As uvicorn makes one."""
        super().__init__(*arguments, **named)
        self._head: asyncio.TimerHandle | None = None
        self._reader: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """The first head is awaited from now on."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is awaited any more."""
        self._head = _cancelled(self._head)
        self._reader = _cancelled(self._reader)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """A head that has begun has to end, however often a byte of it comes."""
        super().data_received(data)
        if self.transport.is_closing() or self.conn.their_state is not h11.IDLE:
            self._head = _cancelled(self._head)
        elif self._head is None:
            self._await_head()

    def pause_writing(self) -> None:
        """The other end does not read what we send."""
        super().pause_writing()
        self._reader = self._reader or self.loop.call_later(self.patience, self.transport.abort)

    def resume_writing(self) -> None:
        """It does again."""
        self._reader = _cancelled(self._reader)
        super().resume_writing()

    def _await_head(self) -> None:
        self._head = self.loop.call_later(self.patience, self._give_up)

    def _give_up(self) -> None:
        self._head = None
        if not self.transport.is_closing():
            self._refuse(timed_out("the request did not come in time"))

    def send_400_response(self, msg: str) -> None:
        """Say it as a `Status`; uvicorn calls this while it handles what h11 raised."""
        error = sys.exception()
        hint = error.error_status_hint if isinstance(error, h11.RemoteProtocolError) else 400
        if hint == _HEAD_TOO_LARGE:
            self._refuse(head_too_large(MOST_HEAD))
        else:
            self._refuse(bad_request(f"{msg.rstrip('.')}: {error}" if error else msg))

    def _refuse(self, refusal: Refusal) -> None:
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and not cycle.response_complete:
            # An application that is still at work on it has nobody to answer any more.
            cycle.disconnected = True
            cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            body = json.dumps(refusal.as_json(), separators=(",", ":")).encode() + b"\n"
            headers = [
                ("content-type", "application/json"),
                ("content-length", str(len(body))),
                ("connection", "close"),
            ]
            for event in (
                h11.Response(status_code=refusal.code, headers=headers, reason=refusal.reason.encode()),
                h11.Data(data=body),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


def _cancelled(timer: asyncio.TimerHandle | None) -> asyncio.TimerHandle | None:
    """Nothing, in place of a timer that need not run any more."""
    if timer is not None:
        timer.cancel()
    return None
