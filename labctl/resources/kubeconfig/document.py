"""The text of a kubeconfig, read and edited as `kubectl config` does; what it does not know, and comments, stay.

The form is that of `k8s.io/client-go/tools/clientcmd/api/v1`: three lists of named entries, and the name of the current
context. kubectl keeps the lists sorted by name, and writes `null` for an empty one; so does this, byte for byte as
kubectl 1.37 where the file was kubectl's before.
"""

from __future__ import annotations

from functools import cache
from io import StringIO
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from labctl.resources.kubeconfig.spelling import make_list, make_map, make_yaml, quote, set_sorted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ruamel.yaml import YAML

Kind: TypeAlias = Literal["cluster", "user", "context"]

KINDS: tuple[Kind, ...] = ("cluster", "user", "context")
_CURRENT = "current-context"
_STEPS = {"[": 1, "{": 1, "]": -1, "}": -1}
_DEEPEST = 100
# As kubectl writes them into a new file, in its order.
_BLANK = {"apiVersion": "v1", "clusters": None, "contexts": None, _CURRENT: "", "kind": "Config", "users": None}
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
        self._yaml = make_yaml()
        root = _read(self._yaml, text)
        # Comments alone, which the library would forget.
        self._preface = text if root is None else ""
        self._root = root or make_map({})
        for kind in KINDS:
            _check_entries(kind, self._root.get(f"{kind}s"))
        if not isinstance(self.current, str):
            raise NoKubeconfigError(f"is no kubeconfig: its {_CURRENT} is no name")

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
        self._root[_CURRENT] = quote(name)

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
            self._insert(kind, make_map({"name": quote(name)}))
        entry = next(each for each in self._entries(kind) if each["name"] == name)
        if not entry.get(kind):
            set_sorted(entry, kind, make_map({}))
        said = entry[kind]
        for key, value in fields.items():
            if value is None:
                said.pop(key, None)
            elif said.get(key) != value:
                set_sorted(said, key, quote(value))
        for key in _ALWAYS[kind]:
            if key not in said:
                set_sorted(said, key, quote(""))

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
        entry["name"] = quote(new)
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
            entries = self._root[f"{kind}s"] = make_list()
        place = next((at for at, each in enumerate(entries) if each["name"] > entry["name"]), len(entries))
        entries.insert(place, entry)

    def _complete(self) -> None:
        """Put in what kubectl writes at any change."""
        for key, value in _BLANK.items():
            if key not in self._root:
                set_sorted(self._root, key, quote(value) if isinstance(value, str) else value)


@cache
def read_document(text: str) -> Document:
    """Read one that is only looked at: each of ten resources does so, and the library takes its time.

    Raises:
        NoKubeconfigError: as `Document`.
    """
    return Document(text)


def _read(yaml: YAML, text: str) -> Any:  # noqa: ANN401 (the library's map)
    from ruamel.yaml.error import YAMLError
    from ruamel.yaml.tokens import AnchorToken

    if "\ufffd" in text:
        raise NoKubeconfigError("is not UTF-8 text")
    if max(accumulate(_STEPS.get(letter, 0) for letter in text), default=0) > _DEEPEST:
        # With some thousand the library takes minutes.
        raise NoKubeconfigError(f"is not YAML: more than {_DEEPEST} brackets are open at once")
    try:
        if "&" in text and any(isinstance(token, AnchorToken) for token in make_yaml().scan(text)):
            # What is shared cannot be changed for one alone; kubectl would write it out.
            raise NoKubeconfigError("shares parts by YAML anchors; expected each entry to be written out")
        root = yaml.load(text)
    except YAMLError as error:
        raise NoKubeconfigError(f"is not YAML: {_say(error)}") from None
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError) as error:
        # An impossible date, brackets without end; the last three for a tag that does not fit, or a map as a key.
        raise NoKubeconfigError(f"is not YAML: {str(error) or type(error).__name__}") from None
    if root is None:
        return None
    if not isinstance(root, dict):
        raise NoKubeconfigError(f"is no kubeconfig: it is a {'list' if isinstance(root, list) else 'text'}, not a map")
    for key in ("apiVersion", "kind"):
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
