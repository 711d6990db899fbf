"""Makes a standing world hold what a picture says, by what differs; and says what could not be made the same."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from labctl.engine.remake.network import end_servers, make_links, set_addresses, set_links, set_routes
from labctl.engine.remake.node import set_files, set_rules, set_settings
from labctl.engine.remake.picture import take_picture
from labctl.engine.remake.spelled import Spelled
from labctl.model.values import CloudRoute

if TYPE_CHECKING:
    from collections.abc import Callable

    from labctl.engine.remake.picture import Picture
    from labctl.model.lab import Lab
    from labctl.model.ports import Kernel

# What one round makes may take something else with it (a primary address its secondaries, a link its routes).
_ROUNDS = 3
_MOST_SHOWN = 100


def remake(
    kernel: Kernel, lab: Lab, wanted: Picture, part: Callable[[Picture], Picture] = lambda whole: whole
) -> tuple[str, ...]:
    """Make it so; `part` picks what of a picture is meant. Give what could not be made so, a line each."""
    spelled = Spelled(kernel, lab)

    def look() -> Picture:
        return part(take_picture(kernel, lab))

    now = look()
    for left in reversed(range(_ROUNDS)):
        if now == wanted:
            break
        end_servers(kernel, now, wanted)
        make_links(kernel, now, wanted)
        # What is made may bring addresses, and an address its routes.
        set_links(kernel, look(), wanted)
        set_addresses(kernel, look(), wanted)
        if "cloud" in wanted:
            _set_cloud(kernel, wanted)
        set_routes(kernel, look(), wanted, spelled, onlink=not left)
        set_files(kernel, now, wanted, spelled)
        set_rules(kernel, now, wanted)
        set_settings(kernel, now, wanted)
        now = look()
    return differences(now, wanted)


def _set_cloud(kernel: Kernel, wanted: Picture) -> None:
    routes = tuple(CloudRoute(**each) for each in wanted["cloud"])
    there = kernel.cloud.routes()
    for each in there:
        if each not in routes:
            kernel.cloud.delete(each.name)
    for each in routes:
        if each not in there:
            kernel.cloud.create(each)


def differences(now: Any, wanted: Any, where: str = "") -> tuple[str, ...]:  # noqa: ANN401 (whatever JSON can say)
    """Say what is not as wanted, a line each: `places master/a routes: … is missing`."""
    if isinstance(now, dict) and isinstance(wanted, dict):
        return tuple(
            line
            for key in dict.fromkeys((*wanted, *now))
            for line in differences(now.get(key), wanted.get(key), f"{where} {key}".strip())
        )
    if isinstance(now, list) and isinstance(wanted, list):
        missing = [f"{where}: {_spell(each)} is missing" for each in wanted if each not in now]
        return tuple(missing + [f"{where}: {_spell(each)} is not to be there" for each in now if each not in wanted])
    return () if now == wanted else (f"{where}: {_spell(now)}; expected {_spell(wanted)}",)


def _spell(value: Any) -> str:  # noqa: ANN401 (as above)
    if value is None:
        return "nothing"
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]} …"
