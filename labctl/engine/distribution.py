"""What the tools' packages are called on each family of distributions, and how they are installed there.

`./lab` has the same table, in sh, for the tools that it installs itself; a test holds the two together.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from labctl.model.trial import Rights

Argv: TypeAlias = "tuple[str, ...]"

_PACKAGES = {
    "ip": "iproute2",
    "ss": "iproute2",
    "iptables": "iptables",
    "brctl": "bridge-utils",
    "nmap": "nmap",
    "ping": "iputils",
    "nft": "nftables",
    "jq": "jq",
    "unshare": "util-linux",
    "bash": "bash",
    "sleep": "coreutils",
    "flock": "util-linux",
    "awk": "gawk",
    "dnsmasq": "dnsmasq",
    "openssl": "openssl",
    "tcpdump": "tcpdump",
    "curl": "curl",
}


@dataclass(frozen=True)
class Family:
    """Distributions with one package manager. `packages` are those whose names differ from the usual ones."""

    install: Argv
    refresh: Argv | None
    packages: Mapping[str, str]


@dataclass(frozen=True)
class Fix:
    """A command of root's that mends something.

    `instead` is run in its place if it fails: one package that does not exist spoils the others.
    """

    command: Argv
    instead: tuple[Argv, ...] = ()


_FAMILIES = {
    "debian": Family(
        ("apt-get", "install", "-y", "--no-install-recommends"),
        ("apt-get", "update"),
        {"ping": "iputils-ping", "dnsmasq": "dnsmasq-base", "iptables-nft": "iptables", "iptables-legacy": "iptables"},
    ),
    "fedora": Family(
        ("dnf", "install", "-y"),
        None,
        {
            "ip": "iproute",
            "ss": "iproute",
            "iptables": "iptables-nft",
            "iptables-nft": "iptables-nft",
            "iptables-legacy": "iptables-legacy",
        },
    ),
    "arch": Family(("pacman", "-S", "--needed", "--noconfirm"), ("pacman", "-Sy"), {}),
    "alpine": Family(
        ("apk", "add", "--no-cache"), None, {"iptables-nft": "iptables", "iptables-legacy": "iptables-legacy"}
    ),
    "suse": Family(
        ("zypper", "--non-interactive", "install", "--no-recommends"), None, {"iptables-nft": "iptables-backend-nft"}
    ),
}
_UNKNOWN = "install, with the package manager of this distribution:"


def find_family(os_release: str) -> Family | None:
    """Find the family of a distribution by its own name, else by those that it says it is like (os-release(5))."""
    fields = dict(line.split("=", 1) for line in os_release.splitlines() if "=" in line and not line.startswith("#"))
    names = [name for field in ("ID", "ID_LIKE") for name in fields.get(field, "").strip("\"'").split()]
    return next((_FAMILIES[name] for name in names if name in _FAMILIES), None)


def find_package(family: Family | None, tool: str) -> str:
    """What the package with a tool is called; empty if it is in none."""
    usual = _PACKAGES.get(tool, "")
    return family.packages.get(tool, usual) if family else usual


def find_install_fixes(family: Family | None, packages: Iterable[str]) -> tuple[Fix, ...]:
    """The commands of root's that install packages; none where the package manager is not known."""
    packages = tuple(dict.fromkeys(filter(None, packages)))
    if family is None or not packages:
        return ()
    one_by_one = tuple((*family.install, package) for package in packages) if len(packages) > 1 else ()
    return (*((Fix(family.refresh),) if family.refresh else ()), Fix((*family.install, *packages), one_by_one))


def spell_install(family: Family | None, packages: Iterable[str], rights: Rights) -> str:
    """What a person types to install packages; empty if there are none."""
    packages = tuple(dict.fromkeys(filter(None, packages)))
    if family is None and packages:
        return f"{_UNKNOWN} {' '.join(packages)}"
    return spell_as_root(tuple(fix.command for fix in find_install_fixes(family, packages)), rights)


def spell_as_root(commands: tuple[Argv, ...], rights: Rights) -> str:
    """What a person with these rights types to run commands of root's."""
    lines = [shlex.join(command) for command in commands]
    match rights:
        case "root":
            return " && ".join(lines)
        case "sudo":
            return " && ".join(f"sudo {line}" for line in lines)
        case "su":
            return f"su -c {shlex.quote(' && '.join(lines))}" if lines else ""
