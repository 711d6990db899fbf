"""The result of a CNI ADD as a JSON schema (CNI specification 1.1.0, section 5, "ADD Success")."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_MAC = {"type": "string", "pattern": "^([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}$"}
_TEXT = {"type": "string", "minLength": 1}
_COUNT = {"type": "integer", "minimum": 0}

ADD_RESULT: dict[str, Any] = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "required": ["cniVersion", "interfaces", "ips"],
    "properties": {
        "cniVersion": {"type": "string", "pattern": r"^1\.[01]\.0$"},
        "interfaces": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {
                    "name": _TEXT,
                    "mac": _MAC,
                    "mtu": _COUNT,
                    "sandbox": _TEXT,
                    "socketPath": _TEXT,
                    "pciID": _TEXT,
                },
            },
        },
        "ips": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["address"],
                "properties": {
                    "address": {"type": "string", "pattern": r"^[0-9a-fA-F.:]+/[0-9]{1,3}$"},
                    "gateway": _TEXT,
                    "interface": _COUNT,
                },
            },
        },
        "routes": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["dst"],
                "properties": {
                    "dst": _TEXT, "gw": _TEXT, "mtu": _COUNT, "advmss": _COUNT,
                    "priority": _COUNT, "table": _COUNT, "scope": _COUNT,
                },
            },
        },
        "dns": {
            "type": "object",
            "properties": {
                "nameservers": {"type": "array", "items": _TEXT},
                "domain": _TEXT,
                "search": {"type": "array", "items": _TEXT},
                "options": {"type": "array", "items": _TEXT},
            },
        },
    },
}  # fmt: skip  # laid out as the specification lists the fields


@cache
def _validator() -> Callable[[object], object]:
    # Imported when a result is looked at: no other step needs it.
    import fastjsonschema

    compiled: Callable[[object], object] = fastjsonschema.compile(ADD_RESULT)
    return compiled


def schema_fault(result: object) -> str:
    """Say what makes this no ADD result; empty if it is one."""
    from fastjsonschema import JsonSchemaValueException

    try:
        _validator()(result)
    except JsonSchemaValueException as error:
        return str(error.message).replace("data", "it", 1)
    return ""
