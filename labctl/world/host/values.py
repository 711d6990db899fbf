"""What a node starts with, as Docker leaves it: forwarding on, the FORWARD policy DROP, bridges through iptables.

On a real machine these are the machine's own: the old values are in the baseline, and come back when the lab goes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from labctl.errors import KernelRefused
from labctl.model.baseline import POLICY
from labctl.world.host.taking import BRIDGE_FILTER, FORWARDING

if TYPE_CHECKING:
    from collections.abc import Callable

    from labctl.model.baseline import Baseline
    from labctl.model.lab import Node
    from labctl.model.ports import Kernel

WANTED = {FORWARDING: "1", BRIDGE_FILTER: "1", POLICY: "DROP"}


def prepare(kernel: Kernel, node: Node, tell: Callable[[str], None]) -> None:
    """Set what is not so yet, and say it; a setting that the kernel does not have is left out."""
    for name, wanted in WANTED.items():
        found = _read(kernel, node, name)
        if found not in (None, wanted):
            _write(kernel, node, name, wanted)
            tell(f"{_spell(name)} is {wanted} now (it was {found}); labctl down puts it back")


def put_back(kernel: Kernel, node: Node, baseline: Baseline, tell: Callable[[str], None]) -> None:
    """Set the old values again: those that the lab sets first, for the kernel changes others with them."""
    kernel.refresh()
    values = baseline.as_called_now(kernel.net(node.place).link_names()).values
    for name, value in sorted(values, key=lambda each: each[0] not in WANTED):
        found = _read(kernel, node, name)
        if found not in (None, value):
            _write(kernel, node, name, value)
            if name in WANTED:
                tell(f"{_spell(name)} is {value} again (it was {found})")


def _read(kernel: Kernel, node: Node, name: str) -> str | None:
    if name == POLICY:
        return kernel.firewall(node.name).table("filter").policy("FORWARD")
    text = kernel.files(node.name).read(name)
    return text.strip() if text is not None else None


def _write(kernel: Kernel, node: Node, name: str, value: str) -> None:
    if name == POLICY:
        kernel.firewall(node.name).set_policy("FORWARD", value)
        return
    # Not as a file of the node: those are written beside and renamed.
    done = kernel.programs(node.place).run(("sh", "-c", 'printf "%s\\n" "$1" >"$2"', "sh", value, name))
    if done.code != 0:
        raise KernelRefused(f"{_spell(name)} could not be set to {value}: {done.err.strip()}", "labctl doctor")


def _spell(name: str) -> str:
    return name if name == POLICY else name.removeprefix("/proc/sys/").replace("/", ".")
