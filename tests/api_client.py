"""Runs inside a lab, on the first node: speaks to the API server byte by byte, and tells what it heard, as JSON.

On standard input: `{"do": "ask", "requests": [{"parts": [BASE64, …], "pause": SECONDS, "to the end": BOOL}, …]}`, or
`{"do": "watch", "request": BASE64, "number": N, "then": COMMAND, "until": WORD}`.
"""

from __future__ import annotations

import base64
import json
import socket
import ssl
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

_AT = ("127.0.0.1", 6443)
_SECONDS = 30.0


def connect() -> ssl.SSLSocket:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(socket.create_connection(_AT, _SECONDS))


def ask(request: dict[str, Any]) -> dict[str, Any]:
    """Send the parts, and read until the answers are whole or the server hangs up."""
    began = time.monotonic()
    heard, closed = b"", False
    with connect() as wire:
        with suppress(OSError):  # hung up on before we were done: what it said is to be read all the same
            for part in request["parts"]:
                wire.sendall(base64.b64decode(part))
                time.sleep(request["pause"])
        try:
            while not closed and (request["to the end"] or not is_whole(heard)):
                data = wire.recv(65536)
                heard, closed = heard + data, not data
        except (ConnectionError, ssl.SSLError):
            closed = True
        except TimeoutError:
            pass
    seconds = time.monotonic() - began
    return {"heard": base64.b64encode(heard).decode(), "closed": closed, "seconds": seconds}


def is_whole(heard: bytes) -> bool:
    """One answer of a length that it told, and not to be followed by another, for the server is to hang up."""
    head, end, body = heard.partition(b"\r\n\r\n")
    if not end or head.startswith(b"HTTP/1.1 100"):
        return False
    told = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return b"\r\nconnection: close" not in head.lower() and bool(told) and len(body) >= int(told[0])


def watch(asked: dict[str, Any]) -> list[list[str]]:
    """Many at once: when all have heard something, run a command; then read until each has heard the word."""
    wires = [connect() for _ in range(asked["number"])]
    files = [wire.makefile("rb") for wire in wires]
    for wire in wires:
        wire.sendall(base64.b64decode(asked["request"]))
    heard = [read_until(file, "ADDED") for file in files]
    subprocess.run(("sh", "-c", asked["then"]), check=True)
    return [before + read_until(file, asked["until"]) for before, file in zip(heard, files, strict=True)]


def read_until(file: Any, word: str) -> list[str]:  # noqa: ANN401 (whatever makefile gives)
    lines: list[str] = []
    while not lines or word not in lines[-1]:
        line = file.readline()
        if not line:
            break
        lines.append(line.decode().strip())
    return lines


def main() -> None:
    asked = json.load(sys.stdin)
    if asked["do"] == "watch":
        answer: Any = watch(asked)
    else:
        with ThreadPoolExecutor(8) as pool:
            answer = list(pool.map(ask, asked["requests"]))
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
