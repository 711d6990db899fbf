"""Asks an HTTP server that speaks JSON, and tells whether one is there."""

from __future__ import annotations

import json
import socket
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Any

from labctl.errors import KernelRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

_SECONDS = 60.0


class JsonCaller:
    """One connection to a server; it is made when something is asked, and kept."""

    def __init__(self, address: str, port: int) -> None:
        """Ask nothing yet."""
        self._where = f"{address} port {port}"
        self._http = HTTPConnection(address, port, timeout=_SECONDS)

    def ask(self, method: str, target: str, body: Mapping[str, object] | None = None) -> tuple[int, Any]:
        """Give the status and the JSON of the answer.

        Raises:
            KernelRefused: nobody listens, nobody answers, or the answer is no HTTP or no JSON.
        """
        content = None if body is None else json.dumps(body)
        headers = {} if body is None else {"Content-Type": "application/json"}
        try:
            self._http.request(method, target, content, headers)
            response = self._http.getresponse()
            return response.status, json.loads(response.read())
        except (OSError, ValueError, HTTPException) as error:
            self.close()
            raise KernelRefused(f"the server at {self._where} does not answer: {error}") from None

    def close(self) -> None:
        """Hang up."""
        self._http.close()


def is_attended(address: str, port: int) -> bool:
    """Tell whether somebody listens there, as this network namespace sees it."""
    try:
        socket.create_connection((address, port), _SECONDS).close()
    except OSError:
        return False
    return True
