"""What probes claim: asked when they mean something, believed when they can be, cause before symptom."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from labctl.engine.report import Outcome
from labctl.errors import KernelRefused, ToolMissing
from labctl.kernel.remote import RemoteKernel
from labctl.model.lab import Place
from labctl.model.resource import Action
from labctl.model.values import Completed
from labctl.resources import Reservation
from tests.lab_under_test import STEPS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labctl.engine.report import StepReport
    from labctl.model.ports import ProgramLook
    from tests.lab_under_test import LabUnderTest

pytestmark = pytest.mark.machine

STORE = "/var/lib/cni/networks/k8s"


def _claims(report: StepReport) -> dict[str, bool | None]:
    return {each.probe.claim: each.answer.yes for each in report.probes}


def test_a_probe_is_asked_until_the_step_that_changes_its_answer_stands(lab: LabUnderTest) -> None:
    lab.apply(range(4), nodes=lab.lab.nodes[:1])
    assert _claims(lab.report(3))["a can ping b"] is False
    assert lab.report(3).outcome is Outcome.DONE
    assert lab.type("master", "iptables -A FORWARD -s 10.244.0.0/16 -j ACCEPT").code == 0
    assert "a can ping b" not in _claims(lab.report(3)), "half of step 5 stands"
    assert lab.report(3).outcome is Outcome.DONE
    lab.apply((4, 5), nodes=lab.lab.nodes[:1])
    lab.undo_from(5)
    assert _claims(lab.report(3))["a can ping b"] is False


def test_a_hole_made_otherwise_is_seen_by_the_probe(lab: LabUnderTest) -> None:
    """All resources of step 3 are there, but what must not work yet does: wrong, with where to look."""
    lab.apply(range(4), nodes=lab.lab.nodes[:1])
    assert (
        lab.type("master", "iptables -I FORWARD -i cni0 -o cni0 -p icmp -m physdev --physdev-is-bridged -j ACCEPT").code
        == 0
    )
    report = lab.report(3)
    assert report.outcome is Outcome.WRONG
    assert report.causes() == ("a can ping b: it does (the FORWARD chain should still drop this; step 5 opens it)",)


@pytest.mark.parametrize("number", [6, 7])
def test_the_missing_rule_of_step_5_is_the_cause_not_the_symptom(lab: LabUnderTest, number: int) -> None:
    lab.apply(range(8))
    assert lab.type("master", "iptables -D FORWARD -d 10.244.0.0/16 -j ACCEPT").code == 0
    report = lab.report(number)
    assert report.made
    assert any(each.failed for each in report.probes), "the symptom is there"
    assert report.causes()[0] == "step 5 on master comes first: no rule of FORWARD accepts -d 10.244.0.0/16"
    said = lab.labctl("step", str(number), "--verify")
    assert said.code == 3
    assert "step 5 on master" in said.err
    assert "-d 10.244.0.0/16" in said.err
    assert "labctl step 5 --apply" in said.err
    said = lab.labctl("status", "--json")
    assert said.code == 1
    outcomes = [(each["step"], each["node"], each["outcome"]) for each in json.loads(said.out)["steps"]]
    assert next(each for each in outcomes if each[2] != "done") == (5, "master", "not_done")
    assert lab.labctl("step", "5", "--apply").code == 0
    assert lab.labctl("step", str(number), "--verify").code == 0


def test_with_the_notes_own_route_alone_packets_find_one_way_only(lab: LabUnderTest) -> None:
    """With MASQUERADE the answer from c goes to the node's address, so a flow from a would pass; a flow from c does."""
    lab.apply(range(8))
    assert lab.type("master", "gcloud compute routes delete k8s-worker --quiet").code == 0
    report = lab.report(7)
    assert _claims(report) == {"a (master) can ping c (worker)": False, "c (worker) can ping a (master)": True}
    assert report.outcome is Outcome.NOT_DONE
    assert report.causes()[0] == "the vpc has no route to 10.244.1.0/24"


def test_masquerade_shows_the_node_and_not_the_pod_to_another_node(lab: LabUnderTest) -> None:
    """The "look closer" of step 6: c counts a's packets under the address of a's node."""
    lab.apply(range(8))
    count = "for from in 10.128.0.2 10.244.0.2; do ip netns exec c iptables -A INPUT -p icmp -s $from; done"
    assert lab.type("worker", count).code == 0
    assert lab.type("master", "ip netns exec a ping -c 1 -W 5 10.244.1.2").code == 0
    said = lab.type("worker", "ip netns exec c iptables -nvxL INPUT")
    seen = {
        found[2]: int(found[1]) for found in re.finditer(r"^ *(\d+) .* (10\.\S+) +0\.0\.0\.0/0", said.out, re.MULTILINE)
    }
    assert seen == {"10.128.0.2": 1, "10.244.0.2": 0}


def test_another_machine_that_answers_for_a_reserved_address_is_found(lab: LabUnderTest) -> None:
    lab.apply((0, 1), nodes=lab.lab.nodes[:1])
    assert lab.report(1).outcome is Outcome.DONE
    squat = """
ip link add squat0 type veth peer name squat1 netns b
ip link set squat0 master cni0 up; ip -n b addr add 10.244.0.2/24 dev squat1; ip -n b link set squat1 up
"""
    assert (
        lab.type("master", f"mkdir -p /run/netns; ln -s $(cat /run/labctl/containers/b) /run/netns/b; {squat}").code
        == 0
    )
    report = lab.report(1)
    assert report.outcome is Outcome.WRONG
    assert "b has 10.244.0.2, which is reserved for a" in report.causes()[0]
    stranger = "ip netns add stranger; ip link set squat0 down; ip -n b link del squat1; " + squat.replace(
        " b", " stranger"
    )
    assert lab.type("master", stranger).code == 0
    report = lab.report(1)
    assert report.outcome is Outcome.WRONG
    assert "somebody else answers for 10.244.0.2, which is reserved for a" in report.causes()[0]
    assert (
        lab.type("master", "ip netns exec stranger ip addr flush dev squat1; ip addr add 10.244.0.2/32 dev lo").code
        == 0
    )
    assert "master itself has 10.244.0.2" in lab.report(1).causes()[0]
    said = lab.type(
        "master",
        "ip addr del 10.244.0.2/32 dev lo; ip -n stranger addr add 10.244.0.4/24 dev squat1; sed -i '/ b$/d' "
        f"{STORE}/reserved; echo 10.244.0.3 x >>{STORE}/reserved",
    )
    assert said.code == 0, said
    lab.apply((1,), nodes=lab.lab.nodes[:1])
    assert lab.type("master", f"grep -qx '10.244.0.5 b' {STORE}/reserved").code == 0, "neither reserved nor answering"


def test_exit_codes_of_verify_and_apply(lab: LabUnderTest) -> None:
    assert lab.labctl("step", "0", "--verify").code == 1
    said = lab.labctl("step", "1", "--verify")
    assert (said.code, "labctl step 0 --apply" in said.err) == (3, True)
    assert lab.type("master", "ip link add cni0 type veth peer name other").code == 0
    before = lab.snapshot()
    said = lab.labctl("step", "0", "--verify")
    assert (said.code, "cni0 on master is not a bridge but a veth" in said.out) == (1, True)
    said = lab.labctl("step", "0", "--apply")
    assert (said.code, "cni0 on master is not a bridge but a veth" in said.err) == (4, True)
    assert lab.snapshot() == before
    assert lab.labctl("step", "0", "--plan").out.count(str(Action.REFUSE)) == 1


def test_a_plan_names_what_has_to_be_done_before_and_is_not_planned(lab: LabUnderTest) -> None:
    said = lab.labctl("step", "2", "--plan", "--node", "worker")
    assert said.code == 0
    assert "  missing: step 0 on worker, and 1 more, before this one: worker has no cni0\n" in said.out
    assert said.out.endswith("hint: labctl step 2 --apply --with-needed --node worker does them too\n")
    assert "missing: step 0 on master, and 13 more" in lab.labctl("step", "7", "--plan").out
    assert "missing" not in lab.labctl("step", "0-2", "--plan", "--node", "all").out
    lab.apply((0, 1), nodes=lab.lab.nodes[1:])
    assert "missing" not in lab.labctl("step", "2", "--plan", "--node", "worker").out


def test_twenty_reservations_at_once_take_twenty_addresses(lab: LabUnderTest) -> None:
    """By typed commands under flock(1) and by the engine, which does not hold the lock while it looks."""
    lab.apply((0, 1), nodes=lab.lab.nodes[:1])
    node = lab.lab.nodes[0]
    typed = f"""
for n in $(seq 2 21); do (
  until flock {STORE} sh -c '
      free=$(for i in $(seq 2 254); do grep -q "^10.244.0.$i " {STORE}/reserved || {{ echo 10.244.0.$i; break; }}; done)
      echo "$free typed$0" >>{STORE}/reserved' $n; do :; done
) & done; wait
"""

    agent = lab.session.sandbox.enter(lab.world)
    try:
        with ThreadPoolExecutor(1) as others:
            running = others.submit(lab.type, "master", typed)
            for _ in range(5):
                for container in node.containers:
                    Reservation(lab.lab, node, container).apply(agent.kernel)
            assert running.result().code == 0
    finally:
        agent.close()
    lines = lab.type("master", f"cat {STORE}/reserved").out.split()
    assert len(lines) == 2 * (3 + 2 + 20)
    assert len(set(lines[::2])) == 3 + 2 + 20, "no address twice"
    assert lab.report(1).made


def test_a_mended_address_is_not_remembered_as_somebody_elses(lab: LabUnderTest) -> None:
    lab.apply(range(4))
    # a knows the node's MAC, so it will not ask again, which would tell the node where a is.
    lab.type("master", "ip netns exec a ping -c1 -W1 10.244.0.1\n")
    # b takes a's address, and the node has learned that it is b's.
    lab.type("master", "ip -n b addr flush dev eth0\nip -n b addr add 10.244.0.2/24 dev eth0\n")
    lab.type(
        "master",
        "mac=$(ip -n b -j link show eth0 | jq -r '.[0].address')\n"
        'ip neigh replace 10.244.0.2 lladdr "$mac" dev cni0 nud reachable\n',
    )
    said = lab.labctl("step", "3", "--apply")
    assert said.code == 0, said.out


def test_apply_is_content_where_only_a_probe_cannot_tell(lab: LabUnderTest) -> None:
    lab.apply(range(5))
    lab.type("master", "sysctl -qw net.bridge.bridge-nf-call-iptables=0\n")
    applied = lab.labctl("step", "5", "--apply")
    assert applied.code == 0
    assert "by-passes iptables" in " ".join(applied.out.split())
    assert lab.labctl("step", "5", "--verify").code == 6


def test_programs_are_asked_side_by_side_and_one_that_fails_is_no_other_ones_fault(lab: LabUnderTest) -> None:
    a, worker = lab.lab.place("master/a"), lab.lab.place("worker")
    # Each of the two waits for what only the other says: one after the other, the first would wait for ever.
    pipes = "mkfifo -m 600 /tmp/one /tmp/two 2>/dev/null || true; "
    asks = [
        (a, ("bash", "-c", pipes + "cat; echo 1 >/tmp/one; cat /tmp/two"), "a\n"),
        (worker, ("no-such-tool",), ""),
        (Place("master", "nobody"), ("true",), ""),
        (a, ("bash", "-c", pipes + "cat; cat /tmp/one; echo 2 >/tmp/two"), "b\n"),
    ]
    first, tool, place, last = lab.kernel.look_all(asks)
    assert isinstance(tool, ToolMissing)
    assert isinstance(place, KernelRefused)
    assert isinstance(first, Completed)
    assert isinstance(last, Completed)
    assert (first.out, last.out) == ("a\n2\n", "b\n1\n")


def test_what_was_looked_at_ahead_is_not_run_again(lab: LabUnderTest) -> None:
    """Until something is changed; what could not be run is tried again when it is asked for."""
    master, nobody = Place("master"), Place("master", "nobody")
    count = ("sh", "-c", "echo x >>/tmp/looks; cat; wc -l </tmp/looks")
    lab.kernel.look_ahead([(master, count, "one "), (nobody, ("true",), ""), (master, ("no-such-tool",), "")])
    programs = lab.kernel.programs(master)
    assert programs.look(count, "one ").out == "one 1\n"
    lab.kernel.look_ahead([(master, count, "one "), (master, count, "")])
    assert programs.look(count, "one ").out == "one 1\n"
    assert programs.look(count).out == "2\n"
    with pytest.raises(ToolMissing):
        programs.look(("no-such-tool",))
    with pytest.raises(KernelRefused):
        lab.kernel.programs(nobody).look(("true",))
    programs.run(("true",))
    assert programs.look(count, "one ").out == "one 3\n"


def test_status_has_all_plug_ins_and_certificates_looked_at_side_by_side(
    lab: LabUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.apply(STEPS)
    ahead: list[tuple[str, ...]] = []
    look_all = RemoteKernel.look_all

    def spied(kernel: RemoteKernel, asks: Sequence[ProgramLook]) -> tuple[Completed | KernelRefused, ...]:
        ahead.append(tuple(next((each for each in argv if "CHECK" in each or "/" in each), "") for _, argv, _ in asks))
        return look_all(kernel, asks)

    monkeypatch.setattr(RemoteKernel, "look_all", spied)
    lab.survey.refresh()
    lab.survey.reports(lab.session.course.lessons(), lab.lab.nodes)
    pki = "/etc/kubernetes/pki"
    assert sorted(ahead[0]) == [f"{pki}/apiserver.key", *[f"{pki}/ca.crt"] * 2, *["CNI_COMMAND=CHECK"] * 4]
    # After that, probes alone.
    assert not {"CNI_COMMAND=CHECK", f"{pki}/ca.crt"} & {word for words in ahead[1:] for word in words}
