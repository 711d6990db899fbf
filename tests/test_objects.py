"""The step that serves the lab as objects: without kubectl, with ports that are taken, and what undo leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from labctl.engine.report import Outcome
from tests.lab_under_test import step_called

if TYPE_CHECKING:
    from tests.lab_under_test import LabUnderTest

pytestmark = pytest.mark.machine

OBJECTS = step_called("objects")


def test_without_kubectl_it_works_and_says_what_could_not_be_checked(lab: LabUnderTest) -> None:
    lab.apply(range(OBJECTS))
    # The world's own, and the machine's if it has one: what nobody may run is not found.
    hide = "rm -f /opt/labctl/bin/kubectl; for each in $(which -a kubectl); do mount --bind /dev/null $each; done"
    assert lab.type("master", f"{hide}; ! test -x $(command -v kubectl)").code == 0
    said = lab.labctl("step", str(OBJECTS), "--apply")
    assert said.code == 0, said
    assert "kubectl is not installed" in said.out + said.err
    report = lab.report(OBJECTS)
    assert report.outcome is Outcome.UNKNOWN
    assert {probe.answer.yes for probe in report.probes} == {None}
    assert lab.labctl("step", str(OBJECTS), "--verify").code == 6
    # Asked without it, with the token, it answers.
    ask = (
        "curl -s --cacert /etc/kubernetes/pki/ca.crt -H 'Authorization: Bearer lab-admin-token' "
        "https://127.0.0.1:6443/api/v1/namespaces/default/pods/my-pod | jq -r .metadata.name"
    )
    assert lab.type("master", ask).out == "my-pod\n"
    assert lab.labctl("step", str(OBJECTS), "--undo").code == 0
    assert lab.type("master", "ss -Hltn 'sport = :6443 or sport = :8001'").out == ""


@pytest.mark.parametrize("port", [6443, 8001])
def test_a_port_that_is_taken_is_named_and_nothing_is_done(lab: LabUnderTest, port: int) -> None:
    lab.apply(range(OBJECTS))
    wait = f"until ss -Hltn 'sport = :{port}' | grep -q .; do sleep 0.05; done"
    taken = f'setsid -f python3 -m http.server {port} </dev/null >/dev/null 2>&1; timeout 20 bash -c "{wait}"'
    assert lab.type("master", taken).code == 0
    before = lab.snapshot()
    said = lab.labctl("step", str(OBJECTS), "--apply")
    assert said.code == 4
    assert f"tcp port {port} of master is taken by `python3 -m http.server {port}`" in said.err
    assert lab.snapshot() == before


def test_undo_leaves_no_process_and_no_file(lab: LabUnderTest) -> None:
    lab.apply(range(OBJECTS))
    look = "ls -R /etc/kubernetes /run/netns /root; ls -A /root/.kube; ls -d /proc/[0-9]* | wc -l"
    lab.type("master", "kubectl get --raw /api 2>/dev/null || :")
    before = lab.type("master", f"{look} 2>&1 || :").out
    lab.apply((OBJECTS,))
    assert lab.type("master", f"{look} 2>&1 || :").out != before
    assert lab.report(OBJECTS).outcome is Outcome.DONE
    lab.undo_from(OBJECTS)
    running = "grep -lz kube-apiserver /proc/[0-9]*/cmdline 2>/dev/null | grep -q ."
    lab.type("master", f"timeout 20 bash -c 'while {running}; do sleep 0.05; done'")
    assert lab.type("master", f"{look} 2>&1 || :").out == before


def test_with_a_certificate_made_anew_kubectl_believes_the_server_again(lab: LabUnderTest) -> None:
    """What runs has read the old one; and what a link in its place led to is nobody's to write."""
    lab.apply(range(OBJECTS + 1))
    pki, ask = "/etc/kubernetes/pki", "kubectl --context=lab get --raw /readyz"
    for spoil in (f"rm {pki}/apiserver.key", f"echo mine >/root/mine; ln -sf /root/mine {pki}/ca.crt"):
        assert lab.type("master", spoil).code == 0
        said = lab.labctl("step", str(OBJECTS), "--apply")
        assert said.code == 0, said
        assert lab.type("master", ask).out == "ok"
    assert lab.type("master", f"cat /root/mine; test -L {pki}/ca.crt || echo file").out == "mine\nfile\n"


def test_without_its_certificate_the_api_server_says_which_file_is_missing(lab: LabUnderTest) -> None:
    said = lab.type("master", "kube-apiserver")
    assert said.code == 1
    assert said.out == ""
    assert said.err == (
        "kube-apiserver: /etc/kubernetes/pki/ca.crt cannot be read: no such file or directory\n"
        "hint: which step makes it, and what stands: labctl status\n"
    )
    pki = "mkdir -p /etc/kubernetes/pki && cd /etc/kubernetes/pki && echo no >ca.crt && echo no >apiserver.key"
    said = lab.type("master", f"{pki} && kube-apiserver")
    assert said.code == 1
    assert "are no certificate and its key\n" in said.err
    assert "Traceback" not in said.err
