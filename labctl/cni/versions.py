"""The versions of the specification that labnet speaks, and what differs between their results."""

from __future__ import annotations

from typing import Any

from labctl.cni.failure import BAD_CONFIGURATION, UNSUPPORTED_VERSION, CniFailure

SUPPORTED = ("0.3.1", "0.4.0", "1.0.0", "1.1.0")
NEWEST = SUPPORTED[-1]
_WITH_IP_VERSION = ("0.3.1", "0.4.0")
_SAID = f"supported: {', '.join(SUPPORTED)}"


def check_version(configuration: dict[str, Any]) -> str:
    """Give the version of a configuration.

    Raises:
        CniFailure: 7 if it is no text, 1 if labnet does not speak it; a configuration without one is of 0.1.0.
    """
    version = configuration.get("cniVersion", "0.1.0")
    if not isinstance(version, str):
        raise CniFailure(BAD_CONFIGURATION, f"cniVersion is {version!r:.80}; expected a text like {NEWEST}")
    if version not in SUPPORTED:
        raise CniFailure(UNSUPPORTED_VERSION, f"cniVersion {version[:40]!r} is not supported", _SAID)
    return version


def refuse_before(version: str, first: str, command: str) -> None:
    """Refuse a command that came only with a later version.

    Raises:
        CniFailure: 1.
    """
    if SUPPORTED.index(version) < SUPPORTED.index(first):
        said = f"{command} came with version {first} of the specification, the configuration has {version}"
        raise CniFailure(UNSUPPORTED_VERSION, said, _SAID)


def dress(result: dict[str, Any], version: str) -> dict[str, Any]:
    """Give a result the form of a version: until 0.4.0 each address tells its family."""
    ips = [{key: value for key, value in each.items() if key != "version"} for each in result.get("ips", [])]
    if version in _WITH_IP_VERSION:
        ips = [{"version": "6" if ":" in str(each.get("address")) else "4", **each} for each in ips]
    return {**result, "cniVersion": version, "ips": ips}
