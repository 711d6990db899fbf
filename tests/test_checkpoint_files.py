"""A checkpoint's file may come from anybody: what is wrong with it is said, and nothing of it is used."""

from __future__ import annotations

import json
import os
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest

from labctl.cli.checkpoints import read_kept
from labctl.engine.checkpoint import MOST_BYTES, _checksum
from labctl.engine.checkpoint_schema import SCHEMA
from labctl.errors import UsageError
from tests.lab_under_test import ROOT, LabUnderTest, run_labctl

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Body = dict[str, Any]

pytestmark = [pytest.mark.machine, pytest.mark.anybody]


def _places(body: Body) -> Any:  # noqa: ANN401 (JSON)
    return body["picture"]["snapshot"]["places"]


def _files(body: Body) -> Any:  # noqa: ANN401 (JSON)
    return body["picture"]["snapshot"]["nodes"]["master"]["files"]


def _rule(*words: str) -> Callable[[Body], object]:
    return lambda body: body["picture"]["rules"]["master"].update(
        {"filter": {"policies": [], "rules": [["FORWARD", list(words)]]}}
    )


def _link(**fields: object) -> Callable[[Body], object]:
    whole = {"kind": "veth", "up": True, "master": None, "peer": None, "hairpin": False, **fields}
    return lambda body: _places(body)["master"]["links"].update({"x": whole})


# What is done to a body that is right, each with a checksum that is right again; and what must be said of it.
HOSTILE: dict[str, tuple[Callable[[Body], object], str]] = {
    "no field": (lambda body: body.pop("steps"), "is not of the form"),
    "a field too many": (lambda body: body.update(run="rm -rf /"), "is not of the form"),
    "a name that is a path": (lambda body: body.update(name="../../etc/passwd"), "name is not of the form"),
    "a list for a map": (lambda body: body["picture"].update(rules=[]), "rules is not of the form"),
    "a number for a text": (lambda body: _files(body).update({"/var/lib/cni/": 7}), "is not of the form"),
    "out of the folders": (lambda body: _files(body).update({"/etc/passwd": ""}), "is not of the form"),
    "up and away": (lambda body: _files(body).update({"/var/lib/cni/../../../etc/x": ""}), "is not of the form"),
    "up at the end": (lambda body: _files(body).update({"/var/lib/cni/..": ""}), "is not of the form"),
    "a line break at the end": (lambda body: _files(body).update({"/var/lib/cni/x\n": ""}), "is not of the form"),
    "below a link": (
        lambda body: _files(body).update({"/var/lib/cni/": "", "/var/lib/cni/x": "-> /", "/var/lib/cni/x/y": ""}),
        "/var/lib/cni/x/y on master lies in what is no folder",
    ),
    "a batch line": (
        lambda body: _places(body)["master"]["addresses"].append("eth0\nlink del eth0 10.0.0.1/8"),
        "is not of the form",
    ),
    "a comment in a route": (
        lambda body: _places(body)["master"]["routes"].append(
            "unicast default via - dev # src - table 254 proto boot metric 0"
        ),
        "is not of the form",
    ),
    "a program for iptables": (_rule("--modprobe=/opt/evil", "-j", "LOG"), "is not of the form"),
    "the same, shortened": (_rule("--modp", "/opt/evil"), "is not of the form"),
    "a rule that goes on": (_rule("-j", "x\nCOMMIT\n*nat"), "is not of the form"),
    "a kind of link": (_link(kind="wireguard"), "is not of the form"),
    "a cable with one end": (_link(peer="master y"), "the cable x on master has no other end"),
    "a port of nothing": (_link(kind="bridge", master="nobody"), "x on master is a port of what is no bridge"),
    "another place": (lambda body: _places(body).update(nowhere=_places(body)["vpc"]), "its places are not those"),
    "a node too few": (lambda body: body["picture"]["snapshot"]["nodes"].pop("worker"), "its nodes are not those"),
    "a step from the future": (
        lambda body: body["steps"].append({"step": 98, "node": "master", "made": True}),
        "names step 98",
    ),
    "a step of nobody's": (
        lambda body: body["steps"].append({"step": 0, "node": "nobody", "made": True}),
        "step 0 on nobody",
    ),
    "no plan": (lambda body: body.update(topology={}), "the topology has no"),
    "a plan of odd types": (lambda body: body["topology"].update(node=[{"name": []}]), "topology is not right"),
    "a plan of odd nodes": (lambda body: body["topology"].update(node={"a": 1}), "topology"),
    "a plan of odd containers": (
        lambda body: body["topology"]["node"][0].update(containers=[["a"]]),
        "are not a list of names",
    ),
    "too many containers": (
        lambda body: body["topology"]["node"][0].update(containers=[f"c{number}" for number in range(999)]),
        "at most",
    ),
}


def test_a_hostile_file_is_refused_and_changes_nothing(lab: LabUnderTest, tmp_path: Path) -> None:
    file = tmp_path / "file.json"
    assert lab.labctl("checkpoint", "save", "good", "--output", str(file)).code == 0
    good = file.read_bytes()
    whole = json.loads(good)
    read_kept(lab.session, "", file)
    before = lab.snapshot()

    def refused(data: bytes, *what: str) -> None:
        file.write_bytes(data)
        with pytest.raises(UsageError) as said:
            read_kept(lab.session, "", file)
        assert all(each in said.value.what for each in what), said.value.what
        assert said.value.hint

    for name, (change, what) in HOSTILE.items():
        body = deepcopy(whole["body"])
        change(body)
        assert body != whole["body"], name
        refused(json.dumps({**whole, "body": body, "sha256": _checksum(body)}).encode(), what)
    refused(b"", "it is not JSON")
    refused(b"\xff\xfe\x00", "it is not JSON")
    refused(b'{"format": NaN}', "it is not JSON")
    refused(b"1" * 100_000, "it is not JSON")
    refused(b"[" * 200_000 + b"]" * 200_000, "it is nested too deeply")
    deep = b'{"format": "labctl checkpoint", "schema": 1, "body": ' + b'{"a": ' * 50_000 + b"1" + b"}" * 50_001
    refused(deep, "it is nested too deeply")
    refused(b" " * (MOST_BYTES + 1), "it is larger than 16 MB")
    refused(b'{"format": "tar"}', 'it has no "format": "labctl checkpoint"')
    refused(json.dumps({**whole, "schema": 2}).encode(), "is a checkpoint of version 2; this labctl reads version 1")
    refused(good[:-200], "it is not JSON")
    refused(good.replace(b"10.128.0.2/32", b"10.128.0.9/32"), "is damaged: its checksum")
    said = lab.labctl("checkpoint", "restore", "--input", str(file))
    assert said.code == 2
    assert "Traceback" not in said.err
    lab.kernel.refresh()
    assert lab.snapshot() == before


def test_what_is_no_file_is_not_read(home: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/zero")
    for name, what in (
        ("pipe", "is no file"),
        ("link", "is a link, and may lead anywhere"),
        (".", "is no file"),
        ("nothing", "cannot be read: No such file or directory"),
    ):
        said = run_labctl(home, "checkpoint", "restore", "--input", str(tmp_path / name))
        assert said.code == 2
        assert what in said.err
        assert "hint: " in said.err
    assert not home.exists()


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", ".hidden", "", "a" * 65, "a\nb", "-x", "a b", "ä"])
def test_a_name_is_no_path(lab: LabUnderTest, name: str) -> None:
    for path in (lab.session.checkpoints.path, lab.session.checkpoints.existing):
        with pytest.raises(UsageError, match="is no name for a checkpoint"):
            path(name)


def test_a_file_that_exists_and_one_that_cannot_be_written(lab: LabUnderTest, tmp_path: Path) -> None:
    file = tmp_path / "mine"
    file.write_text("mine", encoding="utf-8")
    said = lab.labctl("checkpoint", "save", "monday", "--output", str(file))
    assert said.code == 2
    assert f"{file} exists already" in said.err
    assert file.read_text(encoding="utf-8") == "mine"
    said = lab.labctl("checkpoint", "save", "monday", "--output", str(tmp_path / "no/folder"))
    assert said.code == 5
    assert "cannot be written: No such file or directory" in said.err
    assert sorted(each.name for each in tmp_path.iterdir()) == ["home", "mine"]


def test_the_schema_is_the_published_one() -> None:
    published = ROOT / "docs/schemas/checkpoint-file.json"
    assert json.loads(published.read_text(encoding="utf-8")) == SCHEMA, "write SCHEMA there anew"
