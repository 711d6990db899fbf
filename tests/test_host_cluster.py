"""Several machines: routes on the nodes where there is no cloud, and the real gcloud's command where there is one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from labctl.model.lab import VPC
from labctl.model.values import CLOUD_MARK
from labctl.world.gcloud.place import SETTINGS
from labctl.world.gcloud.reference import REGION
from tests.host_under_test import NEIGHBOURS, HostUnderTest
from tests.lab_under_test import ROOT, LabUnderTest
from tests.machine_state import differences

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.machine, pytest.mark.anybody]


@pytest.fixture
def around(home: Path) -> Iterator[LabUnderTest]:
    with LabUnderTest(home) as around:
        yield around


def test_two_machines_without_a_cloud_reach_each_others_pods(around: LabUnderTest) -> None:
    master, worker = HostUnderTest(around, "master"), HostUnderTest(around, "worker")
    master.type(NEIGHBOURS.format(pid=master.pid_of("worker"), other="10.128.0.3"))
    worker.type("ip link set eth1 up; ip route add 10.128.0.2/32 dev eth1")
    before = [each.state() for each in (master, worker)]
    master.labctl("up", "--cloud", "static")
    alone = master.labctl("step", "0-7", "--apply")
    # The other machine has not come so far: nobody can tell.
    assert "on it: sudo labctl" in " ".join(alone.out.split())
    master.labctl("step", "7", "--verify", code=6)
    worker.labctl("up", "--cloud", "static")
    assert "sudo ip route add 10.244.0.0/24 via 10.128.0.2" in worker.labctl("step", "7", "--commands").out
    assert "flannel calls it host-gw" in " ".join(worker.labctl("step", "7", "--explain").out.split())
    worker.labctl("step", "0-7", "--apply")
    for each in (master, worker):
        each.labctl("step", "7", "--verify")
    assert "1 received" in master.labctl("exec", "master/a", "--", "ping", "-c1", "-W1", "10.244.1.2").out
    assert "1 received" in worker.labctl("exec", "worker/c", "--", "ping", "-c1", "-W1", "10.244.0.3").out
    # With its neighbour's answers heard, a fault of its own is no longer somebody else's.
    master.type("iptables -t raw -I PREROUTING -s 10.244.0.2 -d 10.244.1.1 -j DROP")
    wrong = master.labctl("step", "7", "--verify", code=1)
    assert "can ping 10.244.1.1, the bridge of worker: no" in " ".join(wrong.out.split())
    for each, old in zip((master, worker), before, strict=True):
        each.labctl("step", "7", "--undo")
        assert "10.244" not in each.type("ip route show via 10.128.0.2; ip route show via 10.128.0.3").out
        each.labctl("down")
        assert "\n".join(differences(old, each.state())) == ""


# The lab's own gcloud, from outside: it asks the sandbox's vpc, as the real one of the machine does.
_OWN = """\
#!/bin/sh
exec nsenter -t {pid} -m -n -u -- env PATH=/opt/labctl/bin:/usr/bin:/bin gcloud "$@"
"""


@pytest.fixture(params=[pytest.param("real", marks=pytest.mark.gcloud), "lab"])
def client(request: pytest.FixtureRequest) -> str:
    """Which gcloud the machine has."""
    return str(request.param)


def _in_a_cloud(around: LabUnderTest, client: str) -> HostUnderTest:
    """A machine in a cloud: the sandbox's vpc stands in for Google."""
    master = HostUnderTest(around)
    master.settings |= {**SETTINGS, "CLOUDSDK_COMPUTE_REGION": REGION}
    if client == "lab":
        script = _OWN.format(pid=master.pid_of(str(VPC)))
        master.type(f"cat >/root/bin/gcloud <<'END'\n{script}END\nchmod 755 /root/bin/gcloud")
    return master


def _routes(around: LabUnderTest) -> dict[str, str]:
    around.kernel.refresh()
    return {each.name: each.description for each in around.kernel.cloud.routes()}


def test_routes_of_a_real_cloud_are_marked_and_only_these_are_deleted(around: LabUnderTest, client: str) -> None:
    around.apply(range(7), nodes=(around.lab.node("worker"),))
    master = _in_a_cloud(around, client)
    theirs = "gcloud compute routes create theirs --destination-range 10.9.0.0/16 --network k8s --next-hop-address"
    done = around.kernel.programs(VPC).run(("bash", "-c", f"{theirs} 10.128.0.3"))
    assert done.code == 0, done
    master.labctl("up", "--cloud", "gcloud")
    master.labctl("step", "0-6", "--apply")
    shown = master.labctl("step", "7", "--apply", "--dry-run").out
    assert f"--next-hop-address 10.128.0.2 --description '{CLOUD_MARK}'" in shown
    assert set(_routes(around)) == {"theirs"}
    master.labctl("step", "7", "--apply")
    assert _routes(around) == {"theirs": "", "k8s-master": CLOUD_MARK, "k8s-worker": CLOUD_MARK}
    assert "nothing to change" in master.labctl("step", "7", "--apply").out
    snapshot = json.loads(master.labctl("snapshot").out)
    assert "10.244.1.0/24" in [each["destination"] for each in snapshot["vpc_routes"]]
    master.labctl("step", "7", "--undo")
    assert set(_routes(around)) == {"theirs"}


def test_a_route_that_somebody_had_there_before_is_refused_and_one_typed_since_is_left(around: LabUnderTest) -> None:
    master = _in_a_cloud(around, "lab")
    create = "gcloud compute routes create {} --network k8s --destination-range {} --next-hop-address {}"
    type_it = around.kernel.programs(VPC).run
    assert type_it(("bash", "-c", create.format("old", "10.244.1.0/24", "10.128.0.3"))).code == 0
    master.labctl("up", "--cloud", "gcloud")
    master.labctl("step", "0-6", "--apply")
    assert "the route old was there before `labctl up`" in master.labctl("step", "7", "--apply", code=4).err
    assert type_it(("bash", "-c", create.format("mine", "10.244.0.0/24", "10.128.0.2"))).code == 0
    said = master.labctl("step", "7", "--undo")
    assert "left untouched: it is called mine, which is as good" in " ".join(said.out.split())
    assert set(_routes(around)) == {"old", "mine"}


def test_project_network_and_region_are_checked_before_anything_else(around: LabUnderTest, client: str) -> None:
    master = _in_a_cloud(around, client)
    before, settings = master.state(), dict(master.settings)
    master.type("cat >/root/other.toml <<'END'\n" + (ROOT / "labctl/world/default.toml").read_text() + "END")
    master.type("""sed -i 's/^network = .*/network = "other"/' /root/other.toml; grep -q '"other"' /root/other.toml""")
    not_fetched = (
        "gcloud refused: (gcloud.compute.{}.describe) Could not fetch resource: The resource '{}' was not found"
    )
    for changed, arguments, said in (
        ({"CLOUDSDK_CORE_PROJECT": ""}, (), "The project property is set to the empty string, which is invalid"),
        ({"CLOUDSDK_CORE_PROJECT": "other"}, (), not_fetched.format("project-info", "projects/other")),
        (
            {},
            ("--topology", "/root/other.toml"),
            not_fetched.format("networks", "projects/lab/global/networks/other"),
        ),
        (
            {"CLOUDSDK_COMPUTE_REGION": "nowhere"},
            (),
            not_fetched.format("regions", "projects/lab/regions/nowhere"),
        ),
    ):
        master.settings = {**settings, **changed}
        assert said in master.labctl("up", "--cloud", "gcloud", *arguments, code=5).err
    if client == "real":
        del settings["CLOUDSDK_CORE_PROJECT"]
        master.settings = settings
        assert "gcloud is set to no project" in master.labctl("up", "--cloud", "gcloud", code=5).err
    assert master.state() == before
