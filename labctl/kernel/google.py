"""The routes of a real cloud network (port `Cloud`), through the real `gcloud` of this machine.

What the lab made bears a description; nothing else is ever deleted. Before anything else is asked, `gcloud … describe`
shows whether project, network and region are there: a route in the wrong network would help nobody.
"""

from __future__ import annotations

import itertools
import json
import os
import shlex
from typing import TYPE_CHECKING, Any

from labctl.errors import KernelRefused
from labctl.kernel.process import ENVIRONMENT, find_tool, missing
from labctl.kernel.talk import talk
from labctl.model.values import CLOUD_MARK, CloudRoute

if TYPE_CHECKING:
    from labctl.model.values import Completed

_ROUTES = ("compute", "routes")
_JSON = ("--format", "json")
# Where the client finds its settings and credentials, and what it goes through.
_KEPT = (
    "CLOUDSDK_",
    "GOOGLE_",
    "HOME",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "NO_PROXY",
)


class GoogleCloud:
    """One network of the project that gcloud is set to. A command takes about a second."""

    def __init__(self, network: str) -> None:
        """Work on this network; ask nothing yet."""
        self._network = network
        self._checked = False
        self._routes: tuple[CloudRoute, ...] | None = None

    def routes(self) -> tuple[CloudRoute, ...]:
        """All routes of the network; remembered until one is created or deleted."""
        if self._routes is None:
            self._check()
            records = self._ask_json((*_ROUTES, "list", *_JSON))
            routes = (_read(record) for record in records)
            self._routes = tuple(sorted((each for each in routes if each.network == self._network), key=_by_name))
        return self._routes

    def forwards(self, route: CloudRoute) -> bool:
        """Google follows what it has taken."""
        return route in self.routes()

    def create(self, route: CloudRoute) -> None:
        """Create a route, with the description that marks it."""
        self._check()
        self._routes = None
        options = ("--destination-range", route.destination, "--network", route.network)
        hop = ("--next-hop-address", route.next_hop, "--description", CLOUD_MARK, "--quiet")
        self._ask((*_ROUTES, "create", route.name, *options, *hop))

    def delete(self, name: str) -> None:
        """Delete a route that bears the mark; another is left alone, gone already is success."""
        found = next((each for each in self.routes() if each.name == name), None)
        if found is not None and found.description == CLOUD_MARK:
            self._routes = None
            self._ask((*_ROUTES, "delete", name, "--quiet"))

    def _check(self) -> None:
        """See that project, network and region are there.

        Raises:
            KernelRefused: one is not, in gcloud's own words.
        """
        if self._checked:
            return
        if not self._setting("project"):
            raise KernelRefused("gcloud is set to no project", "gcloud config set project PROJECT")
        self._ask(("compute", "project-info", "describe", *_JSON))
        self._ask(("compute", "networks", "describe", self._network, *_JSON))
        if region := self._setting("compute/region"):
            self._ask(("compute", "regions", "describe", region, *_JSON))
        self._checked = True

    def _setting(self, name: str) -> str:
        return self._ask(("config", "get-value", name)).out.strip().removeprefix("(unset)").strip()

    def _ask_json(self, words: tuple[str, ...]) -> Any:  # noqa: ANN401 (whatever JSON can say)
        done = self._ask(words)
        try:
            return json.loads(done.out)
        except ValueError as error:
            raise KernelRefused(f"gcloud {' '.join(words[:3])} did not answer JSON: {error}") from None

    def _ask(self, words: tuple[str, ...]) -> Completed:
        path = find_tool("gcloud")
        if path is None:
            raise missing("gcloud")
        kept = {name: value for name, value in os.environ.items() if name.startswith(_KEPT)}
        done = talk((path, *words), "", {**ENVIRONMENT, **kept, "CLOUDSDK_CORE_DISABLE_PROMPTS": "1"})
        if done.code != 0:
            raise KernelRefused(f"gcloud refused: {_reason(done)}", f"gcloud {shlex.join(words)}")
        return done


def _reason(done: Completed) -> str:
    """The error in one line: what could not be done, and the service's reasons, of which gcloud makes a list."""
    said = done.err.strip().splitlines() or [f"exit code {done.code}"]
    start = next((at for at, line in enumerate(said) if line.startswith("ERROR: ")), len(said) - 1)
    reasons = itertools.takewhile(lambda line: line.startswith(" - "), said[start + 1 :])
    return " ".join((said[start].removeprefix("ERROR: "), *(line.removeprefix(" - ") for line in reasons)))


def _by_name(route: CloudRoute) -> str:
    return route.name


def _read(record: dict[str, Any]) -> CloudRoute:
    """Read a route as the Compute API has it (`compute#route`); one whose next hop is no address has none."""
    return CloudRoute(
        name=record["name"],
        network=str(record.get("network", "")).rpartition("/")[2],
        destination=record.get("destRange", ""),
        next_hop=record.get("nextHopIp", ""),
        priority=int(record.get("priority", 1000)),
        description=record.get("description", ""),
    )
