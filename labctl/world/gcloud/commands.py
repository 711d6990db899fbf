"""The commands and flags of gcloud that the lab knows, and how the real client spells what they take.

Measured with Google Cloud SDK 528.0.0, which was run against a service on the same machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

NEXT_HOP = "--next-hop-address"
NEXT_HOPS = (NEXT_HOP, "--next-hop-gateway", "--next-hop-ilb", "--next-hop-instance", "--next-hop-vpn-tunnel")
ROUTES_LACK = (
    *NEXT_HOPS[1:],
    "--next-hop-ilb-region",
    "--next-hop-instance-zone",
    "--next-hop-vpn-tunnel-region",
    "--resource-manager-tags",
    "--tags",
)
NETWORKS_LACK = (
    "--bgp-best-path-selection-mode",
    "--bgp-bps-always-compare-med",
    "--bgp-bps-inter-region-cost",
    "--bgp-routing-mode",
    "--enable-ula-internal-ipv6",
    "--internal-ipv6-range",
    "--mtu",
    "--network-firewall-policy-enforcement-order",
    "--network-profile",
    "--range",
)
SUBNET_MODE = "--subnet-mode"
EVERYWHERE = ("--format", "--project", "--verbosity")
QUIET = ("--quiet", "-q")
HELP = ("--help", "-h")
VERSION = ("--version", "-v")
CHOICES = {
    "--verbosity": ("critical", "debug", "error", "info", "none", "warning"),
    SUBNET_MODE: ("auto", "custom", "legacy"),
}
_WIDTH = 80


class UsageRefused(Exception):
    """The command line is wrong (exit code 2); the message is the whole text for standard error."""


class Refused(Exception):
    """The command did not succeed (exit code 1); the message is what follows `ERROR: (gcloud.…) `."""


@dataclass(frozen=True)
class Command:
    """A command, or a group of them.

    `names` spells its positional arguments: `least` of them are needed, `most` allowed (None: any number).
    `values` are the flags that take one; of these, `required` ones must be given.
    """

    words: tuple[str, ...]
    summary: str
    names: str = ""
    least: int = 0
    most: int | None = 0
    required: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    switches: tuple[str, ...] = ()
    group: bool = False

    @property
    def spelled(self) -> str:
        """As it is typed: `gcloud compute routes create`."""
        return " ".join(("gcloud", *self.words))

    @property
    def dotted(self) -> str:
        """As errors name it: `gcloud.compute.routes.create`."""
        return ".".join(("gcloud", *self.words))

    @property
    def children(self) -> tuple[Command, ...]:
        """The commands of a group, in the order of their names."""
        return tuple(each for each in COMMANDS if each.words and each.words[:-1] == self.words)


ROUTES = ("compute", "routes")
NETWORKS = ("compute", "networks")
_CREATE = ("--description", "--destination-range", "--network", "--priority", NEXT_HOP, *ROUTES_LACK)
_CREATE_NETWORK = ("--description", SUBNET_MODE, *NETWORKS_LACK)
_LIST = ("--filter", "--limit", "--sort-by")
COMMANDS = (
    Command((), "Manage the cloud of the lab.", switches=VERSION, group=True),
    Command(("compute",), "Create and manipulate Compute Engine resources.", group=True),
    Command(NETWORKS, "List, create, and delete Compute Engine networks.", group=True),
    Command((*NETWORKS, "create"), "Create a Compute Engine network.", "NAME", 1, 1, (), _CREATE_NETWORK),
    Command((*NETWORKS, "delete"), "Delete Compute Engine networks.", "NAME [NAME ...]", 1, None),
    Command((*NETWORKS, "describe"), "Describe a Compute Engine network.", "NAME", 1, 1),
    Command((*NETWORKS, "list"), "List Google Compute Engine networks.", "[NAME ...]", 0, None, (), _LIST, ("--uri",)),
    Command(("compute", "project-info"), "Read Compute Engine project info.", group=True),
    Command(("compute", "project-info", "describe"), "Describe the Compute Engine project resource."),
    Command(("compute", "regions"), "Describe Compute Engine regions.", group=True),
    Command(("compute", "regions", "describe"), "Describe a Compute Engine region.", "NAME", 1, 1),
    Command(ROUTES, "Read and manipulate routes.", group=True),
    Command((*ROUTES, "create"), "Create a new route.", "NAME", 1, 1, ("--destination-range",), _CREATE),
    Command((*ROUTES, "delete"), "Delete routes.", "NAME [NAME ...]", 1, None),
    Command((*ROUTES, "describe"), "Describe a route.", "NAME", 1, 1),
    Command(
        (*ROUTES, "list"),
        "List non-dynamic Google Compute Engine routes.",
        "[NAME ...]",
        0,
        None,
        (),
        _LIST,
        ("--uri",),
    ),
    Command(("config",), "View the properties of gcloud.", group=True),
    Command(("config", "get"), "Print the value of a property.", "SECTION/PROPERTY", 1, 1),
    Command(("config", "get-value"), "Print the value of a property.", "SECTION/PROPERTY", 1, 1),
    Command(("config", "list"), "List properties.", "[SECTION/PROPERTY]", 0, 1),
    Command(("help",), "Show a help page.", "[COMMAND ...]", 0, None),
    Command(("version",), "Print version information."),
)


def usage(command: Command) -> str:
    """Spell what a command takes, as `-h` shows it and as it follows an error."""
    needed = [command.names, *(f"{flag}={_metavar(flag)}" for flag in command.required)]
    if NEXT_HOP in command.values:
        needed.append(f"({' | '.join(f'{flag}={_metavar(flag)}' for flag in NEXT_HOPS)})")
    optional = sorted({*command.values, *command.switches, "--help"} - set(command.required))
    return (
        f"Usage: {' '.join(filter(None, (command.spelled, *needed)))} [optional flags]\n"
        f"{_wrap('  optional flags may be  ', optional)}\n\n{more_help(command)}"
    )


def more_help(command: Command) -> str:
    """Point to the help page of a command."""
    return f"For detailed information on this command and its flags, run:\n  {command.spelled} --help\n"


def _metavar(flag: str) -> str:
    return flag.lstrip("-").replace("-", "_").upper()


def _wrap(head: str, words: Iterable[str]) -> str:
    lines = [head]
    for word in words:
        if len(lines[-1]) + len(word) + len(" |") >= _WIDTH:
            lines.append(" " * len(head))
        lines[-1] += f"{word} | "
    return "\n".join(line.rstrip(" ") for line in lines).removesuffix(" |")
