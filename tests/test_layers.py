"""What import-linter cannot see: the steps' folders, and the ways to the machine that are no import."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import pytest

from labctl.engine.course import Course, builtin_folder
from tests.lab_under_test import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Ways to the machine through modules that are harmless otherwise.
_MACHINE = re.compile(r"os\.(fork|exec\w*|setns|unshare|posix_spawn\w*|system|popen|kill|pidfd_open|chroot|setres\w+)")
# Of the standard library: what touches nothing.
_PURE = ("__future__", "collections", "ipaddress", "itertools", "typing")


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def test_a_step_imports_the_model_and_the_resources_and_nothing_else_of_labctl() -> None:
    seen = 0
    for path in sorted((ROOT / "steps").glob("*/step.py")):
        seen += 1
        for name in _imports(path):
            top = name.partition(".")[0]
            allowed = name.startswith(("labctl.model", "labctl.resources")) or top in _PURE
            assert allowed, f"{path.parent.name} imports {name}"
    assert seen == len(Course(builtin_folder()).numbers) > 0


def test_nothing_in_labctl_names_a_step() -> None:
    folders = [path.parent.name for path in (ROOT / "steps").glob("*/step.py")]
    for path in (ROOT / "labctl").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert not [name for name in folders if name in text], path
        assert not [name for name in _imports(path) if name.partition(".")[0] == "steps"], path


def test_only_the_kernel_package_reaches_the_machine() -> None:
    seen = 0
    for path in (ROOT / "labctl").rglob("*.py"):
        if "kernel" not in path.relative_to(ROOT).parts:
            seen += 1
            calls = {
                ast.unparse(node.func) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)
            }
            assert not [call for call in calls if _MACHINE.fullmatch(call)], path
            assert "ctypes" not in list(_imports(path)), path
    assert seen > 20


def test_a_unit_test_that_reaches_the_machine_fails() -> None:
    import subprocess

    with pytest.raises(pytest.fail.Exception, match="reached the machine"):
        subprocess.run(("true",), check=True)
