"""A node's store of reserved addresses, as read: a text file, `ADDRESS OWNER` a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labctl.model.lab import Container
    from labctl.model.ports import Kernel
    from labctl.model.values import Completed


STATE_FOLDERS = ("/var/lib/cni", "/etc/cni/net.d", "/opt/cni/bin", "/etc/netns", "/var/lib/kube-dns")
"""Where the course keeps files on a node: what a snapshot shows of it, and all that labctl writes on a real machine."""

PLUGIN = "labnet"
"""What the lab's plug-in is called; its files bear the name."""

RESULTS_FOLDER = "/var/lib/cni/results"
"""Where a node keeps what its plug-in answered, as libcni has it."""

ASK_FAST = ("-T5", "--max-retries", "0", "--min-rate", "20000", "--max-rtt-timeout", "100ms")
"""How nmap asks who is at an address, on the Ethernet of one machine: a silent /24 costs one wait of a tenth of a
second, where it would be seconds (nmap(1), TIMING AND PERFORMANCE; measured)."""


def why_nmap_failed(done: Completed) -> str:
    """The line in which nmap says it: the first that warns of nothing, for the last is only that it quits."""
    said = (done.err or done.out).strip().splitlines()
    reasons = [line for line in said if not line.startswith(("Warning:", "Starting Nmap"))]
    return (reasons or said or [f"exit code {done.code}"])[0]


def store_folder(network: str) -> str:
    """Where a node's reservations are, as host-local has them (`/var/lib/cni/networks/NETWORK`)."""
    return f"/var/lib/cni/networks/{network}"


def read_reservations(kernel: Kernel, node: str, network: str) -> tuple[tuple[str, str], ...]:
    """The pairs (address, whose) of a node's store, in the order of the file."""
    text = kernel.files(node).read(f"{store_folder(network)}/reserved") or ""
    words = (line.split() for line in text.splitlines())
    return tuple((each[0], each[1]) for each in words if len(each) > 1)


def reserved_address(kernel: Kernel, container: Container, network: str) -> str | None:
    """The address that is reserved for a container, None if none is."""
    pairs = read_reservations(kernel, container.node, network)
    return next((address for address, whose in pairs if whose == container.name), None)
