"""What a list request asks for: `filter`, `maxResults` and `pageToken` of compute v1.

A filter is one or more of `FIELD eq|ne VALUE`, in parentheses or not, of which all must hold; VALUE is a regular
expression (RE2, of which Python's is a superset) that must match all of what is there. This older form is what gcloud sends.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from labctl.compute.refusal import invalid

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from labctl.world.gcloud.reference import Record

_MOST = 500
_TERM = r"""\s*(?P<open>\()?\s*(?P<field>[A-Za-z_.]+)\s+(?P<op>eq|ne)\s+(?P<value>"(?:[^"\\]|\\.)*"|[^\s()"]+)\s*(?(open)\))\s*"""


def choose(records: Sequence[Record], query: Mapping[str, str]) -> tuple[list[Record], str]:
    """Give the page that is asked for, and the token of the next one (empty: there is none).

    Raises:
        ServiceRefused: a parameter has a value that it cannot have.
    """
    found = [record for record in records if _holds(record, query.get("filter", ""))]
    most = _number(query, "maxResults", _MOST, range(_MOST + 1))
    start = _number(query, "pageToken", 0, range(len(found) + 1))
    end = start + most
    return found[start:end], str(end) if end < len(found) and most else ""


def _number(query: Mapping[str, str], name: str, default: int, allowed: range) -> int:
    text = query.get(name, str(default))
    if not (text.isascii() and text.isdecimal() and int(text) in allowed):
        invalid(name, text, f"Must be a number from {allowed[0]} to {allowed[-1]}.")
    return int(text)


def _holds(record: Record, expression: str) -> bool:
    at, holds = 0, True
    while at < len(expression):
        term = re.compile(_TERM).match(expression, at)
        if not term:
            invalid("filter", expression, "Invalid list filter expression.")
        holds = _matches(record, term, expression) is (term["op"] == "eq") and holds
        at = term.end()
    return holds


def _matches(record: Record, term: re.Match[str], expression: str) -> bool:
    value = term["value"]
    if value[0] == '"':
        value = re.sub(r'\\(["\\])', r"\1", value[1:-1])
    found = record.get(term["field"], "")
    try:
        return bool(re.fullmatch(value, str(found)))
    except re.error:
        invalid("filter", expression, "Invalid list filter expression.")
