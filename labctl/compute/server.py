"""The program that answers one caller of the vpc's compute service (kernel/inetd.py); a composition root of its own.

The connection is its standard input and output. It ends with the connection, or when a caller takes too long.
"""

from __future__ import annotations

import os
import signal
from http import HTTPStatus
from typing import TYPE_CHECKING

import h11

from labctl.compute.app import respond
from labctl.compute.message import Request, Response, as_response
from labctl.compute.refusal import ServiceRefused, malformed, refusal_of
from labctl.compute.service import Service
from labctl.errors import LabError, UsageError
from labctl.kernel.cloud import VpcNetworks
from labctl.kernel.machine import LinuxMachine
from labctl.kernel.marker import is_inside
from labctl.model.lab import VPC
from labctl.world.sandbox import Sandbox
from labctl.world.state import State

if TYPE_CHECKING:
    from collections.abc import Callable

_PATIENCE = 15
"""Seconds that a caller has for one request, and between two of them."""
_MOST_WORK = 60
_MOST_HEAD = 16_384
_MOST_BODY = 65_536
_PIECE = 65_536


def main() -> int:
    """Answer the caller until it hangs up."""
    # The way out of a slow read, a slow write, and a regular expression that takes for ever: SIGALRM ends the process.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(_PATIENCE)
    caller = _Caller()
    if (first := caller.read()) is None:
        return 0
    try:
        sandbox = Sandbox(State.find(os.environ, inside=True), LinuxMachine(), os.environ) if is_inside() else None
        world = sandbox.find() if sandbox else None
        if sandbox is None or world is None:
            raise UsageError("the compute service works inside the lab only", "labctl shell")
        agent = sandbox.enter(world)
    except LabError as error:
        refused = refusal_of(error)
        caller.converse(first, lambda _request: as_response(refused.code, refused.as_json()))
        return error.exit_code
    try:
        service = Service(agent.kernel.cloud, VpcNetworks(agent.kernel.files(str(VPC))), world.lab)
        caller.converse(first, lambda request: respond(service, request))
    finally:
        agent.close()
    return 0


class _Caller:
    """One connection, read and written as HTTP/1.1."""

    def __init__(self) -> None:
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_MOST_HEAD)

    def converse(self, request: Request | ServiceRefused, answer: Callable[[Request], Response]) -> None:
        """Answer this request, and those that follow it on the connection."""
        following: Request | ServiceRefused | None = request
        while following is not None:
            signal.alarm(_MOST_WORK)
            if isinstance(following, ServiceRefused):
                self._write(as_response(following.code, following.as_json()), head_only=False)
            else:
                self._write(answer(following), head_only=following.method == "HEAD")
            if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
                return
            self._http.start_next_cycle()
            signal.alarm(_PATIENCE)
            following = self.read()

    def read(self) -> Request | ServiceRefused | None:
        """The next request, None when there is none any more; or what is wrong with it."""
        try:
            return self._read()
        except h11.RemoteProtocolError as error:
            return ServiceRefused(str(error), error.error_status_hint, "badRequest", "INVALID_ARGUMENT")

    def _read(self) -> Request | ServiceRefused | None:
        head: h11.Request | None = None
        body = bytearray()
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                if self._http.they_are_waiting_for_100_continue:
                    os.write(1, self._http.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")
                self._http.receive_data(os.read(0, _PIECE))
            elif isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > _MOST_BODY:
                    return malformed(f"Request payload size exceeds the limit: {_MOST_BODY} bytes.")
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                media = next((value for name, value in head.headers if name == b"content-type"), b"")
                return Request(
                    head.method.decode("ascii"),
                    head.target.decode("ascii", "replace"),
                    bytes(body),
                    media.decode("latin-1"),
                )
            else:  # the connection is closed
                return None

    def _write(self, response: Response, *, head_only: bool) -> None:
        content = response.content
        headers = [
            ("Content-Type", response.content_type),
            ("Cache-Control", "no-store"),
            ("Content-Length", str(len(content))),
        ]
        head = h11.Response(status_code=response.status, headers=headers, reason=HTTPStatus(response.status).phrase)
        pieces = [self._http.send(head)]
        if not head_only:
            pieces.append(self._http.send(h11.Data(data=content)))
        pieces.append(self._http.send(h11.EndOfMessage()))
        data = b"".join(piece or b"" for piece in pieces)
        while data:
            data = data[os.write(1, data) :]
