"""The text of a kubeconfig, read and edited as `kubectl config` does; what it does not know, and comments, stay.

The form is that of `k8s.io/client-go/tools/clientcmd/api/v1`: three lists of named entries, and the name of the current
context. kubectl keeps the lists sorted by name, and writes `null` for an empty one; so does this, byte for byte as
kubectl 1.37 where the file was kubectl's before.
"""

from __future__ import annotations

import re
from io import StringIO
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ruamel.yaml import YAML

Kind: TypeAlias = Literal["cluster", "user", "context"]

KINDS: tuple[Kind, ...] = ("cluster", "user", "context")
_CURRENT = "current-context"
# As kubectl writes them into a new file, in its order.
_BLANK = {"apiVersion": "v1", "clusters": None, "contexts": None, _CURRENT: "", "kind": "Config", "users": None}
# What YAML 1.1, which kubectl reads, takes for something else than a string: kubectl puts it in double quotes.
_NO_STRING = re.compile(
    r"""| ~ | y | n | yes | no | on | off | true | false | null
    | [-+]? (?: 0b[01_]+ | 0x[\da-f_]+ | 0o[0-7_]+ | \d[\d_]* (?: :[0-5]?\d )* )
    | [-+]? (?: \d[\d_]* (?: :[0-5]?\d )* (?: \.[\d_]* )? | \.\d[\d_]* ) (?: e[-+]?\d+ )?
    | [-+]? \.inf | \.nan
    | \d{4}-\d\d?-\d\d? (?: [Tt ] .* )?""",
    re.ASCII | re.IGNORECASE | re.VERBOSE,
)
# What kubectl writes of an entry even if it is empty.
_ALWAYS = {"cluster": ("server",), "user": (), "context": ("cluster", "user")}


class NoKubeconfigError(Exception):
    """A text is no kubeconfig; the message says why, to be put after the file's name."""


class Document:
    """A kubeconfig in memory."""

    def __init__(self, text: str) -> None:
        """Read it; an empty text is a kubeconfig with nothing in it.

        Raises:
            NoKubeconfigError: it is not YAML, or not of the form of a kubeconfig.
        """
        self._yaml = _make_yaml()
        root = _read(self._yaml, text)
        # Comments alone, which the library would forget.
        self._preface = text if root is None else ""
        self._root = _make_map({}) if root is None else root
        for kind in KINDS:
            _check_entries(kind, self._root.get(f"{kind}s"))
        if not isinstance(self.current, str):
            raise NoKubeconfigError(f"its {_CURRENT} is no name")

    def text(self) -> str:
        """Spell it."""
        out = StringIO()
        if self._root:
            self._yaml.dump(self._root, out)
        return self._preface + out.getvalue()

    @property
    def current(self) -> str:
        """The name of the current context; empty for none."""
        return self._root.get(_CURRENT) or ""

    def use(self, name: str) -> None:
        """Make a context the current one; an empty name for none. It need not exist."""
        self._complete()
        self._root[_CURRENT] = _quote(name)

    def names(self, kind: Kind) -> tuple[str, ...]:
        """The names of the entries of one kind."""
        return tuple(entry["name"] for entry in self._entries(kind))

    def find(self, kind: Kind, name: str) -> Mapping[str, Any] | None:
        """What an entry says; None if there is none."""
        entry = next((each for each in self._entries(kind) if each["name"] == name), None)
        return None if entry is None else entry.get(kind) or {}

    def put(self, kind: Kind, name: str, fields: Mapping[str, str | None]) -> None:
        """Set fields of an entry, which is made if there is none; None takes a field away. Others stay."""
        self._complete()
        if self.find(kind, name) is None:
            self._insert(kind, _make_map({"name": _quote(name)}))
        entry = next(each for each in self._entries(kind) if each["name"] == name)
        if not entry.get(kind):
            _set_sorted(entry, kind, _make_map({}))
        said = entry[kind]
        for key, value in fields.items():
            if value is None:
                said.pop(key, None)
            elif said.get(key) != value:
                _set_sorted(said, key, _quote(value))
        for key in _ALWAYS[kind]:
            if key not in said:
                _set_sorted(said, key, _quote(""))

    def drop(self, kind: Kind, name: str) -> bool:
        """Take an entry away; tell whether there was one. The current context stays what it is, as with kubectl."""
        place = next((at for at, each in enumerate(self._entries(kind)) if each["name"] == name), None)
        if place is None:
            return False
        self._complete()
        del self._root[f"{kind}s"][place]
        if not self._root[f"{kind}s"]:
            self._root[f"{kind}s"] = None
        return True

    def rename_context(self, old: str, new: str) -> bool:
        """Give a context another name, unless that is taken; tell whether it was done. The current one stays so."""
        place = next((at for at, each in enumerate(self._entries("context")) if each["name"] == old), None)
        if place is None or new in self.names("context"):
            return False
        self._complete()
        entry = self._root["contexts"].pop(place)
        entry["name"] = _quote(new)
        self._insert("context", entry)
        if self.current == old:
            self.use(new)
        return True

    def strangers(self, ours: Mapping[Kind, tuple[str, ...]]) -> tuple[str, ...]:
        """What is in it beside these entries: `context mine`, `preferences`."""
        entries = [f"{kind} {name}" for kind in KINDS for name in self.names(kind) if name not in ours[kind]]
        rest = [str(key) for key, value in self._root.items() if key not in _BLANK and value]
        return (*entries, *rest)

    def _entries(self, kind: Kind) -> list[Any]:
        return self._root.get(f"{kind}s") or []

    def _insert(self, kind: Kind, entry: Any) -> None:  # noqa: ANN401 (the library's map)
        """Before the first whose name is greater."""
        entries = self._root[f"{kind}s"]
        if not entries:
            entries = self._root[f"{kind}s"] = _make_list()
        place = next((at for at, each in enumerate(entries) if each["name"] > entry["name"]), len(entries))
        entries.insert(place, entry)

    def _complete(self) -> None:
        """Put in what kubectl writes at any change."""
        for key, value in _BLANK.items():
            if key not in self._root:
                _set_sorted(self._root, key, _quote(value) if isinstance(value, str) else value)


def _make_yaml() -> YAML:
    # Here and below: it takes 60 ms to import, and most commands never look at a kubeconfig.
    from ruamel.yaml import YAML
    from ruamel.yaml.representer import RoundTripRepresenter

    class Representer(RoundTripRepresenter):
        """Spells nothing as kubectl does."""

    def spell_null(representer: RoundTripRepresenter, _nothing: None) -> Any:  # noqa: ANN401 (a node of the library's)
        return representer.represent_scalar("tag:yaml.org,2002:null", "null")

    Representer.add_representer(type(None), spell_null)
    yaml = YAML()
    yaml.Representer = Representer
    yaml.preserve_quotes = True
    yaml.width = 1 << 20
    yaml.indent(mapping=2, sequence=2, offset=0)
    return yaml


def _make_list() -> Any:  # noqa: ANN401 (the library's list)
    from ruamel.yaml.comments import CommentedSeq

    return CommentedSeq()


def _make_map(fields: Mapping[str, object]) -> Any:  # noqa: ANN401 (the library's map)
    from ruamel.yaml.comments import CommentedMap

    return CommentedMap(fields)


def _read(yaml: YAML, text: str) -> Any:  # noqa: ANN401 (the library's map)
    from ruamel.yaml.error import YAMLError

    if "\ufffd" in text:
        raise NoKubeconfigError("is not UTF-8 text")
    try:
        root = yaml.load(text)
    except YAMLError as error:
        raise NoKubeconfigError(f"is not YAML: {_say(error)}") from None
    except (ValueError, RecursionError) as error:  # an impossible date; brackets without end
        raise NoKubeconfigError(f"is not YAML: {str(error) or type(error).__name__}") from None
    if not isinstance(root, dict | None):
        raise NoKubeconfigError(f"is no kubeconfig: it is a {'list' if isinstance(root, list) else 'text'}, not a map")
    for key in ("apiVersion", "kind") if root else ():
        if root.get(key) not in (None, "", _BLANK[key]):
            raise NoKubeconfigError(f"is no kubeconfig: its {key} is {root[key]}; expected {_BLANK[key]}")
    return root


def _say(error: Exception) -> str:
    """The first thing that the library says, with the line."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    return f"{problem} (line {mark.line + 1})" if mark else str(problem)


def _check_entries(kind: Kind, entries: object) -> None:
    """Hold a list of entries against the form; kubectl refuses a file that has another."""
    if entries is None:
        return
    if not isinstance(entries, list):
        raise NoKubeconfigError(f"is no kubeconfig: its {kind}s are no list")
    names = set()
    for entry in entries:
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
            raise NoKubeconfigError(f"is no kubeconfig: a {kind} in it has no name")
        if not isinstance(entry.get(kind), dict | None):
            raise NoKubeconfigError(f"is no kubeconfig: its {kind} {entry['name']} is no map")
        if entry["name"] in names:
            raise NoKubeconfigError(f"is no kubeconfig: two {kind}s in it are called {entry['name']}")
        names.add(entry["name"])


def _quote(text: str) -> Any:  # noqa: ANN401 (the library's string)
    """A string as kubectl quotes it."""
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString, PlainScalarString

    # Not a mere str: in place of a quoted one the library would quote it too. What cannot be plain it quotes by itself.
    return DoubleQuotedScalarString(text) if _NO_STRING.fullmatch(text) else PlainScalarString(text)


def _set_sorted(where: Any, key: str, value: object) -> None:  # noqa: ANN401 (the library's map)
    """Set a key; a new one goes before the first that is greater, as kubectl sorts them."""
    if key in where:
        where[key] = value
        return
    place = next((at for at, each in enumerate(where) if str(each) > key), len(where))
    where.insert(place, key, value)
