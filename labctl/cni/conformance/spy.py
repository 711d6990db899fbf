"""An IPAM plug-in of the checker's own: it writes down how it is called, and answers what it was told to."""

from __future__ import annotations

import base64
import json
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labctl.cni.conformance.check import CannotAsk, NotApplicable
from labctl.cni.conformance.network import NEWEST_FIRST

if TYPE_CHECKING:
    from collections.abc import Collection

    from labctl.cni.conformance.attachment import Attachment
    from labctl.cni.conformance.bench import Bench
    from labctl.cni.conformance.network import Network

# The last folder of CNI_PATH in every call.
FOLDER = "/opt/labctl-conformance"
NAME = "labctl-ipam"
SAYS = "labctl-ipam was called"
GATEWAY = "10.244.99.1"
ADDRESS = "10.244.99.2/24"
ROUTE = "198.51.100.0/24"
_WITH_FAMILY = ("0.3.1", "0.4.0")
_SCRIPT = f"""#!/bin/sh
cd {FOLDER} || exit 1
given=$(/usr/bin/base64 -w0)
echo "$CNI_COMMAND $(/usr/bin/env -0 | /usr/bin/base64 -w0) $given" >> calls
echo "{SAYS}" >&2
[ -f "fails-$CNI_COMMAND" ] && /bin/cat error && exit 1
[ -f "says-$CNI_COMMAND" ] && /bin/cat "says-$CNI_COMMAND"
exit 0
"""


@dataclass(frozen=True)
class Call:
    """One call of it: the command, the environment, and standard input as JSON (None if it is none)."""

    command: str
    environment: dict[str, str]
    given: Any


@dataclass(frozen=True)
class Spy:
    """It, on the node of a bench."""

    bench: Bench

    def prepare(self, failing: Collection[str] = (), **result: Any) -> None:  # noqa: ANN401 (fields of a result)
        """Forget all calls; fail with an error at these commands, and give this at ADD beside its address."""
        said = {
            "says-ADD": {"cniVersion": self.bench.version, "ips": [self._address()], "routes": _ROUTES, **result},
            "says-VERSION": {"cniVersion": "1.0.0", "supportedVersions": list(NEWEST_FIRST)},
            "error": {"cniVersion": self.bench.version, "code": 155, "msg": "labctl-ipam was told to fail"},
        }
        files = {NAME: _SCRIPT, **{name: json.dumps(each) for name, each in said.items()}}
        files |= {f"fails-{command}": "" for command in failing}
        lines = [f"rm -rf {FOLDER} && mkdir -p {FOLDER} && cd {FOLDER}"]
        lines += [f"printf %s {shlex.quote(text)} > {name}" for name, text in files.items()]
        self.bench.do(" && ".join((*lines, f"chmod 755 {NAME}")))

    def _address(self) -> dict[str, str]:
        family = {"version": "4"} if self.bench.version in _WITH_FAMILY else {}
        return {**family, "address": ADDRESS, "gateway": GATEWAY}

    def calls(self, command: str = "") -> list[Call]:
        """How it was called, with this command or with any."""
        lines = self.bench.do(f"cat {FOLDER}/calls 2>/dev/null || true").splitlines()
        calls = [_read(line.split(" ")) for line in lines]
        return [each for each in calls if command in ("", each.command)]

    def container(self) -> Attachment:
        """A container in a network whose addresses it gives.

        Raises:
            NotApplicable: the configuration has no `ipam`, so nothing says who gives addresses.
        """
        return self.bench.container(self.network())

    def network(self) -> Network:
        """A network whose addresses it gives; raises as `container` does."""
        base = self.bench.network
        if not isinstance(base.configuration.get("ipam"), dict):
            raise NotApplicable("the configuration has no ipam")
        bridge = {"bridge": "cni99"} if "bridge" in base.configuration else {}
        return base.with_ipam(type=NAME).changed(name=f"{base.name}-ipam", **bridge)


_ROUTES = [{"dst": "0.0.0.0/0"}, {"dst": ROUTE, "gw": GATEWAY}]


def _read(words: list[str]) -> Call:
    try:
        command, environment, given = words
        variables = base64.b64decode(environment).decode("utf-8", "replace").split("\0")
        text = base64.b64decode(given).decode("utf-8", "replace")
    except ValueError as error:
        raise CannotAsk(f"what the checker's IPAM plug-in wrote down cannot be read: {error}") from None
    try:
        said = json.loads(text)
    except ValueError:
        said = None
    return Call(command, dict(each.partition("=")[::2] for each in variables if each), said)
