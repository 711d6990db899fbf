"""The trials of the network and the packet filter; the caller is root in a network namespace that dies with it."""

from __future__ import annotations

import os
import select
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from labctl.errors import KernelRefused, ToolMissing

if TYPE_CHECKING:
    from collections.abc import Callable

    Attempt: TypeAlias = Callable[[str, Callable[[], str]], bool]

_SECONDS = 10.0
_FORWARD = ("-A", "FORWARD", "-s", "10.244.0.0/16", "-j", "ACCEPT")
_MASQUERADE = ("-t", "nat", "-A", "POSTROUTING", "-s", "10.244.0.0/24", "!", "-o", "cni0", "-j", "MASQUERADE")
_FOLLOW = ("-A", "OUTPUT", "-m", "conntrack", "--ctstate", "NEW", "-j", "ACCEPT")
_TRACED = "table ip trial { chain c { type filter hook output priority 0; meta nftrace set 1; }; }"
_BRIDGE_NF = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
_FLOWS = Path("/proc/sys/net/netfilter/nf_conntrack_count")
_DISCARD = ("127.0.0.1", 9)


def try_network(attempt: Attempt, path: str, iptables: str) -> None:
    """Make each thing that the course makes, once."""
    net = _Net(path)
    attempt("bridge", lambda: net.works("ip", "link", "add", "cni0", "type", "bridge"))
    attempt("veth", lambda: net.works("ip", "link", "add", "host", "type", "veth", "peer", "name", "eth0"))
    attempt("br_netfilter", _try_bridge_netfilter)
    attempt("raw_sockets", _open_raw_socket)
    attempt("iptables", lambda: net.filters(iptables))
    attempt("masquerade", lambda: net.works(iptables, "-w", *_MASQUERADE))
    attempt("conntrack", lambda: net.follows(iptables))
    attempt("iptables_nft", lambda: net.filters("iptables-nft"))
    attempt("iptables_legacy", lambda: net.filters("iptables-legacy"))
    attempt("nft_trace", net.traces)


class _Net:
    """Programs in the network namespace of the trials."""

    def __init__(self, path: str) -> None:
        self._environment = {"PATH": path, "LC_ALL": "C"}

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run a program to its end.

        Raises:
            ToolMissing: it is not installed.
            KernelRefused: it does not end.
        """
        try:
            return subprocess.run(
                (self._find(argv[0]), *argv[1:]),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                env=self._environment,
                timeout=_SECONDS,
            )
        except subprocess.TimeoutExpired:
            raise KernelRefused(f"{argv[0]} did not end within {_SECONDS:.0f} seconds") from None

    def works(self, *argv: str) -> str:
        """Run a program that must succeed."""
        done = self.run(*argv)
        if done.returncode != 0:
            raise KernelRefused(_complaint(done) or f"{argv[0]} exited with {done.returncode}")
        return "works"

    def filters(self, iptables: str) -> str:
        """Put a rule in; say the version and the backend (`v1.8.9 (nf_tables)`)."""
        self.works(iptables, "-w", *_FORWARD)
        return self.run(iptables, "-V").stdout.strip().removeprefix("iptables ")

    def follows(self, iptables: str) -> str:
        """See whether connection tracking notices a packet."""
        self.works(iptables, "-w", *_FOLLOW)
        self.works("ip", "link", "set", "lo", "up")
        _send_packet()
        if _FLOWS.exists() and _FLOWS.read_text().strip() == "0":
            raise KernelRefused("it did not notice a packet")
        return "works"

    def traces(self) -> str:
        """Have `nft monitor trace` show a packet."""
        self.works("nft", _TRACED)
        self.works("ip", "link", "set", "lo", "up")
        argv = (self._find("nft"), "monitor", "trace")
        reader, writer = os.pipe()
        with subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=writer, stderr=subprocess.DEVNULL, env=self._environment
        ) as monitor:
            os.close(writer)
            try:
                if not _shows_packets(reader):
                    raise KernelRefused("nft monitor trace showed no packet")
            finally:
                monitor.kill()
                os.close(reader)
        return "works"

    def _find(self, name: str) -> str:
        program = shutil.which(name, path=self._environment["PATH"])
        if program is None:
            raise ToolMissing(f"{name} is not installed")
        return program


def _try_bridge_netfilter() -> str:
    try:
        _BRIDGE_NF.write_text("1")
    except FileNotFoundError:
        raise KernelRefused("the module is not loaded") from None
    return "works"


def _open_raw_socket() -> str:
    socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close()
    return "works"


def _send_packet() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
        door.sendto(b"labctl", _DISCARD)


def _shows_packets(fd: int) -> bool:
    """Send packets until one is shown: when the monitor begins to listen, nobody tells."""
    poller = select.poll()
    poller.register(fd, select.POLLIN)
    end = time.monotonic() + _SECONDS
    while time.monotonic() < end:
        _send_packet()
        if poller.poll(10):
            return bool(os.read(fd, 4096))
    return False


def _complaint(done: subprocess.CompletedProcess[str]) -> str:
    """Pick the line in which a tool says what was refused."""
    lines = (line.strip() for line in done.stderr.splitlines())
    return next((line for line in lines if line and not line.startswith("#") and not line.endswith(":")), "")
