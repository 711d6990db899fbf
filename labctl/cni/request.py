"""What a runtime asks: the variables of the environment, read and held against the specification (section 2)."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from labctl.cni.failure import BAD_VARIABLES, CniFailure
from labctl.model.value import Value

if TYPE_CHECKING:
    from collections.abc import Mapping

_NEEDS = {
    "ADD": ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"),
    "DEL": ("CNI_CONTAINERID", "CNI_IFNAME"),
    "CHECK": ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"),
    "STATUS": (),
    "GC": (),
    "VERSION": (),
}
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*", re.ASCII)
"""How containers and networks may be called."""
NO_INTERFACES = ("all", "default")
"""What the kernel lets no interface be called: its settings of all of them are (ip-sysctl.rst, conf/all)."""
_LONGEST_NAME = 255
_LONGEST_INTERFACE = 15  # IFNAMSIZ less its end
# The kernel forbids '/', ':' and white space and fills in '%d'; quotes, '#' and a backslash `ip -batch` reads itself.
_INTERFACE = re.compile(r"(?![-])[!$&(-.0-9;-\[\]-~]+")


class Request(Value):
    """One call. `netns` and `path` may be empty where the command does without them."""

    command: str
    container: str
    netns: str
    interface: str
    path: tuple[str, ...]

    @property
    def attachment(self) -> tuple[str, str]:
        """What is attached: a container may have more than one interface in a network."""
        return self.container, self.interface


def read_request(environment: Mapping[str, str]) -> Request:
    """Read the variables.

    Raises:
        CniFailure: 4, naming the variable that is missing or bad.
    """
    command = environment.get("CNI_COMMAND", "")
    if command not in _NEEDS:
        known = ", ".join(_NEEDS)
        said = f"CNI_COMMAND is {command!r}" if command else "CNI_COMMAND is not set"
        raise CniFailure(BAD_VARIABLES, f"{said}; expected one of {known}")
    lacking = [name for name in _NEEDS[command] if not environment.get(name)]
    if lacking:
        raise CniFailure(BAD_VARIABLES, f"{command} needs {', '.join(lacking)}, not set or empty")
    container, interface = environment.get("CNI_CONTAINERID", ""), environment.get("CNI_IFNAME", "")
    if _NEEDS[command]:
        _check_container(container)
        _check_interface(interface)
    path = tuple(each for each in environment.get("CNI_PATH", "").split(os.pathsep) if each)
    return Request(command, container, environment.get("CNI_NETNS", ""), interface, path)


def _check_container(name: str) -> None:
    if not NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
        what = "letters, digits, '_', '.' and '-', beginning with a letter or a digit"
        raise CniFailure(BAD_VARIABLES, f"CNI_CONTAINERID is {name[:_LONGEST_NAME]!r}; expected {what}")


def _check_interface(name: str) -> None:
    if len(name) > _LONGEST_INTERFACE:
        raise CniFailure(BAD_VARIABLES, f"CNI_IFNAME is {name[:40]!r}; expected at most {_LONGEST_INTERFACE} bytes")
    if name in NO_INTERFACES:
        raise CniFailure(BAD_VARIABLES, f"CNI_IFNAME is {name!r}; the kernel lets no interface be called that")
    if name in (".", "..") or not _INTERFACE.fullmatch(name):
        what = "visible ASCII but / : % # \" ' \\, not beginning with '-', not only dots"
        raise CniFailure(BAD_VARIABLES, f"CNI_IFNAME is {name!r}; expected {what}")
