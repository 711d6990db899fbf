"""Measures what a new connection pays for the Services that are not meant: `unshare --net measure-lookups N …`.

For each N it makes the rules of so many Services in a network namespace that holds nothing else, and times how long the
first packet of a connection to the last of them takes. iptables asks rule after rule; nftables, as kube-proxy has it in
its nftables mode, asks one map.
"""

from __future__ import annotations

import socket
import statistics
import subprocess
import sys
from time import perf_counter, perf_counter_ns
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_CONNECTIONS = 500
_MOST = 20_000
_PORT = 80
_SINK = ("127.0.0.1", 9)
# What goes to the kernel in one message is bounded: only root may enlarge a socket's buffer (SO_SNDBUFFORCE).
_RULES_AT_ONCE, _ELEMENTS_AT_ONCE = 250, 1000
_IPTABLES_EMPTY = "*nat\n:SERVICES - [0:0]\n-D OUTPUT -j SERVICES\n-X SERVICES\nCOMMIT\n"
_USAGE = "usage: unshare --net measure-lookups NUMBER …"


class _Refused(Exception):
    """It cannot be measured here, and why."""


def _address(number: int) -> str:
    return f"10.96.{number >> 8}.{number & 255}"


def _pieces(count: int, size: int) -> Iterator[range]:
    return (range(start, min(start + size, count)) for start in range(0, count, size))


def _iptables_texts(count: int) -> Iterator[str]:
    yield "*nat\n:SERVICES - [0:0]\n-A OUTPUT -j SERVICES\nCOMMIT\n"
    target = f"-j DNAT --to-destination {_SINK[0]}:{_SINK[1]}"
    for numbers in _pieces(count, _RULES_AT_ONCE):
        rules = [f"-A SERVICES -d {_address(each)}/32 -p udp -m udp --dport {_PORT} {target}" for each in numbers]
        yield "\n".join(("*nat", *rules, "COMMIT", ""))


def _nft_texts(count: int) -> Iterator[str]:
    yield _NFT_TABLE
    for numbers in _pieces(count, _ELEMENTS_AT_ONCE):
        elements = ", ".join(f"{_address(each)} . udp . {_PORT} : goto served" for each in numbers)
        yield f"add element ip services addresses {{ {elements} }}\n"


_NFT_TABLE = f"""
table ip services {{
    map addresses {{
        type ipv4_addr . inet_proto . inet_service : verdict
    }}
    chain served {{
        meta l4proto udp dnat to {_SINK[0]}:{_SINK[1]}
    }}
    chain out {{
        type nat hook output priority -100;
        ip daddr . meta l4proto . th dport vmap @addresses
    }}
}}
"""


def _run(argv: Sequence[str], text: str = "") -> None:
    try:
        done = subprocess.run(argv, input=text, capture_output=True, text=True, check=False)
    except OSError as error:
        raise _Refused(f"{argv[0]}: {error.strerror}") from None
    if done.returncode != 0:
        raise _Refused(f"{argv[0]}: {(done.stderr.strip().splitlines() or ['failed'])[0]}")


def _time_connections(address: str) -> float:
    """The median time, in microseconds, of the first packets of so many connections."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink:
        sink.bind(_SINK)
        times = [_time_connection(address) for _ in range(_CONNECTIONS)]
        sink.settimeout(1)
        sink.recv(16)
    return statistics.median(times) / 1000


def _time_connection(address: str) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller:
        began = perf_counter_ns()
        caller.sendto(b"x", (address, _PORT))
        return perf_counter_ns() - began


def _measure(count: int, argv: Sequence[str], texts: Iterable[str], empty: str) -> tuple[float, float]:
    """Seconds that it takes to load the rules, and microseconds that a first packet takes then."""
    began = perf_counter()
    for text in texts:
        _run(argv, text)
    loaded = perf_counter() - began
    took = _time_connections(_address(count - 1))
    _run(argv, empty)
    return loaded, took


def _prepare() -> None:
    """Make all addresses lead to lo; only where that can harm nobody."""
    others = [name for _, name in socket.if_nameindex() if name != "lo"]
    if others:
        raise _Refused(f"this network namespace has {', '.join(others)}; {_USAGE}")
    _run(("ip", "link", "set", "lo", "up"))
    _run(("ip", "route", "replace", "10.0.0.0/8", "dev", "lo", "src", "127.0.0.1"))


def _show(counts: Sequence[int]) -> None:
    _say("Services   iptables: to load   a connection   nftables: to load   a connection")
    for count in counts:
        loaded, took = _measure(count, ("iptables-restore", "--noflush"), _iptables_texts(count), _IPTABLES_EMPTY)
        map_loaded, map_took = _measure(count, ("nft", "-f", "-"), _nft_texts(count), "delete table ip services\n")
        _say(f"{count:8} {loaded:17.3f} s {took:11.1f} us {map_loaded:17.3f} s {map_took:11.1f} us")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    """Read the numbers, and measure."""
    counts = [int(word) for word in sys.argv[1:] if word.isdecimal()]
    if not counts or len(counts) != len(sys.argv) - 1 or not all(0 < count <= _MOST for count in counts):
        sys.exit(f"{_USAGE} (each from 1 to {_MOST})")
    try:
        _prepare()
        _show(counts)
    except _Refused as refusal:
        sys.exit(f"measure-lookups: {refusal}")
