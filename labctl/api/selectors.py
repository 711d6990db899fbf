"""Label and field selectors: parsed whole, so that what is not understood is said and not passed over.

The grammar of labels is that of k8s.io/apimachinery/pkg/labels (`a=b`, `a!=b`, `a in (x, y)`, `!a`, `a > 1`), that of
fields that of pkg/fields (`a=b`, `a==b`, `a!=b`; a backslash before `,`, `=` and itself).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from labctl.api.status import bad_request
from labctl.model.value import Value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MOST = 4096
"""Characters of a selector; kubectl's own are far shorter."""

_TOKEN = re.compile(r"\s*(?:(==|!=|=|!|<|>|,|\(|\))|([^\s=!<>,()]+))")
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_PREFIX = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*")
_LONGEST_PREFIX = 253
_WHOLE = re.compile(r"[+-]?\d{1,18}")


class Requirement(Value):
    """One condition on a label; `operator` is `in`, `notin`, `exists`, `!`, `gt` or `lt`."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Tell whether an object's labels meet it; `notin` is met by who has no such label."""
        found = labels.get(self.key)
        match self.operator:
            case "in":
                return found in self.values
            case "notin":
                return found not in self.values
            case "exists":
                return found is not None
            case "!":
                return found is None
        if found is None or not _WHOLE.fullmatch(found):
            return False
        bound = int(self.values[0])
        return int(found) > bound if self.operator == "gt" else int(found) < bound


def parse_labels(text: str) -> tuple[Requirement, ...]:
    """Read a label selector; an empty one has no requirement.

    Raises:
        Refusal: 400, it is not well formed.
    """
    tokens = tuple(_tokens(text))
    if not tokens:
        return ()
    requirements = []
    at = 0
    while True:
        requirement, at = _requirement(tokens, at)
        requirements.append(requirement)
        if at == len(tokens):
            return tuple(requirements)
        _expect(tokens, at, ",")
        at += 1


def _tokens(text: str) -> Iterator[str]:
    if len(text) > MOST:
        raise bad_request(f"unable to parse requirement: the selector has more than {MOST} characters")
    at, text = 0, text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:  # cannot be: the two classes cover all characters
            raise bad_request(f"unable to parse requirement: found '{text[at:]}'")
        yield match[1] or match[2]
        at = match.end()


def _at(tokens: tuple[str, ...], at: int) -> str:
    return tokens[at] if at < len(tokens) else ""


def _expect(tokens: tuple[str, ...], at: int, *wanted: str) -> str:
    found = _at(tokens, at)
    if found not in wanted:
        expected = ", ".join(f"'{each}'" for each in wanted)
        raise bad_request(f"unable to parse requirement: found '{found}', expected: {expected}")
    return found


def _requirement(tokens: tuple[str, ...], at: int) -> tuple[Requirement, int]:
    if _at(tokens, at) == "!":
        return Requirement(_key(_at(tokens, at + 1)), "!"), at + 2
    key = _key(_at(tokens, at))
    operator = _at(tokens, at + 1)
    if operator in ("", ","):
        return Requirement(key, "exists"), at + 1
    _expect(tokens, at + 1, "in", "notin", "=", "==", "!=", ">", "<")
    if operator in ("in", "notin"):
        values, after = _set(tokens, at + 2)
        return Requirement(key, operator, values), after
    # `a=` is a label that is there, and empty.
    value = _at(tokens, at + 2)
    after = at + 2
    if value not in ("", ",") and value not in "=!<>()" and value != "==":
        after = at + 3
    elif value in ("", ","):
        value = ""
    else:
        raise bad_request(f"unable to parse requirement: found '{value}', expected: identifier")
    return _compare(key, operator, value), after


def _compare(key: str, operator: str, value: str) -> Requirement:
    _check_value(key, value)
    if operator in (">", "<"):
        if not _WHOLE.fullmatch(value):
            raise bad_request(f'values[0][{key}]: Invalid value: "{value}": for \'Gt\', \'Lt\' operators, '
                              "the value must be an integer")  # fmt: skip  # two halves of one sentence
        return Requirement(key, "gt" if operator == ">" else "lt", (value,))
    return Requirement(key, "notin" if operator == "!=" else "in", (value,))


def _set(tokens: tuple[str, ...], at: int) -> tuple[tuple[str, ...], int]:
    _expect(tokens, at, "(")
    values: list[str] = []
    at += 1
    while True:
        value = _at(tokens, at)
        if value in (",", ")"):  # an empty value, as in `a in (x,)`
            values.append("")
        else:
            if not value or not _is_value(value):
                raise bad_request(f"unable to parse requirement: found '{value}', expected: ',', ')' or identifier")
            values.append(value)
            at += 1
        if _expect(tokens, at, ",", ")") == ")":
            return tuple(values), at + 1
        at += 1


def _key(text: str) -> str:
    prefix, slash, name = text.rpartition("/")
    fine = bool(_NAME.fullmatch(name)) and (
        not slash or (len(prefix) <= _LONGEST_PREFIX and bool(_PREFIX.fullmatch(prefix)))
    )
    if not fine:
        raise bad_request(f'unable to parse requirement: <nil>: Invalid value: "{text}": it is no label key')
    return text


def _is_value(text: str) -> bool:
    return not text or bool(_NAME.fullmatch(text))


def _check_value(key: str, value: str) -> None:
    if not _is_value(value):
        what = f'unable to parse requirement: values[0][{key}]: Invalid value: "{value}"'
        raise bad_request(f"{what}: a valid label must be an empty string or consist of alphanumeric characters, "
                          "'-', '_' or '.'")  # fmt: skip  # two halves of one sentence


class FieldTerm(Value):
    """One condition on a field."""

    field: str
    value: str
    equal: bool

    def holds(self, fields: Mapping[str, str]) -> bool:
        """Tell whether an object's fields meet it."""
        return (fields.get(self.field, "") == self.value) is self.equal


_FIELD_TERM = re.compile(r"((?:[^\\=!]|!(?!=))*)(==|=|!=)((?:\\.|[^\\=])*)", re.DOTALL)


def parse_fields(text: str, known: frozenset[str]) -> tuple[FieldTerm, ...]:
    """Read a field selector; `known` are the fields that this kind can be selected by.

    Raises:
        Refusal: 400, it is not well formed, or names another field.
    """
    if len(text) > MOST:
        raise bad_request(f"invalid field selector: it has more than {MOST} characters")
    terms = []
    for part in _split(text):
        match = _FIELD_TERM.fullmatch(part)
        if match is None:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{part}'")
        field, operator, value = match.groups()
        if field not in known:
            raise bad_request(f"field label not supported: {field}")
        if not re.fullmatch(r"(?:\\[\\,=]|[^\\])*", value):
            raise bad_request(f"invalid field selector: invalid escape sequence in '{part}'")
        terms.append(FieldTerm(field, re.sub(r"\\(.)", r"\1", value), operator != "!="))
    return tuple(terms)


def _split(text: str) -> Iterator[str]:
    """The terms between commas that have no backslash before them; empty ones do not count."""
    term, escaped = "", False
    for each in text:
        if each == "," and not escaped:
            if term:
                yield term
            term = ""
            continue
        term += each
        escaped = each == "\\" and not escaped
    if term:
        yield term
