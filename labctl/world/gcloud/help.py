"""The pages of `gcloud --help`, and what `gcloud version` and `gcloud config` answer; the lab's own text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labctl.world.gcloud.commands import COMMANDS, NETWORKS, NETWORKS_LACK, ROUTES, ROUTES_LACK, usage

if TYPE_CHECKING:
    from labctl.world.gcloud.commands import Command

VERSION = "Google Cloud SDK 528.0.0 (labctl's stand-in for it: compute routes and networks only)\n"
_EXAMPLES = {
    (*NETWORKS, "create"): "gcloud compute networks create another --subnet-mode custom",
    (*NETWORKS, "delete"): "gcloud compute networks delete another --quiet",
    (*NETWORKS, "describe"): "gcloud compute networks describe k8s",
    (*NETWORKS, "list"): "gcloud compute networks list --format 'value(name)'",
    (*ROUTES, "create"): (
        "gcloud compute routes create k8s-master --destination-range 10.244.0.0/24 --network k8s "
        "--next-hop-address 10.128.0.2"
    ),
    (*ROUTES, "delete"): "gcloud compute routes delete k8s-master --quiet",
    (*ROUTES, "describe"): "gcloud compute routes describe k8s-master --format 'value(nextHopIp)'",
    (*ROUTES, "list"): "gcloud compute routes list --filter network:k8s --sort-by ~priority",
}
_FLAGS = {
    "--description": "A text that says what it is for.",
    "--destination-range": "The addresses that the route leads to, in CIDR form: 10.244.0.0/24.",
    "--filter": "Show only what matches: name=k8s-master, network:k8s, name=(k8s-master k8s-worker).",
    "--limit": "Show at most so many.",
    "--network": "The network that the route belongs to; 'default' unless named.",
    "--next-hop-address": "The address of the node that takes the packets.",
    "--priority": "From 0 to 65535, 1000 unless named; of two routes for one range the lower number wins.",
    "--sort-by": "Sort by these fields; ~ before one reverses it.",
    "--subnet-mode": "auto (a subnet in each region) or custom; auto unless named.",
    "--uri": "Print links instead of a table.",
}
_WIDE = {
    "--format": "json, yaml, text, none, table(…), csv(…) or value(…): --format 'value(name,destRange)'.",
    "--project": "The project; the lab has one, named lab.",
    "--quiet, -q": "Ask nothing; take the default answer.",
    "--verbosity": "none and critical hide the errors of the service.",
}
_LAB = (
    "This is the lab's gcloud. It takes the real one's command lines for routes and networks, and answers in its\n"
    "    words; what it changes is the lab's own cloud network, and no cloud is asked."
)


def page(words: tuple[str, ...]) -> str:
    """Write the help page of a command, or of the nearest group above what was asked for."""
    while words not in {each.words for each in COMMANDS}:
        words = words[:-1]
    command = next(each for each in COMMANDS if each.words == words)
    parts = [f"NAME\n    {command.spelled} - {command.summary}", f"SYNOPSIS\n    {_synopsis(command)}"]
    parts.append(f"DESCRIPTION\n    {_LAB}")
    if command.group:
        listed = "\n".join(f"     {each.words[-1]}\n        {each.summary}" for each in command.children)
        parts.append(f"COMMANDS\n{listed}")
    flags = {flag: _FLAGS[flag] for flag in (*command.values, *command.switches) if flag in _FLAGS}
    parts += [_section("FLAGS", flags)] if flags else []
    parts.append(_section("GCLOUD WIDE FLAGS", _WIDE))
    if command.words in _EXAMPLES:
        parts.append(f"EXAMPLES\n    $ {_EXAMPLES[command.words]}")
    return "\n\n".join(parts) + "\n"


def _synopsis(command: Command) -> str:
    if command.group:
        return f"{command.spelled} COMMAND [GCLOUD_WIDE_FLAG ...]"
    first = usage(command).partition("\n")[0].removeprefix("Usage: ")
    for flag in (*ROUTES_LACK, *NETWORKS_LACK):
        first = first.replace(f" | {flag}={flag.lstrip('-').replace('-', '_').upper()}", "")
    return first.replace("(--", "--").replace(")", "")


def _section(title: str, flags: dict[str, str]) -> str:
    return f"{title}\n" + "\n".join(f"     {flag}\n        {text}" for flag, text in flags.items())
