"""Speaks to a container runtime as the kubelet does: gRPC over its socket, the few calls of CRI that make a pod.

Messages are protobuf's wire format by hand (protobuf.dev/programming-guides/encoding): all that is sent and read here
is strings, messages and small numbers. Field numbers are those of the service runtime.v1 (kubernetes/cri-api,
api.proto).
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

# Else gRPC starts its threads anew in whatever is forked here, a world's first process too. That one closes all files,
# theirs as well, whereupon they abort it.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"

import grpc

if TYPE_CHECKING:
    from pathlib import Path

_SECONDS = 60.0
_VARINT, _BYTES = 0, 2


@dataclass(frozen=True)
class Sandbox:
    """A pod as its runtime describes it. `pid` is its first process, as the world numbers it."""

    name: str
    identity: str
    address: str
    pid: int

    @property
    def netns(self) -> str:
        """The path of its network namespace, the same on every node: there is one pid namespace."""
        return f"/proc/{self.pid}/ns/net"


class Cri:
    """A connection to one runtime; `with` closes it."""

    def __init__(self, socket: Path) -> None:
        """Connect to the socket when first asked something. Of its path the runtime is not told: it is ours alone."""
        options = (("grpc.default_authority", "localhost"), ("grpc.enable_http_proxy", 0))
        self._channel = grpc.insecure_channel(f"unix:{socket}", options)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()

    def run_sandbox(self, name: str) -> Sandbox:
        """Make a pod, and look at it."""
        return self.look(name, self.start_sandbox(name))

    def start_sandbox(self, name: str) -> str:
        """Make a pod, network and all (RunPodSandbox); give its id."""
        metadata = {1: name, 2: f"uid-of-{name}", 3: "default"}
        config = {1: _encode(metadata), 2: name, 3: f"/var/log/pods/{name}", 8: b""}
        return _decode(self._call("RunPodSandbox", {1: _encode(config)}))[1][0].decode()

    def look(self, name: str, identity: str) -> Sandbox:
        """Ask for a pod's address and process (PodSandboxStatus, verbose)."""
        answer = _decode(self._call("PodSandboxStatus", {1: identity, 2: 1}))
        network = _decode(_decode(answer[1][0])[5][0])
        entries = (_decode(entry) for entry in answer[2])
        info: dict[str, Any] = json.loads(next(entry[2][0] for entry in entries if entry[1][0] == b"info"))
        return Sandbox(name, identity, network[1][0].decode(), info["pid"])

    def stop_sandbox(self, identity: str) -> None:
        """Stop a pod; its network goes."""
        self._call("StopPodSandbox", {1: identity})

    def remove_sandbox(self, identity: str) -> None:
        """Remove a pod."""
        self._call("RemovePodSandbox", {1: identity})

    def _call(self, method: str, message: dict[int, str | bytes | int]) -> bytes:
        answer: bytes = self._channel.unary_unary(f"/runtime.v1.RuntimeService/{method}")(
            _encode(message), timeout=_SECONDS
        )
        return answer


def _encode(message: dict[int, str | bytes | int]) -> bytes:
    parts = bytearray()
    for number, value in message.items():
        if isinstance(value, int):
            parts += _varint(number << 3 | _VARINT) + _varint(value)
        else:
            data = value.encode() if isinstance(value, str) else value
            parts += _varint(number << 3 | _BYTES) + _varint(len(data)) + data
    return bytes(parts)


def _decode(data: bytes) -> dict[int, list[bytes]]:
    """Give the fields that have a length, each with all of its values; numbers are passed over."""
    fields: dict[int, list[bytes]] = {}
    at = 0
    while at < len(data):
        tag, at = _read_varint(data, at)
        size, at = _read_varint(data, at)
        if tag & 7 == _BYTES:
            fields.setdefault(tag >> 3, []).append(data[at : at + size])
            at += size
        elif tag & 7 != _VARINT:
            raise ValueError(f"wire type {tag & 7} is not expected here")
    return fields


def _varint(number: int) -> bytes:
    parts = bytearray()
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*parts, number))


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        number |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            return number, at
