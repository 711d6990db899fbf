"""The vpc's compute service on the wire: callers that are slow, many, or no HTTP, and what is left when they go."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.lab_under_test import LabUnderTest

pytestmark = [pytest.mark.machine, pytest.mark.anybody]

_CALLER = """\
import json, re, socket
HOST = b"Host: x\\r\\n"
LIST = b"GET /compute/v1/projects/lab/global/routes HTTP/1.1\\r\\n" + HOST
POST = b"POST /compute/v1/projects/lab/global/routes HTTP/1.1\\r\\n" + HOST
def call():
    return socket.create_connection(("127.0.0.1", 8128), 60)
def ask(text):
    with call() as caller:
        try:
            caller.sendall(text)
            caller.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        said = b""
        try:
            while piece := caller.recv(65536):
                said += piece
        except OSError:
            pass
        return re.findall("HTTP/1.1 ([0-9]+) ", said.decode())
idle = [call() for _ in range(12)]
heard = {
    "nothing": ask(b""),
    "no HTTP": ask(b"hello\\r\\n\\r\\n"),
    "half a head": ask(b"GET / HT"),
    "too long a head": ask(LIST + b"X: " + b"x" * 70000),
    "too long a body": ask(POST + b"Content-Length: 70000\\r\\n\\r\\n" + b"x" * 70000),
    "less than promised": ask(POST + b"Content-Length: 9\\r\\n\\r\\n{}"),
    "two on one connection": ask((LIST + b"\\r\\n") * 2),
    "HEAD": ask(LIST.replace(b"GET", b"HEAD") + b"\\r\\n"),
}
for each in idle:
    each.close()
print(json.dumps(heard))
"""


def test_callers_of_all_kinds(lab: LabUnderTest) -> None:
    done = lab.type("worker", f"python3 - <<'END'\n{_CALLER}END")
    assert done.code == 0, done
    assert json.loads(done.out) == {
        "nothing": [],
        "no HTTP": ["400"],
        "half a head": ["400"],
        "too long a head": ["431"],
        "too long a body": ["400"],
        "less than promised": ["400"],
        "two on one connection": ["200", "200"],
        "HEAD": ["404"],
    }
    # All have hung up: but for the one that stands by, nothing of the service is left.
    left = lab.type(
        "vpc", "timeout 30 sh -c 'while pgrep -x vpc-compute; do sleep 0.1; done' >/dev/null; pgrep -xc attend"
    )
    assert left.out == "1\n", left
    assert lab.kernel.cloud.routes() == ()
