"""What a list request asks for: `filter`, `maxResults` and `pageToken` of compute v1.

A filter is one or more of `FIELD eq|ne VALUE`, in parentheses or not, of which all must hold; VALUE is a regular
expression (of RE2 there; Python's, which reads what people write the same way) that must match all of what is there, in
any case. It is the older form, and what gcloud sends.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from labctl.compute.refusal import invalid

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from labctl.world.gcloud.reference import Record

_MOST = 500
_TERM = (
    r"""\s*(?P<open>\()?\s*(?P<field>[A-Za-z_.]+)\s+(?P<op>eq|ne)\s+"""
    r"""(?P<value>"(?:[^"\\]|\\.)*"|[^\s()"]+)\s*(?(open)\))\s*"""
)


def choose(records: Sequence[Record], fields: Sequence[str], query: Mapping[str, str]) -> tuple[list[Record], str]:
    """Give the page that is asked for, and the token of the next one (empty: there is none).

    `fields` are those that a record may have.

    Raises:
        ServiceRefused: a parameter has a value that it cannot have.
    """
    terms = _read(query.get("filter", ""), fields)
    found = [record for record in records if all(_holds(record, term) for term in terms)]
    most = _number(query, "maxResults", _MOST, range(_MOST + 1))
    start = _number(query, "pageToken", 0, range(len(found) + 1))
    end = start + most
    return found[start:end], str(end) if end < len(found) and most else ""


def _number(query: Mapping[str, str], name: str, default: int, allowed: range) -> int:
    text = query.get(name, str(default))
    # No number of more digits is read: int() refuses thousands of them.
    if not (re.fullmatch(r"[0-9]{1,9}", text) and int(text) in allowed):
        invalid(name, text, f"Must be a number from {allowed[0]} to {allowed[-1]}.")
    return int(text)


def _read(expression: str, fields: Sequence[str]) -> list[tuple[str, bool, re.Pattern[str]]]:
    """Field, whether it must match or must not, and the pattern, of each term."""
    terms, at = [], 0
    try:
        while at < len(expression):
            term = re.compile(_TERM).match(expression, at)
            if term is None or term["field"] not in fields:
                invalid("filter", expression, "Invalid list filter expression.")
            value = term["value"]
            value = value[1:-1].replace('\\"', '"') if value[0] == '"' else value
            terms.append((term["field"], term["op"] == "eq", re.compile(value, re.IGNORECASE)))
            at = term.end()
    except re.error:
        invalid("filter", expression, "Invalid list filter expression.")
    return terms


def _holds(record: Record, term: tuple[str, bool, re.Pattern[str]]) -> bool:
    field, wanted, pattern = term
    return bool(pattern.fullmatch(str(record.get(field, "")))) is wanted
