"""The internet host: what it answers, to whom, and that nobody keeps it from answering others."""

from __future__ import annotations

import ast
import shutil
import sys
from typing import TYPE_CHECKING, Any

import pytest

from labctl.kernel import internet

if TYPE_CHECKING:
    from tests.packet_scene import Scene

pytestmark = pytest.mark.machine


CLIENT = """
import socket, sys
def call(port, say=b""):
    caller = socket.create_connection(("10.0.0.1", port), timeout=20)
    caller.sendall(say)
    return caller
def hear(caller):
    heard = b""
    while part := caller.recv(4096):
        heard += part
    return heard
"""


def act(scene: Scene, client: str) -> list[Any]:
    """Run a client of the internet host at `a`; the values that it printed, a line each."""
    code, out, err = scene.order("run", "a", sys.executable, "-c", CLIENT + client)
    assert code == 0, err
    return [ast.literal_eval(line) for line in out.splitlines()]


def test_the_internet_host_answers_http(scene: Scene) -> None:
    scene.serve("host", "10.0.0.1")
    heads = [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /x HTTP/1.0\r\n\r\n", b"HEAD / HTTP/1.1\r\n\r\n"]
    heads += [b"POST / HTTP/1.1\r\n\r\nbody", b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"x" * 9000]
    get, old, head, post, nonsense, long = act(scene, f"for head in {heads}: print(hear(call(80, head)))")
    assert get == old
    assert get.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 17\r\n")
    assert get.endswith(b"\r\n\r\nyou are 10.0.0.2\n")
    assert head == get.removesuffix(b"you are 10.0.0.2\n")
    assert post.startswith(b"HTTP/1.1 405 ")
    assert nonsense.startswith(b"HTTP/1.1 400 ")
    assert long.startswith(b"HTTP/1.1 431 ")


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_curl_understands_the_internet_host(scene: Scene) -> None:
    scene.serve("host", "10.0.0.1")
    assert scene.run("b", "curl -s --max-time 20 http://10.0.0.1/") == "you are 10.0.0.3\n"
    assert scene.run("b", "curl -s --max-time 20 --http1.0 http://10.0.0.1/x") == "you are 10.0.0.3\n"
    assert "200 OK" in scene.run("b", "curl -s --max-time 20 --head http://10.0.0.1/")


def test_what_the_caller_says_does_not_cost_it_the_answer(scene: Scene) -> None:
    """Closing a connection over unread bytes sends a reset, which throws away what is on its way."""
    scene.serve("host", "10.0.0.1")
    client = "for port in 5000, 80:\n print(hear(call(port, b'GET / HTTP/1.1\\r\\n\\r\\n' + b'x' * 100000)))"
    raw, web = act(scene, client)
    assert raw == b"10.0.0.2\n"
    assert web.endswith(b"you are 10.0.0.2\n")


def test_slow_and_silent_callers_do_not_keep_others_from_an_answer(scene: Scene) -> None:
    """Beyond 128 callers the oldest is hung up on, so at least 272 of these 400 on port 80 read an end."""
    scene.serve("host", "10.0.0.1")
    client = """
import select
idle = [call(80, say) for _ in range(200) for say in (b"", b"GET")]
also = [call(5000) for _ in range(100)]
print(hear(call(5000)))
print(hear(call(80, b"GET / HTTP/1.1\\r\\n\\r\\n"))[-17:])
print(len(select.select(idle, [], [], 0)[0]) >= 400 - 128)
"""
    assert act(scene, client) == [b"10.0.0.2\n", b"you are 10.0.0.2\n", True]
    assert scene.order("memory") < 16_000  # a runaway; a bare Python takes 5,000 to 9,000


def test_a_port_that_is_taken_is_said_in_one_line(scene: Scene) -> None:
    code, _, err = scene.order("run", "a", sys.executable, "-I", "-S", str(internet.__file__), "10.7.7.7")
    assert code == 1
    assert err.startswith("the internet host cannot listen at 10.7.7.7: ")
    assert err.count("\n") == 1
