"""What a privileged world hands on at the top of a version 2 tree is taken back, unless somebody may rely on it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from labctl.kernel import controllers

if TYPE_CHECKING:
    from pathlib import Path


class Tree:
    """A folder whose `cgroup.subtree_control` takes words as the kernel's does, and which keeps notes."""

    def __init__(self, top: Path, there: str, handed: str) -> None:
        self.top = top
        (top / "cgroup.controllers").write_text(there)
        (top / "cgroup.subtree_control").write_text(handed)
        self.notes: dict[str, bytes] = {}
        self.appearing: str | None = None

    @property
    def handed(self) -> set[str]:
        return set((self.top / "cgroup.subtree_control").read_text().split())

    def tell(self, _top: Path, word: str) -> None:
        sign, name = word[0], word[1:]
        changed = self.handed | {name} if sign == "+" else self.handed - {name}
        (self.top / "cgroup.subtree_control").write_text(" ".join(sorted(changed)))
        if sign == "-" and self.appearing:
            (self.top / self.appearing).mkdir(exist_ok=True)

    def getxattr(self, _top: Path, name: str) -> bytes:
        if name not in self.notes:
            raise OSError(61, "no data")
        return self.notes[name]

    def setxattr(self, _top: Path, name: str, value: bytes) -> None:
        self.notes[name] = value

    def removexattr(self, _top: Path, name: str) -> None:
        del self.notes[name]


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    tree = Tree(tmp_path, "cpuset cpu io memory hugetlb pids", "memory pids")
    monkeypatch.setattr(controllers, "_tell", tree.tell)
    for name in ("getxattr", "setxattr", "removexattr"):
        monkeypatch.setattr(os, name, getattr(tree, name))
    return tree


def _up(tree: Tree, name: str) -> None:
    (tree.top / name).mkdir()
    controllers.hand_on(tree.top)


def _down(tree: Tree, name: str) -> None:
    (tree.top / name).rmdir()
    controllers.take_back(tree.top)


def test_up_hands_on_what_runtimes_set_and_down_takes_back_what_was_not_handed_on_before(tree: Tree) -> None:
    _up(tree, "labctl-1")
    assert tree.handed == {"cpu", "cpuset", "io", "memory", "pids"}
    _down(tree, "labctl-1")
    assert tree.handed == {"memory", "pids"}
    assert not tree.notes


def test_the_last_of_several_worlds_takes_it_back(tree: Tree) -> None:
    _up(tree, "labctl-1")
    _up(tree, "labctl-2")
    _down(tree, "labctl-1")
    assert "cpu" in tree.handed
    _down(tree, "labctl-2")
    assert tree.handed == {"memory", "pids"}


def test_nothing_is_taken_from_a_group_of_somebody_else(tree: Tree) -> None:
    _up(tree, "labctl-1")
    (tree.top / "system.slice").mkdir()
    _down(tree, "labctl-1")
    assert "cpu" in tree.handed
    # It is not forgotten: the next world that goes, when the other is gone, takes it back.
    (tree.top / "system.slice").rmdir()
    _up(tree, "labctl-2")
    _down(tree, "labctl-2")
    assert tree.handed == {"memory", "pids"}


def test_a_world_that_comes_up_while_another_goes_has_its_controllers(tree: Tree) -> None:
    _up(tree, "labctl-1")
    tree.appearing = "labctl-2"
    _down(tree, "labctl-1")
    assert tree.handed == {"cpu", "cpuset", "io", "memory", "pids"}
    tree.appearing = None
    _down(tree, "labctl-2")
    assert tree.handed == {"memory", "pids"}


def test_where_no_world_has_handed_anything_on_nothing_is_taken_back(tree: Tree) -> None:
    controllers.take_back(tree.top)
    assert tree.handed == {"memory", "pids"}
