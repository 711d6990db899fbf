"""The configurations that a plug-in under test is given."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labctl.cni.conformance.check import NotApplicable
from labctl.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

NEWEST_FIRST = ("1.1.0", "1.0.0", "0.4.0", "0.3.1")
NAME = "conformance"
_DEFAULT_RANGE = "10.244.0.0/24"


def default_configuration(plugin: str, *, delegated: bool) -> dict[str, Any]:
    """One that fits a bridge plug-in, with host-local for addresses or with its own."""
    ipam: dict[str, Any] = {"ranges": [[{"subnet": _DEFAULT_RANGE}]]}
    if delegated:
        ipam = {"type": "host-local", **ipam, "routes": [{"dst": "0.0.0.0/0"}]}
    return {
        "name": NAME,
        "type": plugin,
        "bridge": "cni0",
        "isGateway": True,
        "ipMasq": True,
        "ipam": ipam,
    }


def read_configuration(file: Path, plugin: str) -> dict[str, Any]:
    """Read a configuration, or the plug-in's own part of a list (section 3, "Deriving execution configuration").

    Raises:
        UsageError: it cannot be read, or is no configuration.
    """
    hint = 'a file with {"cniVersion": …, "name": …, "type": …}, or a list with "plugins"'
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{file} cannot be read: {getattr(error, 'strerror', None) or 'no UTF-8 text'}", hint
        ) from None
    except ValueError as error:
        raise UsageError(f"{file} is not JSON: {error}", hint) from None
    if not isinstance(found, dict):
        raise UsageError(f"{file} is not a configuration", hint)
    plugins = found.get("plugins")
    if plugins is None:
        parts = [found]
    elif isinstance(plugins, list) and plugins and all(isinstance(each, dict) for each in plugins):
        parts = plugins
    else:
        raise UsageError(f"the plugins of {file} are no list of objects", hint)
    part = next((each for each in parts if each.get("type") == plugin), parts[0])
    kept = {key: found[key] for key in ("cniVersion", "name") if key in found}
    return {"name": NAME, **part, **kept, "type": plugin}


@dataclass(frozen=True)
class Network:
    """One network: the configuration that every call for it gets."""

    configuration: dict[str, Any]

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.configuration.get("name", NAME))

    @property
    def delegate(self) -> str:
        """The IPAM plug-in that it names; empty if none."""
        ipam = self.configuration.get("ipam")
        return str(ipam.get("type") or "") if isinstance(ipam, dict) else ""

    def changed(self, **fields: Any) -> Network:  # noqa: ANN401 (whatever a configuration holds)
        """The same, with other fields; a field of None is left out."""
        merged = {**copy.deepcopy(self.configuration), **fields}
        return Network({key: value for key, value in merged.items() if value is not None})

    def with_ipam(self, **fields: Any) -> Network:  # noqa: ANN401 (as above)
        """The same, with other fields in `ipam`."""
        return self.changed(ipam={**self.configuration.get("ipam", {}), **fields})

    def beside(self, number: int, prefix: int, prefix6: int = 0) -> Network:
        """Another network: of another name, on a bridge of its own, with a range of its own of that size.

        With `prefix6`, and one of IPv6.

        Raises:
            NotApplicable: how this configuration spells a range is not known.
        """
        subnet = f"10.244.{100 + number}.0/{prefix}"
        ipam = self.configuration.get("ipam")
        if isinstance(ipam, dict) and "ranges" in ipam:
            subnets = (subnet, f"fd00:244:{number:x}::/{prefix6}") if prefix6 else (subnet,)
            network = self.with_ipam(ranges=[[{"subnet": each}] for each in subnets])
        elif prefix6:
            raise NotApplicable("the configuration has no ipam.ranges, so none of IPv6 was added")
        elif isinstance(ipam, dict) and "subnet" in ipam:
            network = self.with_ipam(subnet=subnet)
        else:
            raise NotApplicable(
                "the configuration has neither ipam.ranges nor ipam.subnet, so no second network was made"
            )
        bridge = {"bridge": f"cni{100 + number}"} if "bridge" in self.configuration else {}
        return network.changed(name=f"{self.name}-{number}", **bridge)

    def spell(self) -> str:
        """As a runtime puts it on standard input."""
        return json.dumps(self.configuration)
