"""Delegated IPAM: another executable of CNI_PATH gives the addresses (specification 1.1.0, section 4)."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from labctl.cni.attachment import Given
from labctl.cni.failure import BAD_CONFIGURATION, DELEGATE_FAILED, CniFailure
from labctl.errors import ToolMissing
from labctl.kernel import spawn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labctl.cni.config import Configuration
    from labctl.cni.request import Request


def delegate(
    request: Request,
    configuration: Configuration,
    environment: Mapping[str, str],
    command: str,
    seconds: int = spawn.MOST_SECONDS,
) -> Any:  # noqa: ANN401 (whatever JSON it prints)
    """Call the IPAM plug-in with the environment and the configuration that we got; give what it printed.

    Raises:
        CniFailure: its own error, or 104 where it says none; 7 if CNI_PATH has no such executable.
        KernelRefused: it did not end within that many seconds; it was ended, with what it had started.
    """
    try:
        path = spawn.find(configuration.ipam, request.path)
    except ToolMissing:
        folders = ":".join(request.path) or "empty"
        what = f"ipam.type is {configuration.ipam!r}; expected an executable in CNI_PATH, which is {folders}"
        raise CniFailure(BAD_CONFIGURATION, what) from None
    told = {**environment, "CNI_COMMAND": command}
    done = spawn.run((path,), json.dumps(configuration.raw), told, seconds=seconds, leads=True)
    if done.err:
        os.write(2, done.err.encode())  # its log is the runtime's to read
    try:
        said = json.loads(done.out) if done.out.strip() else {}
    except ValueError:
        said = {}
    if done.code == 0:
        return said
    if isinstance(said, dict) and type(said.get("code")) is int and said["code"] > 0:
        raise CniFailure(said["code"], f"{configuration.ipam}: {said.get('msg', '')}", str(said.get("details", "")))
    what = (done.err.strip() or done.out.strip() or f"exit code {done.code}").splitlines()[-1]
    raise CniFailure(DELEGATE_FAILED, f"{configuration.ipam} failed: {what}")


def read_given(result: object) -> tuple[Given, ...]:
    """The addresses in an IPAM plug-in's result, or in that of an earlier ADD.

    Raises:
        CniFailure: 104 if there are none.
    """
    ips = result.get("ips") if isinstance(result, dict) else None
    try:
        given = tuple(_read_one(each["address"], each.get("gateway") or "") for each in ips or ())
    except (TypeError, KeyError, AttributeError, ValueError):
        given = ()
    if not given:
        raise CniFailure(DELEGATE_FAILED, f"the IPAM plug-in gave no address, but {ips!r:.80}")
    return given


def read_routes(result: object) -> tuple[tuple[str, str], ...]:
    """The routes in a result: destination, and next hop (empty for the gateway of the address).

    Raises:
        CniFailure: 104 if one is no route.
    """
    routes = (result.get("routes") if isinstance(result, dict) else None) or ()
    try:
        return tuple((_plain(each["dst"]), _plain(each.get("gw") or "")) for each in routes)
    except (TypeError, KeyError, AttributeError, ValueError):
        raise CniFailure(DELEGATE_FAILED, f"the IPAM plug-in gave routes that are none: {routes!r:.80}") from None


def read_dns(result: object) -> dict[str, Any]:
    """The dns of a result; empty if it has none."""
    dns = result.get("dns") if isinstance(result, dict) else None
    return dns if isinstance(dns, dict) else {}


def _plain(text: str) -> str:
    """An address or a range in its usual spelling; an empty text stays one."""
    from ipaddress import ip_address, ip_network

    if "%" in text:  # a scope, of which `ipaddress` takes anything
        raise ValueError(text)
    return str(ip_network(text, strict=False) if "/" in text else ip_address(text)) if text else ""


def _read_one(address: object, gateway: str) -> Given:
    from ipaddress import ip_interface

    if not isinstance(address, str) or "/" not in address or "%" in address:
        raise TypeError
    return Given(ip_interface(address).with_prefixlen, _plain(gateway))
