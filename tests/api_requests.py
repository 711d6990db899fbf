"""Requests that are nearly right, and noise, for the API server: by the same seed always the same."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from tests.served_lab import get

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.served_lab import Reply

_ODD = ("..", ".", "%2e%2e", "%00", "%ff", "%2F..%2F..%2Fetc%2Fpasswd", "a" * 3000, "%", "%zz", "\\..\\", "~root", "ä")
_PATHS = (
    "/api/v1/namespaces/default/pods", "/api/v1/nodes", "/api", "/apis", "/version", "/etc/passwd",
    "/api/v1/namespaces", "/apis/discovery.k8s.io/v1/endpointslices", "/static/index.html",
)  # fmt: skip  # a table
_LISTS = tuple(path for path in _PATHS if path.startswith("/api/v1/n"))
_GARBAGE = (b"\x00", b"\xff\xfe", b"\r\n", b" ", b"\t", b"{", b"%s%n", b"'", b'"', b"(", b")", b"=", b"!", b"\\", b",")


def _noise(draw: random.Random, most: int) -> bytes:
    return bytes(draw.randrange(256) for _ in range(draw.randrange(1, most)))


def _escaped(draw: random.Random) -> str:
    return "".join(f"%{each:02x}" for each in draw.choice(_GARBAGE) + draw.choice(_GARBAGE))


def _bad_path(draw: random.Random) -> bytes:
    path = draw.choice(_PATHS) + "/" + "/".join(draw.choice(_ODD) for _ in range(draw.randrange(1, 5)))
    return get(path).replace("ä".encode(), b"\xe4") if draw.random() < 0.3 else get(path)


def _bad_target(draw: random.Random) -> bytes:
    return get(draw.choice(("*", "http://example.com/api", "//", "api", "?", "/api#x", "/api\x00", "/a b", "")))


def _bad_query(draw: random.Random) -> bytes:
    name = draw.choice(("labelSelector", "fieldSelector", "limit", "continue", "watch", "resourceVersion",
                        "timeoutSeconds", "includeObject"))  # fmt: skip  # two halves of one list
    wrong = {"limit": "-1", "watch": "maybe", "resourceVersion": "x", "timeoutSeconds": "1s", "includeObject": "All"}
    value = wrong.get(name, f"{draw.choice('(=,!<')}{_escaped(draw)}{draw.choice('(=!<')}")
    return get(f"{draw.choice(_LISTS)}?{name}={value}")


def _bad_method(draw: random.Random) -> bytes:
    method = draw.choice(("POST", "PUT", "PATCH", "DELETE", "CONNECT", "TRACE", "BREW", "get", "G@T", "GET GET", ""))
    body = draw.choice((b"", b"{}", b"{" * 1000, _noise(draw, 200)))
    return get(draw.choice(_PATHS), method=method, body=body)


def _bad_header(draw: random.Random) -> bytes:
    header = draw.choice((
        "no colon", "Space : before", "\x00: x", "X: \x00", "X: \x0b", "Host: second", f"X: {'x' * 20000}", ": x",
        "X\u00e4: y", "Content-Length: -1", "Content-Length: 1, 2", "Content-Length: 99999999999999999999",
        "Transfer-Encoding: gzip", "Transfer-Encoding: chunked\r\nContent-Length: 3", "Content-Length: 0x10",
    ))  # fmt: skip  # a table
    return get(draw.choice(_PATHS), header)


def _bad_caller(draw: random.Random) -> bytes:
    good = get(draw.choice(_PATHS))
    token = draw.choice(("", "wrong", "lab-admin-toke", "lab-admin-token2", "\u00e4", "a b", "x" * 5000))
    return draw.choice((
        get(draw.choice(_PATHS), token=token),
        good.replace(b"Bearer", draw.choice((b"Basic", b"Digest", b"", b"Bearer Bearer"))),
        good.replace(b"Host: 127.0.0.1", draw.choice((b"Host: example.com", b"Host: 127.0.0.1.example.com", b"Host:"))),
        good.replace(b"Host: 127.0.0.1:6443\r\n", b""),
        get(draw.choice(_PATHS), draw.choice(("Origin: http://example.com", "Origin: null", "Origin: file://"))),
    ))  # fmt: skip  # a table


def _bad_body(draw: random.Random) -> bytes:
    chunks = draw.choice(
        (b"zz\r\n", b"-1\r\nx\r\n", b"5\r\nab", b"ffffffffffffffff\r\n", b"3\r\nabcXX", _noise(draw, 50))
    )
    return get(draw.choice(_PATHS), "Transfer-Encoding: chunked", method=draw.choice(("GET", "POST"))) + chunks


def _bad_form(draw: random.Random) -> bytes:
    accept = draw.choice(
        ("text/html", "application/yaml", "image/*", ";", ",,,", "application/json;as=Nothing", "*/*;q=0")
    )
    return get(draw.choice(_LISTS), f"Accept: {accept}")


def _bad_line(draw: random.Random) -> bytes:
    line = draw.choice((
        b"GET /api", b"GET /api HTTP/9.9", b"GET /api HTTP/1.1 x", b"GET\t/api HTTP/1.1", b"HTTP/1.1 200 OK",
        b"GET /api FTP/1.1", b"GET /" + b"a" * 20000 + b" HTTP/1.1",
    ))  # fmt: skip  # a table
    return line + b"\r\n" + get("/api").partition(b"\r\n")[2]


def _bytes(draw: random.Random) -> bytes:
    return _noise(draw, 400) + b"\r\n\r\n"


def _spoilt(draw: random.Random) -> bytes:
    """A good one, with some of its bytes changed before the token."""
    request = bytearray(get("/api/v1/nodes/none"))
    for _ in range(draw.randrange(1, 6)):
        request[draw.randrange(len(request) - 30)] = draw.randrange(256)
    return bytes(request)


KINDS: dict[str, Callable[[random.Random], bytes]] = {
    "path": _bad_path,
    "target": _bad_target,
    "query": _bad_query,
    "method": _bad_method,
    "header": _bad_header,
    "caller": _bad_caller,
    "body": _bad_body,
    "form": _bad_form,
    "first line": _bad_line,
    "noise": _bytes,
    "spoilt": _spoilt,
}


def generate(number: int, seed: int) -> list[tuple[str, bytes]]:
    """So many requests, of each kind about as many."""
    draw = random.Random(seed)  # noqa: S311 (nothing is to be kept secret)
    names = list(KINDS)
    return [(name, KINDS[name](draw)) for name in (names[at % len(names)] for at in range(number))]


def fault_of(reply: Reply) -> str:
    """What is wrong with the answer to a malformed request; empty if it is a 4xx and a `Status` that says the same."""
    if b"Traceback" in reply.body or b"root:" in reply.body:
        return "it tells what is nobody's business"
    if not 400 <= reply.code < 500:
        return f"its code is {reply.code}"
    if "HEAD" in reply.head:
        return ""
    try:
        status = reply.json
    except ValueError:
        return "its body is not JSON"
    told = (status.get("kind"), status.get("status"), status.get("code"))
    return "" if told == ("Status", "Failure", reply.code) else f"its body is {status}"
