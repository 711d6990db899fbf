"""A lab whose API server runs, with as little else as it takes; and what a test sends to it."""

from __future__ import annotations

import base64
import json
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labctl.model.kubeconfig import ADMIN, API_ADDRESS, API_PORT, AUTHORITY_FILE, KEY_FILE
from labctl.resources import Certificate, Server
from tests.lab_under_test import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.lab_under_test import LabUnderTest

ERRORS = "/tmp/kube-apiserver.err"  # noqa: S108 (the world's own)
_CLIENT = (ROOT / "tests/api_client.py").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Reply:
    """What came back for one request: the first answer's code, its body, and whether the server hung up."""

    code: int
    head: str
    body: bytes
    closed: bool
    seconds: float

    @property
    def json(self) -> Any:  # noqa: ANN401 (whatever JSON can say)
        return json.loads(self.body)


class ServedLab:
    """The API server of a lab, started with `patience` for slow callers."""

    def __init__(self, lab: LabUnderTest, patience: float = 10.0) -> None:
        self.lab = lab
        node = lab.lab.nodes[0]
        assert lab.type(node.name, f"mkdir -p {AUTHORITY_FILE.rpartition('/')[0]}").code == 0
        Certificate(node.name, AUTHORITY_FILE, KEY_FILE, "kube-apiserver", API_ADDRESS).apply(lab.kernel)
        script = f"exec kube-apiserver --patience={patience} 2>{ERRORS}"
        self.server = Server(node.place, "kube-apiserver", ("sh", "-c", script), API_PORT, program=("kube-apiserver",))
        self.server.apply(lab.kernel)
        self._programs = lab.kernel.programs(node.place)

    def ask(self, *requests: bytes) -> tuple[Reply, ...]:
        """Send each on a connection of its own, and hear one answer."""
        asked = [{"parts": [base64.b64encode(each).decode()], "pause": 0.0, "to the end": False} for each in requests]
        return tuple(_reply(each) for each in self._client({"do": "ask", "requests": asked}))

    def ask_in_parts(self, requests: Sequence[Sequence[bytes]], pause: float = 0.0) -> tuple[Reply, ...]:
        """Send each on a connection of its own, part by part with a pause after each, until the server hangs up."""
        asked = [
            {"parts": [base64.b64encode(part).decode() for part in parts], "pause": pause, "to the end": True}
            for parts in requests
        ]
        return tuple(_reply(each) for each in self._client({"do": "ask", "requests": asked}))

    def watch(self, request: bytes, number: int, then: str, until: str) -> list[list[str]]:
        """Have many watch at once, and something happen meanwhile; the lines that each heard."""
        told = {"request": base64.b64encode(request).decode(), "number": number, "then": then, "until": until}
        lines: list[list[str]] = self._client({"do": "watch", **told})
        return lines

    def _client(self, asked: dict[str, Any]) -> Any:  # noqa: ANN401 (whatever JSON can say)
        done = self._programs.run(("python3", "-IS", "-c", _CLIENT), json.dumps(asked))
        assert done.code == 0, done.err
        return json.loads(done.out)

    def errors(self) -> str:
        """What the server wrote to its standard error."""
        return self.lab.type(self.lab.lab.nodes[0].name, f"cat {shlex.quote(ERRORS)}").out


def get(path: str, *headers: str, method: str = "GET", token: str = ADMIN.token, body: bytes = b"") -> bytes:
    """A well-formed request; an empty token is none."""
    length = (f"Content-Length: {len(body)}",) if body else ()
    shown = (f"Authorization: Bearer {token}",) if token else ()
    lines = (f"{method} {path} HTTP/1.1", f"Host: {API_ADDRESS}:{API_PORT}", "Connection: close", *shown, *length)
    return "\r\n".join((*lines, *headers, "", "")).encode() + body


def _reply(told: dict[str, Any]) -> Reply:
    heard = base64.b64decode(told["heard"])
    while heard.startswith(b"HTTP/1.1 100"):
        heard = heard.partition(b"\r\n\r\n")[2]
    head, _, body = heard.partition(b"\r\n\r\n")
    words = head.split(b" ", 2)
    code = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
    return Reply(code, head.decode("latin-1"), body, told["closed"], told["seconds"])
