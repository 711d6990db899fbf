"""YAML as kubectl spells it: nothing is `null`, keys are sorted, what is not plainly a string stands in quotes.

The library is imported when first needed: it takes 60 ms, and most commands never look at a kubeconfig.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ruamel.yaml import YAML
    from ruamel.yaml.representer import RoundTripRepresenter

# What YAML 1.1, which kubectl reads, takes for something else than a string: kubectl puts it in double quotes.
_NO_STRING = re.compile(
    r"""| ~ | y | n | yes | no | on | off | true | false | null
    | [-+]? (?: 0b[01_]+ | 0x[\da-f_]+ | 0o[0-7_]+ | \d[\d_]* (?: :[0-5]?\d )* )
    | [-+]? (?: \d[\d_]* (?: :[0-5]?\d )* (?: \.[\d_]* )? | \.\d[\d_]* ) (?: e[-+]?\d+ )?
    | [-+]? \.inf | \.nan
    | \d{4}-\d\d?-\d\d? (?: [Tt ] .* )?""",
    re.ASCII | re.IGNORECASE | re.VERBOSE,
)


def make_yaml() -> YAML:
    """A reader and writer that keeps comments, quotes and order."""
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.Representer = _representer()
    yaml.preserve_quotes = True
    yaml.width = 1 << 20
    yaml.indent(mapping=2, sequence=2, offset=0)
    return yaml


@cache
def _representer() -> type[RoundTripRepresenter]:
    from ruamel.yaml.representer import RoundTripRepresenter

    class Representer(RoundTripRepresenter):
        """The library's own would spell nothing as nothing."""

    def spell_null(representer: RoundTripRepresenter, _nothing: None) -> Any:  # noqa: ANN401 (a node of the library's)
        return representer.represent_scalar("tag:yaml.org,2002:null", "null")

    Representer.add_representer(type(None), spell_null)
    return Representer


def make_list() -> Any:  # noqa: ANN401 (the library's list)
    """A list to be written."""
    from ruamel.yaml.comments import CommentedSeq

    return CommentedSeq()


def make_map(fields: Mapping[str, object]) -> Any:  # noqa: ANN401 (the library's map)
    """A map to be written."""
    from ruamel.yaml.comments import CommentedMap

    return CommentedMap(fields)


def quote(text: str) -> Any:  # noqa: ANN401 (the library's string)
    """Quote a string as kubectl does."""
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString, PlainScalarString

    # Not a mere str: in place of a quoted one the library would quote it too. What cannot be plain it quotes by itself.
    return DoubleQuotedScalarString(text) if _NO_STRING.fullmatch(text) else PlainScalarString(text)


def set_sorted(where: Any, key: str, value: object) -> None:  # noqa: ANN401 (the library's map)
    """Set a key; a new one goes before the first that is greater, as kubectl sorts them."""
    if key in where:
        where[key] = value
        return
    place = next((at for at, each in enumerate(where) if str(each) > key), len(where))
    where.insert(place, key, value)
