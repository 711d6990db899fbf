r"""`--filter`, `--sort-by` and NAME of a list command: which routes are shown, in which order.

The grammar is that of `gcloud topic filters`, in part: `KEY OP VALUE` with the operators below, a list of values in
parentheses, NOT or `-` before a term, between terms AND (or nothing) or OR, not both. A single value is looked for as a
word of what is there, as the service does it for the real client (`name=worker` finds k8s-worker: the client sends it
the pattern `.*\bworker\b.*`); in a list of values `=` means equal.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from labctl.world.gcloud.commands import Refused
from labctl.world.gcloud.reference import FIELDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labctl.world.gcloud.reference import Record

# Compiled where they are used, and remembered by re: a list without a filter shall not wait for them.
_TERM = (
    r"""\s*(?P<not>(?:NOT\s+|-)*)(?P<key>[A-Za-z_]\w*)\s*(?P<op>!=|!~|=|:|~)\s*"""
    r"""(?P<values>\([^()]*\)|"[^"]*"|'[^']*'|[^\s()]+)"""
)
_JOIN = r"\s+(?P<word>AND|OR)\b|\s+(?=\S)|\s*$"
_VALUE = r""""([^"]*)"|'([^']*)'|([^\s,]+)"""
_LAB = "the lab's gcloud reads only terms such as name=k8s-master or network:(k8s default), joined by AND or by OR"


def keep_named(records: Sequence[Record], names: Sequence[str]) -> list[Record]:
    """Keep the records that are named, or all if none is."""
    return [record for record in records if not names or record["name"] in names]


def keep_matching(records: Sequence[Record], expression: str) -> list[Record]:
    """Keep the records for which a filter expression holds.

    Raises:
        Refused: the expression cannot be read.
    """
    if not expression.strip():
        return list(records)
    terms, joins = _read(expression)
    if {"AND", "OR"} <= joins:
        raise Refused(f"Parenthesis grouping is required when AND and OR are combined [{expression}].")
    holds = any if "OR" in joins else all
    return [record for record in records if holds(_holds(record, term) for term in terms)]


def sort(records: Sequence[Record], keys: str) -> list[Record]:
    """Sort by comma-separated keys, `~` before one for the reverse; a key that no route has changes nothing."""
    result = list(records)
    for key in reversed([each.strip() for each in keys.split(",")]):
        name = find_key(key.removeprefix("~"))
        if name:
            result.sort(key=lambda record: _order(record, name), reverse=key.startswith("~"))
    return result


def find_key(typed: str) -> str:
    """Find the field that is meant: case and underscores do not count (`dest_range` is destRange); empty if none is."""
    plain = typed.replace("_", "").lower()
    return next((key for key in FIELDS if key.lower() == plain), "")


def _order(record: Record, key: str) -> tuple[int, str]:
    value = record.get(key, "")
    return (value, "") if isinstance(value, int) else (0, value)


def _read(expression: str) -> tuple[list[re.Match[str]], set[str]]:
    terms: list[re.Match[str]] = []
    joins: set[str] = set()
    at = 0
    while not terms or at < len(expression):
        term = re.compile(_TERM).match(expression, at)
        if not term:
            raise Refused(f"Term expected [{expression[:at]} *HERE* {expression[at:].strip()}]; {_LAB}.")
        if not find_key(term["key"]):
            invalid = f"Invalid value for field 'filter': '{_as_sent(term)}'. Invalid list filter expression."
            raise Refused(f"Some requests did not succeed:\n - {invalid}\n")
        _check_patterns(term, expression)
        terms.append(term)
        join = re.compile(_JOIN).match(expression, term.end())
        if not join:
            raise Refused(f"Unexpected tokens [{expression[: term.end()]} *HERE* {expression[term.end() :]}]; {_LAB}.")
        at = join.end()
        if at < len(expression) or join["word"]:
            joins.add(join["word"] or "AND")
        if join["word"] and at == len(expression):
            raise Refused(f"Term expected [{expression} *HERE*].")
    return terms, joins


def _as_sent(term: re.Match[str]) -> str:
    """Spell a term as the real client sends it, one that looks for a word."""
    if term["op"] not in ("=", ":") or term["not"] or term["values"][0] == "(":
        return term[0].strip()
    return rf'{term["key"]} eq ".*\b{re.escape(_values(term)[0])}\b.*"'


def _values(term: re.Match[str]) -> list[str]:
    text = term["values"]
    return ["".join(parts) for parts in re.findall(_VALUE, text.strip("()") if text[0] == "(" else text)]


def _check_patterns(term: re.Match[str], expression: str) -> None:
    try:
        for value in _values(term) if "~" in term["op"] else ():
            re.compile(value)
    except re.error:
        raise Refused(f"Invalid regular expression [{expression}].") from None


def _holds(record: Record, term: re.Match[str]) -> bool:
    found = str(record.get(find_key(term["key"]), ""))
    values = _values(term)
    operator = term["op"].removeprefix("!")
    if operator == "~":
        yes = any(re.search(value, found) for value in values)
    elif term["values"][0] == "(" and operator == "=":
        yes = found.casefold() in {value.casefold() for value in values}
    else:
        yes = any(_has_word(found, value) for value in values)
    turns = len(re.findall(r"NOT|-", term["not"])) + term["op"].startswith("!")
    return yes is not bool(turns % 2)


def _has_word(found: str, value: str) -> bool:
    """Look for a word, or with `*` at its end for the beginning of one; `*` alone is anything."""
    if value == "*":
        return bool(found)
    tail = "" if value.endswith("*") else r"\b"
    return bool(re.search(rf"\b{re.escape(value.removesuffix('*'))}{tail}", found))
