"""`labctl checkpoint`: the same again, exactly, or refused with the name of what stands in the way."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING, Any

import fastjsonschema
import pytest

from labctl.engine.remake.picture import take_picture
from tests.lab_under_test import ROOT, LabUnderTest, Said, run_labctl
from tests.world_probes import cut_labctl, root_of

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.machine, pytest.mark.anybody, pytest.mark.long]

# What a learner may have made beside the steps: all that a snapshot shows.
OWN = """
ip link add br9 type bridge
ip addr add 192.0.2.1/24 dev br9
ip addr add 192.0.2.2/24 dev br9 label br9:two
ip link set br9 up
ip link add y1 type veth peer name y2
ip link set y1 master br9
ip link set y1 up
ip link set dev y1 type bridge_slave hairpin on
ip link set dev y2 alias 'a name'
ip route add 198.51.100.0/24 via 192.0.2.9 metric 5
ip route add blackhole 198.51.100.128/25 table 7
ip neigh replace 192.0.2.9 lladdr 02:00:00:00:00:09 dev br9 nud permanent
ip link del vetha
rm -f /run/netns/a
ip netns attach a "$(cut -d/ -f3 /run/labctl/containers/a)"
iptables -N MINE
iptables -A FORWARD -m comment --comment 'two "words"' -j MINE
iptables -t mangle -P FORWARD DROP
iptables -P FORWARD ACCEPT
sysctl -qw net.ipv4.ip_forward=0
echo '#!/bin/sh' >/opt/cni/bin/mine
chmod 755 /opt/cni/bin/mine
mkdir -p /var/lib/cni/empty
ln -s /nowhere /var/lib/cni/link
gcloud compute routes create mine --destination-range 10.9.0.0/16 --network k8s --next-hop-address 10.128.0.2
"""

NODES = ("master", "worker")
SERVER = "python3 -m http.server 8080"
UNKEPT = {
    "ip link add m1 link eth0 type macvlan": "the interface m1 is a macvlan, neither bridge nor veth",
    "mkdir /var/lib/cni; mkfifo /var/lib/cni/pipe": "/var/lib/cni/pipe is neither file nor folder nor link",
    "head -c 9 /dev/zero | tr '\\0' '\\377' >/var/lib/cni/noise": "/var/lib/cni/noise is not text",
    "head -c 1100000 /dev/zero >/var/lib/cni/much": "/var/lib/cni/much is larger than 1 MB",
    "ip netns add own": "/run/netns/own is a namespace that is not the lab's",
}


def test_all_that_a_snapshot_shows_comes_back_in_another_world(lab: LabUnderTest, tmp_path: Path) -> None:
    lab.apply(range(9))
    assert lab.type("master", OWN).code == 0
    lab.type("worker", "ip link del eth0; rm -rf /var/lib/cni")
    before = take_picture(lab.kernel, lab.lab)
    file = tmp_path / "monday.json"
    said = lab.labctl("checkpoint", "save", "monday", "--output", str(file))
    assert said.code == 0, said
    lab.kernel.refresh()
    assert take_picture(lab.kernel, lab.lab) == before, "saving changes nothing"
    with LabUnderTest(tmp_path / "elsewhere") as other:
        other.type("master", "ip link add mine type bridge")
        said = other.labctl("checkpoint", "restore", "--input", str(file))
        assert said.code == 0, said
        other.enter_anew()
        assert take_picture(other.kernel, other.lab) == before
        assert other.type("master", 'ip netns exec a ip link; "$(ls /opt/cni/bin/mine)"').code == 0


def _checked(command: str, said: Said) -> Any:  # noqa: ANN401 (JSON)
    assert said.code == 0, said
    schema = (ROOT / f"docs/schemas/checkpoint-{command}.json").read_text(encoding="utf-8")
    return fastjsonschema.compile(json.loads(schema))(json.loads(said.out))


def test_the_life_of_a_checkpoint(home: Path) -> None:
    assert run_labctl(home, "checkpoint", "list").out == "there are no checkpoints\n"
    said = run_labctl(home, "checkpoint", "save", "monday")
    assert (said.code, said.err) == (2, "error: there is no world to save\nhint: labctl up\n")
    try:
        run_labctl(home, "reset", "--to", "1")
        saved = _checked("save", run_labctl(home, "checkpoint", "save", "monday", "--json"))
        assert saved["checkpoint"]["steps"] == [{"step": step, "node": node} for step in (0, 1) for node in NODES]
        said = run_labctl(home, "checkpoint", "save", "monday")
        assert (said.code, said.err) == (2, "error: monday exists already\nhint: another name, or --replace\n")
        assert "0-1 on master, 0-1 on worker" in run_labctl(home, "checkpoint", "list").out
        run_labctl(home, "down")
        (home / "checkpoints/broken.json").write_text("{", encoding="utf-8")
        listed = _checked("list", run_labctl(home, "checkpoint", "list", "--json"))["checkpoints"]
        assert ["wrong" in each for each in listed] == [True, False]
        said = run_labctl(home, "checkpoint", "restore", "monday", "--json")
        outcomes = [each["outcome"] for each in _checked("restore", said)["steps"]]
        assert outcomes == ["done"] * 4 + ["not_done"] * (len(outcomes) - 4)
        assert "made the lab's world" in said.err
        assert run_labctl(home, "step", "0-1", "--verify", "--node", "all").code == 0
        run_labctl(home, "down")
        run_labctl(home, "up", "--nodes", "3")
        said = run_labctl(home, "checkpoint", "restore", "monday")
        assert said.code == 2
        assert "is of another plan than the checkpoint" in said.err
        assert "hint: take it away first: labctl down" in said.err
    finally:
        run_labctl(home, "down")
    assert run_labctl(home, "checkpoint", "remove", "broken").out == "removed broken\n"
    said = run_labctl(home, "checkpoint", "remove", "monday", "--json")
    assert _checked("remove", said) == {"schema": 1, "removed": "monday"}
    said = run_labctl(home, "checkpoint", "remove", "monday")
    assert (said.code, said.err) == (2, "error: there is no checkpoint 'monday'\nhint: labctl checkpoint save NAME\n")


def test_what_cannot_be_kept_is_refused_by_name(lab: LabUnderTest) -> None:
    lab.type("worker", f"setsid -f {SERVER} >/dev/null 2>&1; until ss -Hltn 'sport = 8080' | grep -q .; do :; done")
    said = lab.labctl("checkpoint", "save", "monday")
    assert said.code == 5, said
    assert "this state could not be restored: snapshot places worker servers: tcp 0.0.0.0 8080" in said.err
    lab.type("master", "\n".join(UNKEPT))
    said = lab.labctl("checkpoint", "save", "monday")
    assert said.code == 5, said
    assert "error: this state could not be restored: " in said.err
    for what in UNKEPT.values():
        assert f"master: {what}; " in said.err
    assert "nothing was saved" in said.err
    assert "hint: take that away, then save again; what stands: labctl snapshot" in said.err
    assert lab.labctl("checkpoint", "list").out == "there are no checkpoints\n"


def test_cut_short_the_old_world_stands_or_the_one_that_was_saved(lab: LabUnderTest) -> None:
    lab.apply((0,))
    saved = take_picture(lab.kernel, lab.lab)
    assert lab.labctl("checkpoint", "save", "monday").code == 0
    calls = len(cut_labctl(lab.home, "count", "0", "checkpoint", "restore", "monday", dies=False).calls)
    for name, share in (("INT", 0.6), ("KILL", 0.96)):
        lab.enter_anew()
        lab.type("master", "ip addr add 192.0.2.1/24 dev lo")
        before, old = take_picture(lab.kernel, lab.lab), root_of(lab.home)
        arguments = ("checkpoint", "restore", "monday")
        cut = cut_labctl(lab.home, name, str(int(calls * share)), *arguments, dies=False)
        assert cut.code in (0, 130, -signal.SIGKILL), cut
        lab.enter_anew()
        assert take_picture(lab.kernel, lab.lab) == (before if root_of(lab.home) == old else saved), (name, share)


def test_what_cannot_be_made_the_same_leaves_the_lab_as_it_is(lab: LabUnderTest, tmp_path: Path) -> None:
    from labctl.engine.checkpoint import _checksum

    file = tmp_path / "monday.json"
    assert lab.labctl("checkpoint", "save", "monday", "--output", str(file)).code == 0
    whole = json.loads(file.read_text(encoding="utf-8"))
    whole["body"]["picture"]["snapshot"]["places"]["master"]["servers"] = ["tcp 0.0.0.0 99 nobody"]
    whole["sha256"] = _checksum(whole["body"])
    file.write_text(json.dumps(whole), encoding="utf-8")
    lab.type("master", "ip addr add 192.0.2.1/24 dev lo")
    before = take_picture(lab.kernel, lab.lab)
    said = lab.labctl("checkpoint", "restore", "--input", str(file))
    assert said.code == 5
    assert "it could not be made the same as it was saved: snapshot places master servers" in said.err
    assert "the lab is as it was before" in said.err
    lab.kernel.refresh()
    assert take_picture(lab.kernel, lab.lab) == before
