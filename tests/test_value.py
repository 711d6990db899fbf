"""Values: immutable, equal by their fields, made by position or by name."""

from __future__ import annotations

import pickle
from functools import cached_property

import pytest

from labctl.model.value import Value, as_dict, replace


class Point(Value):
    x: int
    y: int = 0

    @cached_property
    def sum(self) -> int:
        return self.x + self.y


class Other(Value):
    x: int
    y: int = 0


def test_by_position_by_name_and_by_default() -> None:
    assert Point(1) == Point(x=1) == Point(1, 0) == Point(1, y=0)
    assert Point(1) != Point(2)
    assert Point(1) != Other(1)
    assert len({Point(1), Point(1), Point(1, 2)}) == 2
    assert repr(Point(1, 2)) == "Point(x=1, y=2)"


def test_what_is_remembered_is_no_field() -> None:
    point = Point(1, 2)
    assert point.sum == 3
    assert point == Point(1, 2)
    assert as_dict(point) == {"x": 1, "y": 2}
    assert pickle.loads(pickle.dumps(point)) == point  # noqa: S301 (our own)


def test_it_does_not_change() -> None:
    point = Point(1)
    with pytest.raises(AttributeError, match="cannot be set"):
        point.x = 2  # type: ignore[misc]  # that is what is tried
    with pytest.raises(AttributeError, match="cannot be deleted"):
        del point.x
    assert replace(point, y=5) == Point(1, 5)
    assert point == Point(1)


@pytest.mark.parametrize(("values", "named"), [((), {}), ((1, 2, 3), {}), ((1,), {"x": 2}), ((1,), {"z": 2})])
def test_what_is_missing_too_much_or_unknown_is_refused(values: tuple[int, ...], named: dict[str, int]) -> None:
    with pytest.raises(TypeError):
        Point(*values, **named)


def test_it_can_be_matched() -> None:
    match Point(1, 2):
        case Point(x, y):
            assert (x, y) == (1, 2)
