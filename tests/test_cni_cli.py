"""`labctl cni install`, `uninstall` and `show`: what they leave on a node, and what they refuse."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.lab_under_test import run_labctl

if TYPE_CHECKING:
    from tests.lab_under_test import LabUnderTest

pytestmark = [pytest.mark.machine, pytest.mark.anybody]

EXECUTABLE, CONFIGURATION = "/opt/cni/bin/labnet", "/etc/cni/net.d/10-labnet.conflist"


def _ask(lab: LabUnderTest, command: str, *, conf: str = CONFIGURATION) -> dict[str, object]:
    """Call the installed plug-in on the master as a runtime does, and give what it prints."""
    variables = f"CNI_COMMAND={command} CNI_CONTAINERID=x CNI_NETNS=/run/netns/x CNI_IFNAME=eth0 CNI_PATH=/opt/cni/bin"
    done = lab.type("master", f"jq '{{cniVersion, name}} + .plugins[0]' {conf} | {variables} {EXECUTABLE}")
    assert done.code == 0, done
    answer: dict[str, object] = json.loads(done.out or "{}")
    return answer


def test_installed_it_works_and_uninstalled_nothing_is_left(lab: LabUnderTest) -> None:
    before = lab.snapshot()
    said = lab.labctl("cni", "install")
    assert said.code == 0, said
    assert said.out.splitlines() == [
        f"{node}: installed ({EXECUTABLE}, {CONFIGURATION})" for node in ("master", "worker")
    ]
    assert "is there already" in lab.labctl("cni", "install", "--node", "master").out
    assert lab.type("master", "ip netns add x").code == 0
    answer = _ask(lab, "ADD")
    assert answer["cniVersion"] == "1.0.0"
    assert lab.type("master", "ip netns exec x ping -c1 -W2 10.244.0.1").code == 0
    shown = json.loads(lab.labctl("cni", "show", "--node", "master", "--json").out)
    (attachment,) = shown["nodes"][0]["attachments"]
    assert (attachment["container"], attachment["interface"], attachment["address"]) == ("x", "eth0", "10.244.0.2")
    # No runtime kept the answer, so nothing tells the namespace.
    asked = {"CNI_COMMAND": "ADD", "CNI_CONTAINERID": "x", "CNI_IFNAME": "eth0", "CNI_PATH": "/opt/cni/bin"}
    assert (attachment["asked"], attachment["answer"]) == (asked, None)
    assert _ask(lab, "DEL") == {}
    assert lab.type("master", "ip netns del x").code == 0
    said = lab.labctl("cni", "uninstall", "--node", "all")
    assert said.out.splitlines()[0] == f"master: uninstalled ({CONFIGURATION}, {EXECUTABLE})"
    assert "was not installed" in lab.labctl("cni", "uninstall").out
    for node in ("master", "worker"):
        assert lab.type(node, "! ls /opt/cni/bin/* /etc/cni/net.d/*").code == 0
    # What the first ADD made for the whole node stays for the next container: the bridge and the rules.
    rules = "iptables -F FORWARD; iptables -t nat -F"
    folders = "rm -r /var/lib/cni; umount /run/netns; rmdir /run/netns /opt/cni/bin /etc/cni/net.d"
    assert lab.type("master", f"ip link del cni0; {rules}; {folders}").code == 0
    assert lab.type("worker", "rmdir /opt/cni/bin /etc/cni/net.d").code == 0
    assert lab.snapshot() == before


def test_show_tells_what_a_runtime_kept(lab: LabUnderTest) -> None:
    assert lab.labctl("cni", "install", "--node", "master").code == 0
    assert lab.type("master", "ip netns add x").code == 0
    answer = _ask(lab, "ADD")
    more = {"netns": "/run/elsewhere/x", "cniArgs": [["IgnoreUnknown", "1"], ["K8S_POD_NAME", "p"]], "ifName": "eth0"}
    for kept, netns, arguments in (
        (answer, "/run/netns/x", None),
        ({"kind": "cniCacheV1", "result": answer}, "/run/netns/x", None),
        ({"kind": "cniCacheV1", "result": answer, **more}, "/run/elsewhere/x", "IgnoreUnknown=1;K8S_POD_NAME=p"),
    ):
        text = json.dumps(kept)
        folder = "/var/lib/cni/results"
        assert lab.type("master", f"mkdir -p {folder}; echo '{text}' >{folder}/k8s-x-eth0").code == 0
        shown = json.loads(lab.labctl("cni", "show", "--node", "master", "--json").out)
        (attachment,) = shown["nodes"][0]["attachments"]
        assert json.loads(attachment["answer"]) == answer
        assert (attachment["asked"]["CNI_NETNS"], attachment["asked"].get("CNI_ARGS")) == (netns, arguments)
        assert attachment["asked"]["CNI_PATH"] == "/opt/cni/bin"
    said = lab.labctl("cni", "show", "--node", "master").out
    assert "as it must have been asked" in said
    assert "CNI_NETNS=/run/elsewhere/x" in said
    for spoilt in ("no JSON", "[]", '{"result": 7}', '{"interfaces": [7, {"sandbox": 7}], "cniArgs": 7}'):
        assert lab.type("master", f"echo '{spoilt}' >/var/lib/cni/results/k8s-x-eth0").code == 0
        shown = json.loads(lab.labctl("cni", "show", "--node", "master", "--json").out)
        (attachment,) = shown["nodes"][0]["attachments"]
        assert attachment["answer"].strip() == spoilt
        assert "CNI_NETNS" not in attachment["asked"]


@pytest.mark.parametrize("path", [EXECUTABLE, CONFIGURATION])
def test_a_file_that_is_not_labctls_is_never_written_over(lab: LabUnderTest, path: str) -> None:
    assert lab.type("worker", f"mkdir -p {Path(path).parent}; echo theirs >{path}").code == 0
    before = lab.snapshot()
    said = lab.labctl("cni", "install")
    assert said.code == 4
    assert path in said.err
    assert lab.snapshot() == before, "nothing is changed on any node"
    assert lab.labctl("cni", "install", "--node", "master").code == 0
    assert f"left untouched: {path} on worker" in lab.labctl("cni", "uninstall").out
    assert lab.type("worker", f"grep -q theirs {path}").code == 0


def test_a_configuration_that_somebody_made_his_own_stays(lab: LabUnderTest) -> None:
    assert lab.labctl("cni", "install", "--node", "master").code == 0
    more = 'jq \'.plugins += [{"type": "portmap"}]\''
    assert lab.type("master", f"{more} {CONFIGURATION} >/run/more; cat /run/more >{CONFIGURATION}").code == 0
    before = lab.snapshot()
    assert lab.labctl("cni", "install", "--node", "master").code == 4
    assert lab.snapshot() == before
    assert f"left untouched: {CONFIGURATION}" in lab.labctl("cni", "uninstall", "--node", "master").out
    assert lab.type("master", f"grep -q portmap {CONFIGURATION}").code == 0


def test_other_folders(lab: LabUnderTest) -> None:
    folders = ("--bin-dir", "/opt/plug ins", "--conf-dir", "/etc/cni/mine/")
    assert lab.labctl("cni", "install", "--node", "master", *folders).code == 0
    assert lab.type("master", "test -x '/opt/plug ins/labnet'; test -f /etc/cni/mine/10-labnet.conflist").code == 0
    assert lab.labctl("cni", "uninstall", "--node", "master", *folders).code == 0
    assert lab.type("master", "! ls '/opt/plug ins/labnet' || exit 1").code == 0


def test_bad_folders_and_nodes_are_said_in_a_line(home: Path) -> None:
    for arguments in (
        ("install", "--bin-dir", "bin"),
        ("install", "--node", "nobody"),
        ("show", "--nonsense"),
        ("show", "x"),
    ):
        said = run_labctl(home, "cni", *arguments)
        assert said.code == 2, said
        assert len(said.err.splitlines()) == 2
        assert "hint: " in said.err


def test_show_names_an_executable_that_runs_here(home: Path) -> None:
    said = run_labctl(home, "cni", "show", "--json")
    shown = json.loads(said.out)
    assert shown["nodes"] == [], "there is no world, and none is made"
    done = subprocess.run(
        (shown["plugin"],),
        input='{"cniVersion": "0.4.0"}',
        capture_output=True,
        text=True,
        check=True,
        env={"CNI_COMMAND": "VERSION", "PATH": os.defpath},
    )
    assert json.loads(done.stdout) == {
        "cniVersion": "0.4.0",
        "supportedVersions": ["0.3.1", "0.4.0", "1.0.0", "1.1.0"],
    }


def test_help_of_the_group(home: Path) -> None:
    assert run_labctl(home, "cni") == run_labctl(home, "cni", "--help")
    assert run_labctl(home, "cni", "nothing").code == 2
