"""The lock files: what `lab` installs is pinned to the byte, the same for running and for testing."""

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
LOCK_FILES = ("requirements.lock", "requirements-build.lock", "requirements-dev.lock", "requirements-kubectl.lock")


def read_pins(lock_file: str) -> dict[str, tuple[Requirement, int]]:
    """Each package's name, what is asked for, and how many hashes it may have."""
    text = re.sub(r"#.*", "", (ROOT / lock_file).read_text()).replace("\\\n", " ")
    pins: dict[str, tuple[Requirement, int]] = {}
    for line in filter(str.strip, text.splitlines()):
        wanted, *hashes = line.split("--hash=sha256:")
        requirement = Requirement(wanted)
        pins[canonicalize_name(requirement.name)] = (requirement, len(hashes))
    return pins


@pytest.mark.parametrize("lock_file", LOCK_FILES)
def test_every_package_is_pinned_by_version_and_hash(lock_file: str) -> None:
    pins = read_pins(lock_file)
    assert pins
    for requirement, hashes in pins.values():
        assert [one.operator for one in requirement.specifier] == ["=="]
        assert requirement.url is None
        assert hashes >= 1


@pytest.mark.parametrize("lock_file", LOCK_FILES)
def test_no_place_of_one_machine_or_index_is_in_it(lock_file: str) -> None:
    assert not re.search(r"://|--(extra-)?index|--find-links|(^|\s)/", (ROOT / lock_file).read_text())


def test_the_tests_run_with_what_labctl_runs_with() -> None:
    tested = read_pins("requirements-dev.lock")
    for name, (requirement, _) in read_pins("requirements.lock").items():
        assert str(tested[name][0]) == str(requirement)
        if not requirement.marker or requirement.marker.evaluate():
            assert version(name) in requirement.specifier


@pytest.mark.parametrize(
    ("lock_file", "section", "group"),
    [
        ("requirements.lock", "project", "dependencies"),
        ("requirements-dev.lock", "project.optional-dependencies", "dev"),
        ("requirements-build.lock", "dependency-groups", "build"),
        ("requirements-kubectl.lock", "project.optional-dependencies", "kubectl"),
    ],
)
def test_it_holds_what_pyproject_asks_for(lock_file: str, section: str, group: str) -> None:
    table = tomllib.loads((ROOT / "pyproject.toml").read_text())
    for key in section.split("."):
        table = table[key]
    pins = read_pins(lock_file)
    for wanted in map(Requirement, table[group]):
        (pinned,) = pins[canonicalize_name(wanted.name)][0].specifier
        assert pinned.version in wanted.specifier, wanted
