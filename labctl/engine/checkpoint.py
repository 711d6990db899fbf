"""A checkpoint's file: one JSON object with a checksum, held against a schema before anything in it is used.

The checksum finds damage, not deceit: whoever changes the file can make a new one.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, NoReturn

from labctl.errors import UsageError
from labctl.model.value import Value, as_dict

if TYPE_CHECKING:
    from labctl.engine.remake.picture import Picture

FORMAT, SCHEMA_NUMBER = "labctl checkpoint", 1
MOST_BYTES = 16 << 20
_HINT = "labctl checkpoint save NAME --output FILE makes one"


class Kept(Value):
    """A step of which something stood on a node (`lab`: it is one for the whole lab), and whether all of it did."""

    step: int
    node: str
    made: bool


class Checkpoint(Value):
    """A lab as it was: its plan, the steps of which something stood, and all that a picture holds."""

    name: str
    saved: str
    labctl: str
    topology: dict[str, Any]
    steps: tuple[Kept, ...]
    picture: Picture

    @property
    def made(self) -> tuple[tuple[int, str], ...]:
        """The steps (number, node) of which all stood."""
        return tuple((each.step, each.node) for each in self.steps if each.made)

    def spell(self) -> str:
        """The file's text."""
        body = {
            "name": self.name,
            "saved": self.saved,
            "labctl": self.labctl,
            "topology": self.topology,
            "steps": [as_dict(each) for each in self.steps],
            "picture": self.picture,
        }
        whole = {"format": FORMAT, "schema": SCHEMA_NUMBER, "sha256": _checksum(body), "body": body}
        return json.dumps(whole, indent=1, sort_keys=True) + "\n"


def read_checkpoint(data: bytes, source: str) -> Checkpoint:
    """Read a file; `source` is what errors call it.

    Raises:
        UsageError: it is no checkpoint, of another version, damaged, or not of the form; nothing of it was used.
    """
    if len(data) > MOST_BYTES:
        raise _wrong(source, f"it is larger than {MOST_BYTES >> 20} MB")
    whole = _parse(data, source)
    if not isinstance(whole, dict) or whole.get("format") != FORMAT:
        raise _wrong(source, f'it has no "format": "{FORMAT}"')
    if whole.get("schema") != SCHEMA_NUMBER:
        raise UsageError(
            f"{source} is a checkpoint of version {whole.get('schema')!r}; this labctl reads version {SCHEMA_NUMBER}",
            "use the labctl that saved it, or: labctl reset --to N",
        )
    if whole.get("sha256") != _checksum(whole.get("body")):
        raise UsageError(f"{source} is damaged: its checksum is not that of what it holds", "copy or save it again")
    _check_form(whole, source)
    body = whole["body"]
    steps = tuple(Kept(**each) for each in body["steps"])
    return Checkpoint(body["name"], body["saved"], body["labctl"], body["topology"], steps, body["picture"])


def _parse(data: bytes, source: str) -> Any:  # noqa: ANN401 (whatever JSON can say)
    def refuse(name: str) -> NoReturn:
        raise ValueError(f"{name} is no number")

    try:
        return json.loads(data.decode("utf-8"), parse_constant=refuse)
    except RecursionError:
        raise _wrong(source, "it is nested too deeply") from None
    except ValueError as error:
        raise _wrong(source, f"it is not JSON: {str(error)[:100]}") from None


def _check_form(whole: dict[str, Any], source: str) -> None:
    import fastjsonschema

    from labctl.engine.checkpoint_schema import SCHEMA

    try:
        fastjsonschema.compile(SCHEMA)(whole)
    except fastjsonschema.JsonSchemaValueException as error:
        raise _wrong(source, f"{(error.name or '').removeprefix('data.')[:100]} is not of the form") from None


def _checksum(body: object) -> str:
    try:
        text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    except RecursionError:
        return ""
    return hashlib.sha256(text.encode()).hexdigest()


def _wrong(source: str, why: str) -> UsageError:
    return UsageError(f"{source} is no checkpoint that can be used: {why}; nothing was changed", _HINT)
