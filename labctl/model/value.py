"""Immutable records: what a frozen dataclass is, without what making one costs.

`dataclasses` compiles methods for every class, and imports `inspect` to do so. That is felt where a program starts
anew for every call, as the CNI plug-in does (docs/decisions.md).
"""

from __future__ import annotations

from typing import Any, ClassVar, NoReturn, TypeVar, dataclass_transform

_MISSING = object()
_V = TypeVar("_V", bound="Value")


@dataclass_transform(frozen_default=True)
class Value:
    """A record whose fields are the annotations of its class, in their order; a class attribute is a default.

    Equal if of one class and equal in all fields. Annotations that begin with `ClassVar` are no fields.
    """

    _fields: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        """Note the fields, those of a base first."""
        annotations: dict[str, str] = cls.__dict__.get("__annotations__", {})  # noqa: RUF063 (inspect is what is heavy)
        if "__annotations__" not in cls.__dict__ and any(key.startswith("__annotat") for key in cls.__dict__):
            raise TypeError(f"{cls.__name__} needs `from __future__ import annotations`")
        own = [name for name, kind in annotations.items() if not str(kind).startswith("ClassVar")]
        cls._fields = tuple(dict.fromkeys((*cls._fields, *own)))
        type.__setattr__(cls, "__match_args__", cls._fields)  # for `match`; the type checker makes its own

    def __init__(self, *values: Any, **named: Any) -> None:  # noqa: ANN401 (the type checker reads the fields)
        """Take the fields by position or by name.

        Raises:
            TypeError: a field is missing, given twice or unknown.
        """
        fields, held = self._fields, self.__dict__
        if len(values) > len(fields):
            raise TypeError(f"{type(self).__name__} has {len(fields)} fields, {len(values)} were given")
        held.update(zip(fields, values, strict=False))
        for name in fields[len(values) :]:
            value = named.pop(name, _MISSING)
            if value is _MISSING:
                value = getattr(type(self), name, _MISSING)
            if value is _MISSING:
                raise TypeError(f"{type(self).__name__} needs {name}")
            held[name] = value
        if named:
            raise TypeError(f"{type(self).__name__} does not take {', '.join(named)}, or has it already")

    def __setattr__(self, name: str, value: object) -> NoReturn:
        """Refuse: a value does not change."""
        raise AttributeError(f"{type(self).__name__}.{name} cannot be set")

    def __delattr__(self, name: str) -> NoReturn:
        """Refuse, as above."""
        raise AttributeError(f"{type(self).__name__}.{name} cannot be deleted")

    def __eq__(self, other: object) -> bool:
        """Compare field by field."""
        if type(self) is not type(other):
            return NotImplemented
        mine, theirs = self.__dict__, other.__dict__
        return all(mine[name] == theirs[name] for name in self._fields)

    def __hash__(self) -> int:
        """Hash the fields."""
        held = self.__dict__
        return hash((type(self), *(held[name] for name in self._fields)))

    def __repr__(self) -> str:
        """Spell it as it would be made."""
        fields = ", ".join(f"{name}={self.__dict__[name]!r}" for name in self._fields)
        return f"{type(self).__name__}({fields})"


def replace(value: _V, **changes: Any) -> _V:  # noqa: ANN401 (whatever the fields are)
    """Give the same value with some fields changed."""
    return type(value)(**(as_dict(value) | changes))


def as_dict(value: Value) -> dict[str, Any]:
    """The fields by name; values within stay values."""
    return {name: value.__dict__[name] for name in value._fields}
