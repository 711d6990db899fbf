"""Services in a real world: who answers, who does not any more, what is refused, and what undo leaves alone."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from labctl.engine.report import Outcome
from labctl.errors import KernelRefused
from labctl.model.lab import INTERNET, Place
from labctl.model.probe import share_bounds
from labctl.model.resource import Absent, Present
from labctl.model.service import Service, ServicePort, my_service, serving
from labctl.model.value import replace
from labctl.model.values import Heard
from labctl.resources import Hairpin, ServiceRules
from labctl.resources.service_reading.portals import read_portals
from tests.faulty_kernel import Fault, FaultyKernel
from tests.lab_under_test import LabUnderTest, step_called

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.machine, pytest.mark.anybody]

PROXY = step_called("proxy")
A, B, MASTER = Place("master", "a"), Place("master", "b"), Place("master")
VIP = "10.96.0.100"


@pytest.fixture(params=["nft", "legacy"])
def served(request: pytest.FixtureRequest, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LabUnderTest]:
    """A lab in which step 9 is done, with either backend of iptables."""
    monkeypatch.setenv("LABCTL_IPTABLES", request.param)
    with LabUnderTest(home) as lab:
        lab.apply(range(PROXY + 1))
        yield lab


def hear(lab: LabUnderTest, caller: Place, count: int = 300, target: str = VIP, port: int = 80) -> list[Heard]:
    heard = lab.kernel.packets.fetch_all([(caller, target, port)] * count)
    assert not [each for each in heard if isinstance(each, KernelRefused)]
    return [each for each in heard if isinstance(each, Heard)]


def names(heard: list[Heard]) -> Counter[str]:
    return Counter(each.text or each.why or "silence" for each in heard)


def rules(lab: LabUnderTest, service: Service, *, shared: bool = True) -> tuple[ServiceRules, ...]:
    return tuple(ServiceRules(lab.lab, node, (service,), shared=shared) for node in lab.lab.nodes)


def test_connections_are_shared_out_and_an_endpoint_taken_away_gets_none(served: LabUnderTest) -> None:
    service = my_service(served.lab)
    assert all(each.observe(served.kernel) == Present() for each in rules(served, service))
    low, high = share_bounds(300, 3)
    for caller in (A, B, MASTER):
        counts = names(hear(served, caller))
        assert set(counts) == {"b", "c", "d"}, counts
        assert all(low <= count <= high for count in counts.values()), counts
    fewer = replace(service, endpoints=tuple(each for each in service.endpoints if each.name != "c"))
    for each in rules(served, fewer):
        seen = each.observe(served.kernel)
        assert isinstance(seen, Present)
        assert "which is no endpoint of it" in seen.drift[0] or "with a share of" in seen.drift[0]
        each.apply(served.kernel)
        assert each.observe(served.kernel) == Present()
    for caller in (A, B, MASTER):
        assert set(names(hear(served, caller, 100))) == {"b", "d"}
    assert served.kernel.firewall("master").saved().count(":KUBE-SEP-") == 2
    for full in rules(served, service):
        full.apply(served.kernel)
        assert full.observe(served.kernel) == Present()


def test_without_endpoints_it_is_refused_at_once_and_what_has_some_is_not(served: LabUnderTest) -> None:
    none = replace(my_service(served.lab), endpoints=())
    for each in rules(served, none):
        each.apply(served.kernel)
        assert each.observe(served.kernel) == Present()
    for caller in (A, B, MASTER):
        assert all(each.refused for each in hear(served, caller, 3)), caller
    assert all(each.refused for each in hear(served, INTERNET, 3, "10.128.0.2", 30080))
    (portal,) = read_portals(served.kernel.firewall("master").saved())
    assert (portal.name, portal.address, portal.node_port, portal.backends) == ("mystuff/my-svc:http", VIP, 30080, ())
    assert all(isinstance(each.observe(served.kernel), Present) for each in rules(served, none))
    # What refuses is nothing in the way of the pods' own traffic.
    assert served.report(step_called("forward")).outcome is Outcome.DONE
    served.undo_from(PROXY)
    assert "KUBE-" not in served.kernel.firewall("master").saved()


def test_another_service_hangs_on_the_same_chains_and_goes_alone(served: LabUnderTest) -> None:
    port = ServicePort("web", 8080, 80)
    other = Service("other", "svc", "10.96.0.77", (port, replace(port, name="too", port=8081)), serving(served.lab))
    before = served.snapshot()
    for each in rules(served, other, shared=False):
        assert isinstance(each.observe(served.kernel), Absent)
        each.apply(served.kernel)
        assert each.observe(served.kernel) == Present()
    assert set(names(hear(served, A, 30, "10.96.0.77", 8081))) == {"b", "c", "d"}
    assert all(each.observe(served.kernel) == Present() for each in rules(served, my_service(served.lab)))
    assert served.snapshot() != before
    for each in rules(served, other, shared=False):
        each.revert(served.kernel)
        assert isinstance(each.observe(served.kernel), Absent)
    assert served.snapshot() == before


def test_undo_leaves_the_rules_of_somebody_elses_service(served: LabUnderTest) -> None:
    theirs = replace(my_service(served.lab), name="theirs", cluster_ip="10.96.0.78", ports=(ServicePort("", 80, 80),))
    mine, other = rules(served, my_service(served.lab)), rules(served, theirs, shared=False)
    other[0].apply(served.kernel)
    mine[0].revert(served.kernel)
    assert isinstance(mine[0].observe(served.kernel), Absent)
    assert other[0].observe(served.kernel) == Present()
    assert set(names(hear(served, A, 30, "10.96.0.78"))) <= {"b", "c", "d"}
    mine[0].apply(served.kernel)
    assert mine[0].observe(served.kernel) == Present()
    assert other[0].observe(served.kernel) == Present()


@pytest.fixture
def at_proxy(lab: LabUnderTest) -> LabUnderTest:
    """A lab in which step 9 is done."""
    lab.apply(range(PROXY + 1))
    return lab


def test_without_hairpin_an_endpoint_does_not_reach_itself(at_proxy: LabUnderTest) -> None:
    hairpin = Hairpin(my_service(at_proxy.lab).endpoints[0], at_proxy.lab.bridge)
    assert hairpin.observe(at_proxy.kernel) == Present()
    hairpin.revert(at_proxy.kernel)
    assert isinstance(hairpin.observe(at_proxy.kernel), Absent)
    counts = names(hear(at_proxy, B, 60))
    assert counts["b"] == 0
    assert counts["silence"] > 0
    report = at_proxy.report(PROXY)
    assert "vethb on master sends nothing back where it came from" in report.causes()[0]
    hairpin.apply(at_proxy.kernel)
    assert set(names(hear(at_proxy, B, 60))) == {"b", "c", "d"}


@pytest.mark.parametrize("value", ["0", None])
def test_where_the_bridge_by_passes_iptables_the_probes_cannot_tell(at_proxy: LabUnderTest, value: str | None) -> None:
    """Replies that stay on the bridge are not translated back."""
    name = "net.bridge.bridge-nf-call-iptables"
    kernel = FaultyKernel(at_proxy.kernel, Fault(), {name: value} if value is None else {})
    assert at_proxy.type("master", f"sysctl -w {name}=0").code == 0
    survey = at_proxy.runner(kernel=kernel).survey  # type: ignore[arg-type]  # the proxy has the port's methods
    (report,) = survey.reports((at_proxy.lesson(PROXY),), at_proxy.lab.nodes[:1])
    assert report.outcome is Outcome.UNKNOWN, report.causes()
    assert "by-passes iptables" in report.causes()[0]
    assert any(("modprobe br_netfilter" if value is None else f"sysctl -w {name}=1") in each for each in report.hints())


def test_all_rules_of_a_node_are_loaded_by_one_restore(at_proxy: LabUnderTest) -> None:
    (resource, _) = rules(at_proxy, my_service(at_proxy.lab))
    for do in (resource.revert, resource.apply, resource.revert):
        fault = Fault()
        do(FaultyKernel(at_proxy.kernel, fault))  # type: ignore[arg-type]  # the proxy has the port's methods
        assert [each.partition("(")[0] for each in fault.counted] == ["firewall"]
        assert ".restore(" in fault.counted[0]
