"""The plug-in on the screen: what a runtime reads, sends and gets."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labctl.cli.screen.page import Screen


def show_plugin(screen: Screen, plugin: str, nodes: list[dict[str, Any]]) -> None:
    """The executable, then node by node its files, the configuration, and each attachment with what was answered."""
    screen.line(f"plug-in: {plugin}", "bold")
    if not nodes:
        screen.hint("there is no world to look into: labctl up", indent=0)
    for node in nodes:
        screen.say()
        screen.line(f"on {node['node']}:", "bold")
        for file in node["files"]:
            screen.item(screen.marks[file["state"] == "present"], f"{file['path']}: {file['why'] or file['state']}")
        if node["configuration"]:
            screen.say("the configuration that a runtime reads:", indent=2)
            _show_text(screen, node["configuration"])
        for each in node["attachments"]:
            what = f"container {each['container']}, interface {each['interface']}"
            screen.say(f"{what}: as it must have been asked, from the store and from what the runtime kept", indent=2)
            screen.say("on standard input its part of that configuration, and in the environment", indent=2)
            for name, value in each["asked"].items():
                screen.line(f"    {name}={value}", "dim")
            kept = "and answered" if each["answer"] else "what it answered is not kept here"
            screen.say(f"it gave {each['address']}, {kept}", indent=2)
            if each["answer"]:
                _show_text(screen, each["answer"])


def _show_text(screen: Screen, text: str) -> None:
    """JSON, spread over lines where it is JSON."""
    with suppress(ValueError):
        text = json.dumps(json.loads(text), indent=2)
    for line in text.splitlines():
        screen.line(f"    {line}", "dim")
