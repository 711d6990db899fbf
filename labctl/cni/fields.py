"""Fields of a configuration: read, held against what they must be, and named where they are not."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any, TypeAlias

from labctl.cni.failure import BAD_CONFIGURATION, CniFailure

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

    Network: TypeAlias = "IPv4Network | IPv6Network"
    Host: TypeAlias = "IPv4Address | IPv6Address"


def bad(key: str, value: object, expected: str) -> CniFailure:
    """Say that a key has a value that it must not have: code 7."""
    said = repr(value)
    return CniFailure(BAD_CONFIGURATION, f"{key} is {said[:80]}{'…' if len(said) > 80 else ''}; expected {expected}")  # noqa: PLR2004 (as much as fits into a line)


def read_value(where: dict[str, Any], key: str, default: object) -> object:
    """A value; null, which Go writes for what is not set, is as good as nothing."""
    value = where.get(key)
    return default if value is None else value


def _has_bytes(text: str) -> bool:
    """Tell half of a surrogate pair, which JSON can say and no file name can."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def read_text(where: dict[str, Any], key: str, default: str, spelled: str = "") -> str:
    """A text that may be part of a file name or a command.

    Raises:
        CniFailure: 7, as all of these, naming the key and what is there.
    """
    value = read_value(where, key, default)
    if not isinstance(value, str) or "\0" in value or not _has_bytes(value):
        raise bad(spelled or key, value, "a text")
    return value


def read_flag(where: dict[str, Any], key: str, *, default: bool) -> bool:
    """True or false."""
    value = read_value(where, key, default)
    if not isinstance(value, bool):
        raise bad(key, value, "true or false")
    return value


def read_object(where: dict[str, Any], key: str, spelled: str = "") -> dict[str, Any]:
    """An object; an empty one if it is not set."""
    value = read_value(where, key, {})
    if not isinstance(value, dict):
        raise bad(spelled or key, value, "an object")
    return value


def read_list(where: dict[str, Any], key: str, spelled: str) -> list[Any]:
    """A list; an empty one if it is not set."""
    value = read_value(where, key, [])
    if not isinstance(value, list):
        raise bad(spelled, value, "a list")
    return value


def read_networks(where: dict[str, Any], key: str) -> tuple[str, ...]:
    """A range, or a list of them."""
    value = read_value(where, key, [])
    values = value if isinstance(value, list) else [value]
    return tuple(str(read_network(each, key)) for each in values)


def read_network(value: object, key: str) -> Network:
    """A range."""
    try:
        return ip_network(value if isinstance(value, str) and "/" in value else "")
    except ValueError:
        raise bad(key, value, "a range like 10.244.0.0/24") from None


def read_address(value: object, spelled: str) -> Host:
    """An address."""
    try:
        # A number would do for `ipaddress`, and of a scope (fe80::1%eth0) it takes anything, ends of lines too.
        return ip_address(value if isinstance(value, str) and "%" not in value else "")
    except ValueError:
        raise bad(spelled, value, "an address") from None
