"""The address that is reserved for a container, in commands: read from its node's store into a variable."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labctl.model.shell import Capture, Run, Var, run_on
from labctl.model.store import store_folder

if TYPE_CHECKING:
    from labctl.model.lab import Container


def address_variable(container: Container) -> Var:
    """`ADDRESS_B`."""
    return Var(f"ADDRESS_{container.name.upper().replace('-', '_')}")


def capture_address(container: Container, network: str) -> Capture:
    """Read the address of a container that may be on another node, and keep it."""
    awk = Run(("awk", "-v", f"name={container.name}", "$2 == name {print $1}", f"{store_folder(network)}/reserved"))
    comment = f"the address of {container.name}, an endpoint on {container.node}"
    return Capture(address_variable(container).name, run_on(container.node, awk), comment, lasting=True)
