"""`--format`: how routes are printed. The forms of `gcloud topic formats` that people use for routes.

Read: `json`, `yaml`, `default`, `text`, `flattened`, `none`, `disable`, and with columns `table(…)`, `value(…)`,
`csv(…)` and `get(…)`. A column is `KEY`, `KEY.basename()` or `KEY.scope()`, with `:label=LABEL` if wanted; the
attributes are `[no-heading]` and `[separator=","]`. Measured with Google Cloud SDK 528.0.0.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labctl.world.gcloud.commands import Refused
from labctl.world.gcloud.filter import find_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labctl.world.gcloud.reference import Record

ROUTES_TABLE = "table(name, network.basename(), destRange, nextHopIp:label=NEXT_HOP, priority)"
NETWORKS_TABLE = (
    "table(name, x_gcloud_subnet_mode:label=SUBNET_MODE, x_gcloud_bgp_routing_mode:label=BGP_ROUTING_MODE, "
    "IPv4Range:label=IPV4_RANGE, gatewayIPv4:label=GATEWAY_IPV4, internalIpv6Range:label=INTERNAL_IPV6_RANGE)"
)
_REAL = "config, csv, default, diff, disable, flattened, get, json, list, multi, none, object, table, text, value, yaml"
# Compiled where they are used, and remembered by re.
_FORMAT = r"(?s)\s*(?P<kind>[A-Za-z]+)\s*(?:\[(?P<attributes>.*?)\])?\s*(?:\((?P<columns>.*)\))?\s*"
_COLUMN = (
    r"""\s*(?P<key>[A-Za-z_]\w*)(?P<last>(?:\.(?:basename|scope)\(\w*\))*)"""
    r"""(?::label=(?P<label>"[^"]*"|'[^']*'|[\w-]+))?\s*(?P<end>,|$)"""
)
_ATTRIBUTE = r"""\s*(no-heading|separator=(?:"([^"]*)"|'([^']*)'|([^,]*)))\s*(?:,|$)"""
# What YAML 1.2 would read as something else than a string, or not at all.
_YAML_PLAIN = r"[\w./(<=+$^\\~](?:[^\n\t#:]|(?<! )#|:(?! |$))*(?<! )"
_YAML_OTHER = (
    r"(?i)~|null|true|false|[-+]?[\d_]+|0[xo][\da-f]+|[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?|[-+]?\.(inf|nan)|"
    r"\d{4}-\d\d?-\d\d?.*"
)


@dataclass(frozen=True)
class _Column:
    key: str
    label: str
    short: bool

    def of(self, record: Record) -> Any:  # noqa: ANN401 (whatever a field holds)
        value = record.get(self.key)
        return value.rpartition("/")[2] if self.short and isinstance(value, str) and "://" in value else value

    def text(self, record: Record) -> str:
        value = self.of(record)
        return "" if value is None else str(value)


@dataclass(frozen=True)
class _Format:
    kind: str
    columns: tuple[_Column, ...]
    heading: bool
    separator: str | None


def show(records: Sequence[Record], text: str, *, listed: bool) -> str:
    """Print records as `--format` says. `listed` is what list and create do: a list, a network by its bare name.

    Raises:
        Refused: the format cannot be read, or is one that the lab lacks.
    """
    form = _read(text, listed=listed)
    match form.kind:
        case "json":
            return _show_json([_project(record, form) for record in records], listed=listed)
        case "yaml" | "default" | "text" | "flattened":
            write = _show_text if form.kind in ("text", "flattened") else _show_yaml
            head = "---\n" if listed else ""
            return "".join(head + write(_project(record, form)) for record in records)
        case "table" | "value" | "get" | "csv":
            return _show_rows([[column.text(record) for column in form.columns] for record in records], form)
        case _:
            return ""


def _read(text: str, *, listed: bool) -> _Format:
    found = re.fullmatch(_FORMAT, text)
    kind = found["kind"] if found else text.strip().rpartition(" ")[2]
    if not found or kind not in _REAL.split(", "):
        help_line = "For information on output formats:\n  $ gcloud topic formats\n"
        raise Refused(f"Format must be one of {_REAL}; received [{kind}].\n\n{help_line}")
    if kind in ("config", "diff", "list", "multi", "object"):
        raise Refused(f"the lab's gcloud has no format [{kind}]; try: --format json, or 'value(name,destRange)'")
    columns = _read_columns(found["columns"] or "", text, listed=listed and kind not in ("json", "yaml", "text"))
    if kind in ("table", "value", "csv", "get") and not columns:
        like = f"Use key parameters to specify a projection like so `{kind}(foo, bar.baz)`"
        raise Refused(f"Format [{kind}] requires a non-empty projection. {like}")
    heading, separator = _read_attributes(found["attributes"] or "")
    return _Format(kind, columns, heading, separator)


def _read_columns(text: str, whole: str, *, listed: bool) -> tuple[_Column, ...]:
    columns: list[_Column] = []
    at = 0
    more = bool(text.strip())
    while more:
        found = re.compile(_COLUMN).match(text, at)
        if not found:
            known = "the lab's gcloud reads columns such as name, network.basename() and nextHopIp:label=HOP"
            raise Refused(f"Non-empty key name expected [{whole.strip()}] at [{text[at:].strip()}]; {known}.")
        key = find_key(found["key"]) or found["key"]
        label = (found["label"] or "").strip("\"'") or re.sub(r"(?<=[a-z])(?=[A-Z])", "_", key).upper()
        columns.append(_Column(key, label, bool(found["last"]) or (listed and key == "network")))
        at, more = found.end(), found["end"] == ","
    return tuple(columns)


def _read_attributes(text: str) -> tuple[bool, str | None]:
    heading, separator, at = True, None, 0
    while at < len(text):
        found = re.compile(_ATTRIBUTE).match(text, at)
        if not found:
            raise Refused(f"the lab's gcloud has no format attribute [{text[at:]}], only no-heading and separator")
        if found[1] == "no-heading":
            heading = False
        else:
            separator = "".join(part or "" for part in found.groups()[1:])
        at = found.end()
    return heading, separator


def _project(record: Record, form: _Format) -> Record:
    if not form.columns:
        return record
    values = {column.key: column.of(record) for column in form.columns}
    return {key: value for key, value in sorted(values.items()) if value is not None}


def _show_json(records: Sequence[Record], *, listed: bool) -> str:
    import json

    values = [record or None for record in records]
    shown = values if listed or not values else values[0]
    return json.dumps(shown, indent=2, ensure_ascii=False) + "\n"


def _show_yaml(record: Record) -> str:
    return "".join(f"{key}:{_yaml_value(value)}\n" for key, value in record.items()) or "  null\n"


def _yaml_value(value: Any) -> str:  # noqa: ANN401 (whatever a field holds)
    if isinstance(value, dict):
        return "".join(f"\n  {key}: {_yaml(each)}" for key, each in value.items())
    return f" {_yaml(value)}"


def _yaml(value: str | int) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) or (re.fullmatch(_YAML_PLAIN, value) and not re.fullmatch(_YAML_OTHER, value)):
        return str(value)
    if "\n" in value and value == value.strip():
        return "|-\n" + "\n".join(f"  {line}".rstrip() for line in value.split("\n"))
    if "'" not in value and value.isprintable():
        return f"'{value}'"
    import json

    return json.dumps(value, ensure_ascii=False)


def _show_text(record: Record) -> str:
    flat: Record = {}
    for key, value in record.items():
        flat |= {f"{key}.{name}": each for name, each in value.items()} if isinstance(value, dict) else {key: value}
    width = max((len(key) for key in flat), default=0) + 1
    return "".join(f"{f'{key}:':<{width}} {value}\n" for key, value in flat.items())


def _show_rows(rows: list[list[str]], form: _Format) -> str:
    labels = [column.label if form.kind == "table" else column.label.lower() for column in form.columns]
    if rows and form.heading and form.kind in ("table", "csv"):
        rows = [labels, *rows]
    if form.kind == "table":
        widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
        return "".join("  ".join(map(str.ljust, row, widths)).rstrip() + "\n" for row in rows)
    if form.kind == "csv":
        separator = form.separator or ","
        return "".join(separator.join(_quote(cell, separator) for cell in row) + "\n" for row in rows)
    return "".join((form.separator or "\t").join(row) + "\n" for row in rows)


def _quote(cell: str, separator: str) -> str:
    return f'"{cell.replace(chr(34), chr(34) * 2)}"' if re.search(rf'[\r\n"{re.escape(separator)}]', cell) else cell
