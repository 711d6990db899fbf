"""A table of the cloud in a file of the vpc: JSON, changed whole or not at all, whoever else changes it meanwhile."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Generic, TypeVar

from labctl.errors import KernelRefused
from labctl.model.value import as_dict
from labctl.model.values import CloudNetwork, CloudRoute

if TYPE_CHECKING:
    from collections.abc import Callable

    from labctl.model.ports import Files

FOLDER = "/var/lib/vpc"
_LOCK = f"{FOLDER}/lock"
_TRIES = 100


Row = TypeVar("Row", bound=CloudNetwork | CloudRoute)


class CloudTable(Generic[Row]):
    """Values with names."""

    def __init__(self, files: Files, what: str, row: Callable[..., Row]) -> None:
        """The file is called after `what` (`routes`); `row` makes a value of its fields."""
        self._files, self._what, self._row = files, what, row
        self._path = f"{FOLDER}/{what}.json"

    def rows(self) -> tuple[Row, ...]:
        """All of them, in the order of their names."""
        return self._read(self._files.read(self._path) or "")

    def add(self, row: Row) -> None:
        """Add one.

        Raises:
            KernelRefused: one has its name.
        """

        def change(rows: tuple[Row, ...]) -> tuple[Row, ...]:
            if any(each.name == row.name for each in rows):
                one = self._what.removesuffix("s")
                raise KernelRefused(
                    f"the vpc has a {one} named {row.name} already", f"gcloud compute {self._what} list"
                )
            return (*rows, row)

        self._files.make_folder(FOLDER)
        self._change(change)

    def remove(self, name: str) -> None:
        """Take one out; gone already is success."""
        if any(each.name == name for each in self.rows()):
            self._change(lambda rows: tuple(each for each in rows if each.name != name))

    def _change(self, change: Callable[[tuple[Row, ...]], tuple[Row, ...]]) -> None:
        for _ in range(_TRIES):
            text = self._files.read(self._path) or ""
            rows = sorted(change(self._read(text)), key=lambda row: row.name)
            new = json.dumps([as_dict(row) for row in rows], indent=1) + "\n" if rows else ""
            if self._files.exchange(self._path, _LOCK, text, new):
                return
        raise KernelRefused(f"the vpc's table of {self._what} keeps changing", "try again")

    def _read(self, text: str) -> tuple[Row, ...]:
        try:
            return tuple(self._row(**item) for item in json.loads(text or "[]"))
        except (ValueError, TypeError):
            raise KernelRefused(
                f"the vpc's table of {self._what} ({self._path}) cannot be read", "put the lab back: labctl reset"
            ) from None
