"""The form of a checkpoint's file (JSON Schema, draft 7): strict, for such a file may come from anybody."""

from __future__ import annotations

from typing import Any

from labctl.engine.snapshot import NETNS, STATE_PATHS, SYSCTLS

# No blank, and nothing that `ip -batch` reads as a quote, a comment or a continued line.
_WORD = r"[^\s\"'#\\\x00-\x1f\x7f]"
_DEVICE = rf"^{_WORD}{{1,15}}$"
_PLACE = r"^[a-z][a-z0-9-]{0,12}(/[a-z][a-z0-9-]{0,12})?$"
_ADDRESS, _NUMBER = "[0-9.]{7,15}", "[0-9]{1,10}"
_CIDR = f"{_ADDRESS}/[0-9]{{1,2}}"
_ROUTE = (
    rf"^[a-z0-9]{{1,12}} (default|{_CIDR}) via (-|{_ADDRESS}) dev (-|{_WORD}{{1,15}}) src (-|{_ADDRESS}) "
    rf"table {_NUMBER} proto [a-z0-9]{{1,12}} metric {_NUMBER}$"
)
_OWNER = r"<mac of [^\"'#\\\x00-\x1f>]{1,80}>"
_FOLDERS = "|".join(folder.replace(".", r"\.") for folder in (*STATE_PATHS, NETNS))
_PATH = rf"^({_FOLDERS})(/(?!\.{{1,2}}(/|$))[^/\x00-\x1f\x7f]{{1,255}})*/?$"
# iptables-restore(8) would run what `--modprobe` names.
_RULE_WORD = r"^(?!-M|--modp|--mod$|--mod=)[^\x00-\x1f\x7f]{0,1024}$"
_CHAIN = rf"^{_WORD}{{1,30}}$"
_TABLES = "^(filter|nat|mangle|raw|security)$"


def _text(pattern: str) -> dict[str, Any]:
    return {"type": "string", "pattern": pattern}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _map(keys: str, values: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "patternProperties": {keys: values}, "additionalProperties": False}


def _record(**fields: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}


def _pair(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": [first, second], "minItems": 2, "additionalItems": False}


_LINK = _record(
    kind={"enum": ["", "bridge", "veth"]},
    up={"type": "boolean"},
    master={"oneOf": [{"type": "null"}, _text(_DEVICE)]},
    peer={"oneOf": [{"type": "null"}, _text(rf"^[a-z][a-z0-9/-]{{0,28}} {_WORD}{{1,15}}$")]},
    hairpin={"type": "boolean"},
)
_PLACES = _map(
    _PLACE,
    _record(
        links=_map(_DEVICE, _LINK),
        addresses=_list(_text(rf"^{_WORD}{{1,15}} {_CIDR}$")),
        routes=_list(_text(_ROUTE)),
        neighbours=_list(_text(rf"^{_WORD}{{1,15}} {_ADDRESS} ([0-9a-f:]{{17}}|{_OWNER})$")),
        servers=_list({"type": "string"}),
    ),
)
_NODES = _map(
    _PLACE,
    _record(
        iptables=_map(_TABLES, _list({"type": "string"})),
        other_iptables={"type": "array", "maxItems": 0},
        sysctls=_record(**{name: {"oneOf": [{"type": "null"}, _text("^[0-9]{1,9}$")]} for name in SYSCTLS}),
        files=_map(_PATH, {"type": "string", "maxLength": 1 << 20}),
    ),
)
_TABLE = _record(
    policies=_list(_pair(_text(_CHAIN), {"enum": ["ACCEPT", "DROP", "-"]})),
    rules=_list(_pair(_text(_CHAIN), _list(_text(_RULE_WORD)))),
)
_VPC_ROUTE = _record(
    destination=_text(_CIDR), next_hop=_text(rf"^{_ADDRESS}$"), network={"type": "string"}, priority={"type": "integer"}
)
_CLOUD_ROUTE = _record(
    name=_text("^[a-z][a-z0-9-]{0,62}$"),
    network=_text("^[a-z][a-z0-9-]{0,62}$"),
    destination=_text(rf"^{_CIDR}$"),
    next_hop=_text(rf"^{_ADDRESS}$"),
    priority={"type": "integer", "minimum": 0, "maximum": 65535},
    description={"type": "string", "maxLength": 2048},
)
_PICTURE = _record(
    snapshot=_record(schema={"const": 1}, places=_PLACES, nodes=_NODES, vpc_routes=_list(_VPC_ROUTE)),
    rules=_map(_PLACE, _map(_TABLES, _TABLE)),
    executables=_map(_PLACE, _list(_text(_PATH))),
    aliases=_map(_PLACE, _map(_DEVICE, _text(r"^[^\x00-\x1f\x7f]{1,255}$"))),
    cloud=_list(_CLOUD_ROUTE),
)
SCHEMA: dict[str, Any] = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "title": "a checkpoint: what `labctl checkpoint save` writes",
    **_record(
        format={"const": "labctl checkpoint"},
        schema={"const": 1},
        sha256=_text("^[0-9a-f]{64}$"),
        body=_record(
            name=_text(r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"),
            saved=_text(r"^[0-9T:.+-]{19,40}$"),
            labctl={"type": "string", "maxLength": 40},
            topology={"type": "object"},
            steps=_list(
                _record(
                    step={"type": "integer", "minimum": 0, "maximum": 99}, node=_text(_PLACE), made={"type": "boolean"}
                )
            ),
            picture=_PICTURE,
        ),
    ),
}
