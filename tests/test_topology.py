"""The address plan: what a topology file may say, what it may not, and how large a lab may be."""

from __future__ import annotations

import os
import resource
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest

from labctl.errors import UsageError
from labctl.world.topology import DEFAULT, MOST_CONTAINERS, MOST_NODES, read_file, read_lab, spread
from tests.lab_under_test import run_labctl
from tests.world_probes import members_of, namespaces_of, record_of

if TYPE_CHECKING:
    from pathlib import Path

DELETE = object()


def _changed(path: str, value: object) -> dict[str, Any]:
    """The default topology with one field changed or deleted; `node.1.name` is that of the second node."""
    document = deepcopy(read_file(DEFAULT))
    *way, last = path.split(".")
    place: Any = document
    for name in way:
        place = place[int(name) if name.isdecimal() else name]
    key = int(last) if last.isdecimal() else last
    if value is DELETE:
        del place[key]
    else:
        place[key] = value
    return document


WRONG = [
    ("bridge", DELETE, "has no 'bridge'"),
    ("node", DELETE, "has no 'node'"),
    ("node", [], "has no [[node]]"),
    ("node", "master", "has no [[node]]"),
    ("node.0", "master", "is not a table"),
    ("node.0.name", DELETE, "node ? has no 'name'"),
    ("node.1.address", DELETE, "node worker has no 'address'"),
    ("colour", "blue", "unknown field 'colour'"),
    ("node.0.colour", "blue", "node master has an unknown field 'colour'"),
    ("bridge", "a name longer than IFNAMSIZ", "no usable name"),
    ("bridge", "eth0", "is taken"),
    ("bridge", "lo", "is taken"),
    ("bridge", "vethd", "is taken"),
    ("bridge", "..", "no usable name"),
    ("bridge", 7, "no usable name"),
    ("network", "", "no usable name"),
    ("cluster_range", "10.244.0.0", "too small|is not in cluster_range"),
    ("cluster_range", "10.244.0.1/16", "has host bits set"),
    ("cluster_range", "10.244.0.0/33", "is no range"),
    ("cluster_range", "fd00::/64", "is no range"),
    ("cluster_range", 7, "is no range"),
    ("cluster_range", ["10.244.0.0", 16], "is no range"),
    ("cluster_range", True, "is no range"),
    ("cluster_range", "10.0.0.0/8", "overlap"),
    ("node_range", "10.244.0.0/20", "overlap"),
    ("node_range", "127.0.0.0/8", "not usable"),
    ("cluster_range", "224.0.0.0/4", "not usable"),
    ("gateway", "10.129.0.1", "is not in node_range"),
    ("gateway", "10.128.0.2", "is not a free one"),
    ("gateway", "10.128.0.0", "network or broadcast"),
    ("gateway", "here", "is no address"),
    ("gateway", 178257921, "is no address"),
    ("internet", "10.244.0.9", "inside the lab's own ranges"),
    ("internet", "10.128.0.9", "inside the lab's own ranges"),
    ("internet", "127.0.0.1", "not usable"),
    ("internet", "0.0.0.0", "not usable"),  # noqa: S104 - nothing is bound
    ("node.0.name", "Master", "no usable name"),
    ("node.0.name", "a-name-that-is-too-long", "no usable name"),
    ("node.0.name", "worker", "'worker' stands twice"),
    ("node.0.name", "c", "'c' stands twice"),
    ("node.0.name", "vpc", "is taken by the lab itself"),
    ("node.0.name", "internet", "is taken by the lab itself"),
    ("node.0.name", "all", "is taken by the lab itself"),
    ("node.0.name", "../x", "no usable name"),
    ("node.0.address", "10.128.0.1", "is not a free one"),
    ("node.0.address", "10.128.0.3", "have the same address"),
    ("node.0.address", "10.128.0.0", "network or broadcast"),
    ("node.0.address", "10.128.15.255", "network or broadcast"),
    ("node.0.address", "10.127.0.2", "is not a free one"),
    ("node.0.address", "10.128.0.2/32", "is no address"),
    ("node.0.pod_range", "10.244.1.0/24", "overlap"),
    ("node.0.pod_range", "10.245.0.0/24", "is not in cluster_range"),
    ("node.0.pod_range", "10.244.0.0/30", "too small: room for 1 containers, 2 wanted"),
    ("node.0.pod_range", "10.244.0.0/32", "too small: room for 0 containers, 2 wanted"),
    ("node.0.containers", [], "not a list of names"),
    ("node.0.containers", "ab", "not a list of names"),
    ("node.0.containers", [1, 2], "not a list of names"),
    ("node.0.containers", ["a", "a"], "'a' stands twice"),
    ("node.0.containers", ["a", "c"], "'c' stands twice"),
    ("node.0.containers", ["a/b"], "is no name for a container"),
    ("node.0.containers", ["as-long-as-x"], "is no name for a container"),
    ("node.0.containers", ["a", ""], "is no name for a container"),
    ("node.0.containers", ["a", "lab"], "is taken by the lab itself"),
    ("node.0.containers", [f"x{number}" for number in range(201)], "at most 50 nodes with 200 containers"),
]


@pytest.mark.parametrize(
    ("path", "value", "says"), WRONG, ids=[f"{number}-{row[0]}" for number, row in enumerate(WRONG)]
)
def test_what_is_not_right_is_named(path: str, value: object, says: str) -> None:
    with pytest.raises(UsageError) as raised:
        read_lab(_changed(path, value))
    assert any(each in raised.value.what for each in says.split("|")), raised.value.what
    assert raised.value.what.startswith("the topology is not right: ")
    assert "\n" not in raised.value.what
    assert raised.value.exit_code == 2
    assert str(DEFAULT) in raised.value.hint


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"node = [", "is not TOML"),
        (b"bridge = 'a'\nbridge = 'b'\n", "is not TOML"),
        (b"\xff\xfe", "it is not UTF-8 text"),
        (b"", "has no 'bridge'"),
        (None, "No such file"),
    ],
)
def test_a_file_that_is_no_topology_is_a_usage_error(tmp_path: Path, content: bytes | None, says: str) -> None:
    file = tmp_path / "plan.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UsageError, match=says) as raised:
        read_lab(read_file(file))
    assert "\n" not in raised.value.what
    with pytest.raises(UsageError, match="cannot be read"):
        read_file(tmp_path)


@pytest.mark.parametrize(("nodes", "containers"), [(1, 1), (2, 2), (50, 1), (1, 200), (MOST_NODES, MOST_CONTAINERS)])
def test_spread_makes_labs_that_are_right(nodes: int, containers: int) -> None:
    lab = read_lab(spread(nodes, containers))
    assert [len(node.containers) for node in lab.nodes] == [containers] * nodes
    assert [node.name for node in lab.nodes][:3] == ["master", "worker", "worker2"][:nodes]
    assert spread(2, 2) == spread(None, None) == read_file(DEFAULT)


@pytest.mark.parametrize(("nodes", "containers"), [(0, 2), (-1, 2), (51, 2), (2, 0), (2, 201)])
def test_spread_says_how_many_can_be_made(nodes: int, containers: int) -> None:
    with pytest.raises(UsageError, match="cannot be made"):
        spread(nodes, containers)


@pytest.mark.anybody
@pytest.mark.machine
@pytest.mark.parametrize(("nodes", "containers"), [(50, 2), (2, 200)])
def test_a_large_lab_stands_with_few_files_open(home: Path, nodes: int, containers: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, soft), hard))
    try:
        said = run_labctl(home, "up", "--nodes", str(nodes), "--containers", str(containers))
        assert said.code == 0, said.err
        assert f"{nodes} nodes, {nodes * containers} containers" in said.out
        record = record_of(home)
        assert len(members_of(namespaces_of(record["root"]["outside"])["pid"])) == 4 + nodes + nodes * containers
        last = f"{record['keepers'][-1][0]}"
        assert run_labctl(home, "exec", last, "--", "ip", "link", "show", "lo").code == 0
        assert run_labctl(home, "step", "0", "--apply", "--node", "all").code == 0
        said = run_labctl(home, "status")
        assert (said.code, "error" in said.err) == (1, False), said.err
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert run_labctl(home, "down").out == "the world is gone\n"


@pytest.mark.anybody
@pytest.mark.machine
def test_up_twice_is_fine_and_another_lab_is_refused_while_one_stands(home: Path, tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text(DEFAULT.read_text(encoding="utf-8").replace("10.128.", "10.99."), encoding="utf-8")
    try:
        assert run_labctl(home, "up", "--topology", str(plan)).code == 0
        before = (home / "world.json").read_text()
        for again in (("up",), ("up", "--topology", str(plan))):
            said = run_labctl(home, *again)
            assert (said.code, said.err) == (0, "the world stands already\n")
        for other in (("--nodes", "3"), ("--containers", "1"), ("--topology", str(DEFAULT))):
            said = run_labctl(home, "up", *other)
            assert (said.code, said.err.splitlines()[1]) == (2, "hint: take it away first: labctl down")
        assert (home / "world.json").read_text() == before
        assert (
            run_labctl(home, "exec", "worker", "--", "ip", "-br", "addr", "show", "eth0").out.split()[2]
            == "10.99.0.3/32"
        )
        assert run_labctl(home, "step", "all", "--apply", "--node", "all").code == 0
        assert run_labctl(home, "up", "--topology", str(plan), "--nodes", "2").code == 2
    finally:
        assert run_labctl(home, "down").out == "the world is gone\n"


@pytest.mark.anybody
@pytest.mark.machine
@pytest.mark.parametrize("backend", ["legacy", "nft"])
def test_either_backend_of_iptables_works(home: Path, backend: str) -> None:
    environment = {"LABCTL_IPTABLES": backend}
    try:
        said = run_labctl(home, "step", "all", "--apply", "--node", "all", environment=environment)
        assert said.code == 0, said.err
        said = run_labctl(home, "exec", "master", "--", "iptables", "--version", environment=environment)
        assert ("legacy" if backend == "legacy" else "nf_tables") in said.out
        # The world remembers its backend: whoever comes later need not say it again.
        assert run_labctl(home, "status").code == 0
        other = {"legacy": "iptables-nft-save", "nft": "iptables-legacy-save"}[backend]
        assert "10.244" not in run_labctl(home, "exec", "master", "--", other).out
    finally:
        run_labctl(home, "down")


@pytest.mark.anybody
@pytest.mark.machine
def test_a_backend_that_there_is_not_is_a_usage_error(home: Path) -> None:
    said = run_labctl(home, "up", environment={**os.environ, "LABCTL_IPTABLES": "ebtables"})
    assert (said.code, said.err.splitlines()[1]) == (2, "hint: nft or legacy")
    assert not (home / "world.json").exists()
