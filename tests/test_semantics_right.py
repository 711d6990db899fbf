"""What a learner types otherwise than the notes do, and rightly: verify says done, with a note why where it shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from labctl.engine.course import nodes_of
from labctl.engine.events import Doing, Event
from labctl.engine.report import Outcome
from labctl.model.resource import Absent, Present
from tests.lab_under_test import CONTEXTS_STEP, step_called

if TYPE_CHECKING:
    from tests.lab_under_test import LabUnderTest

pytestmark = [pytest.mark.machine, pytest.mark.anybody]


@dataclass(frozen=True)
class Right:
    """What is typed in place of the step, and words of the notes that say why it counts."""

    typed: str
    notes: tuple[str, ...] = ()
    at: str = "master"


OBJECTS = step_called("objects")
STORE = "/var/lib/cni/networks/k8s"
KEPT = (
    f"mkdir -p {STORE}; printf '%s\\n' '10.244.0.0 network' '10.244.0.1 cni0' '10.244.0.255 "
    f"broadcast' >{STORE}/reserved"
)
CREATE = "gcloud compute routes create"
PLUG_B = """
ip link add vethb type veth peer name eth0 netns b; ip link set vethb master cni0 up
ip -n b addr add 10.244.0.3/24 dev eth0; ip -n b link set eth0 up; ip -n b route add default via 10.244.0.1
"""
DRESS_A = """
ip -n a addr add 10.244.0.2/24 dev eth0; ip -n a link set eth0 up; ip -n a route add default via 10.244.0.1
"""
ANSWER = """
for name in a b; do
  mac=$(ip netns exec $name cat /sys/class/net/eth0/address)
  address=$(awk -v name=$name '$2 == name {print $1}' /var/lib/cni/networks/k8s/reserved)
  printf '{"cniVersion":"1.0.0","interfaces":[{"name":"eth0","mac":"%s","sandbox":"/var/run/netns/%s"}],
    "ips":[{"address":"%s/24","gateway":"10.244.0.1"}]}' "${mac^^}" $name $address >/var/lib/cni/results/k8s-$name-eth0
done
"""

SERVE, QUIET = "ip netns exec b setsid -f serve-hostname", "</dev/null >/dev/null 2>&1"
SERVE_C_AND_D = """for each in c d; do
  labctl exec worker -- ip netns exec $each setsid -f serve-hostname $each 80 </dev/null >/dev/null 2>&1
  labctl exec worker -- ip link set veth$each type bridge_slave hairpin on
done"""
# Two chains, everything marked, shares the other way round.
BALANCE = """
iptables -t nat -N BALANCE
iptables -t nat -A PREROUTING -d 10.96.0.100 -p tcp --dport 80 -j BALANCE
iptables -t nat -A PREROUTING -p tcp --dport 30080 -m addrtype --dst-type LOCAL -j BALANCE
iptables -t nat -A OUTPUT -d 10.96.0.100 -p tcp --dport 80 -j BALANCE
iptables -t nat -A BALANCE -j MARK --set-mark 1
iptables -t nat -A BALANCE -p tcp -m statistic --mode nth --every 3 --packet 0 -j DNAT --to-destination 10.244.1.3:80
iptables -t nat -A BALANCE -p tcp -m statistic --mode random --probability 0.5 -j DNAT --to-destination 10.244.1.2:80
iptables -t nat -A BALANCE -p tcp -j DNAT --to-destination 10.244.0.3:80
iptables -t nat -A POSTROUTING -m mark --mark 1 -j MASQUERADE
"""
# By hand: JSON's quotes, an order of its own, another spelling of a URL, comments, more fields, no namespace.
KUBECONFIG = """
mkdir -p ~/.kube; cat >~/.kube/config <<'END'
# written by hand
users:
  - user: {"token": "lab-admin-token"}   # me
    name: lab-admin
  - {name: lab-reader, user: {token: 'lab-reader-token'}}
clusters:
  - name: lab-proxy
    cluster: {server: "http://localhost:8001/"}
  - cluster:
      server: "https://127.0.0.1:6443/"
      certificate-authority-data: YWJj
      extensions: [{name: mine, extension: {a: 1}}]
    name: lab
contexts:
  - context: {cluster: lab, user: lab-admin, namespace: mystuff, color: blue}
    name: my-context
  - {name: lab-reader, context: {user: lab-reader, cluster: lab}}
  - {name: lab-proxy, context: {cluster: lab-proxy}}
  - {name: lab, context: {cluster: lab, user: lab-admin}}
current-context: "my-context"
END
"""
NOTES_LINES = """
cd ~; mkdir .kube; kubectl config set-context my-context --namespace=mystuff
kubectl config use-context my-context
kubectl config set-cluster lab --server https://localhost:6443 --certificate-authority /etc/kubernetes/pki/ca.crt
kubectl config set-cluster lab-proxy --server http://127.0.0.1:8001
for user in lab-admin lab-reader; do kubectl config set-credentials $user --token $user-token; done
kubectl config set-context --current --cluster lab --user lab-admin
kubectl config set-context renamed --cluster lab --user lab-admin; kubectl config rename-context renamed lab
kubectl config set-context lab-reader --cluster lab --user lab-reader --namespace default
kubectl config set-context lab-proxy --cluster lab-proxy
"""

RIGHT = {
    0: (
        Right("ip link add cni0 type bridge; ip link set cni0 up; ip addr add 10.244.0.1/24 dev cni0"),
        Right(
            "brctl addbr cni0; ip addr add 10.244.0.1/24 brd + dev cni0; ifconfig cni0 up || ip link set dev cni0 up"
        ),
        Right(
            "ip link add name cni0 up type bridge stp_state 0; ip addr add 192.168.7.1/24 dev cni0; "
            "ip addr add 10.244.0.1/24 dev cni0"
        ),
    ),
    1: (
        Right(
            f"{KEPT}; echo 10.244.0.77 a >>{STORE}/reserved; echo 10.244.0.9 b >>{STORE}/reserved",
            ("it is 10.244.0.77",),
        ),
        Right(f"{KEPT}; printf '10.244.0.3 a\\n10.244.0.2 b' >>{STORE}/reserved", ("it is 10.244.0.3",)),
        Right(
            f"{KEPT}; echo 10.244.0.9 somebody >>{STORE}/reserved; echo 10.244.0.4 b >>{STORE}/reserved;"
            f"echo 10.244.0.5 a >>{STORE}/reserved",
            ("it is 10.244.0.5",),
        ),
    ),
    2: (
        Right(
            "for each in a b; do ip netns attach $each $(cut -d/ -f3 /run/labctl/containers/$each); done",
            ("a mount of the namespace",),
        ),
        Right(
            "mkdir -p /run/netns; for each in a b; do touch /run/netns/$each;"
            "mount --bind $(cat /run/labctl/containers/$each) /run/netns/$each; done",
            ("a mount of the namespace",),
        ),
        Right(
            "mkdir /run/netns; for each in a b; do p=$(cat /run/labctl/containers/$each); ln -s "
            "../../${p#/} /run/netns/$each; done"
        ),
    ),
    3: (
        Right(
            f"ip link add v1 type veth peer name tmp0; ip link set tmp0 netns a; ip -n a link set tmp0 name eth0;"
            f"brctl addif cni0 v1; ip link set v1 up; {DRESS_A}{PLUG_B}",
            ("called v1, which is as good",),
        ),
        Right(
            f"ip -n a link add eth0 type veth peer name x7; ip -n a link set x7 netns $$; ip link set "
            f"x7 master cni0 up; {DRESS_A}{PLUG_B}",
            ("called x7, which is as good",),
        ),
        Right(
            f"ip link add vetha type veth peer name eth0 netns a; ip link set vetha master cni0 up; {DRESS_A}{PLUG_B}"
            "ip -n a route del default; ip -n a route add default via 10.244.0.1 dev eth0 metric 100"
        ),
    ),
    4: (Right(f"mkdir -p /var/lib/cni/results; {ANSWER}"),),
    5: (
        Right(
            "iptables -I FORWARD -s 10.0.0.0/8 -j ACCEPT; iptables -I FORWARD -d 10.0.0.0/8 -j ACCEPT",
            ("-s 10.0.0.0/8",),
        ),
        Right(
            "iptables -N PODS; iptables -A PODS -j ACCEPT; iptables -A FORWARD -s 10.244.0.0/16 -j PODS;"
            "iptables -A FORWARD -d 10.244.0.0/16 -j PODS"
        ),
        Right("iptables -A FORWARD -j ACCEPT", ("-j ACCEPT",)),
    ),
    6: (
        Right(
            "iptables -t nat -A POSTROUTING -s 10.244.0.0/24 ! -o cni0 -j SNAT --to-source 10.128.0.2",
            ("the same as MASQUERADE",),
        ),
        Right("iptables -t nat -A POSTROUTING -s 10.244.0.0/16 ! -o cni0 -j MASQUERADE", ("10.244.0.0/16",)),
        Right("iptables -t nat -A POSTROUTING -s 10.244.0.0/24 -o eth0 -j MASQUERADE", ("eth0 is the way out",)),
    ),
    7: (
        Right(
            f"{CREATE} one --destination-range 10.244.0.0/24 --network k8s --next-hop-address 10.128.0.2;"
            f"{CREATE} two --destination-range=10.244.1.0/24 --network=k8s "
            f"--next-hop-address=10.128.0.3 --priority=500",
            ("called one, which is as good",),
        ),
    ),
    9: (
        Right(
            f"{SERVE} b 80 {QUIET}; brctl hairpin cni0 vethb on; {SERVE_C_AND_D}; {BALANCE}"
            f"echo '{BALANCE}' | labctl exec worker -- bash -e",
            ("other rules than kube-proxy's do it on master", "other rules than kube-proxy's do it on worker"),
        ),
    ),
    10: (
        Right(
            "labctl step 10 --commands >/tmp/step; sed -i -e 's/--server=/-S/; s/--server=/-S/; s/--cache-size=0/-c 5/'"
            " -e \"s/'port dns/'# by both protocols' &/\""
            " -e \"s/'options ndots:5'/'options timeout:1 ndots:5' '# mine'/\""
            " -e 's/--bind-interfaces --listen-address=0.0.0.0//' /tmp/step; bash -e /tmp/step"
        ),
    ),
    CONTEXTS_STEP: (
        Right(KUBECONFIG, ("carries its certificate along, which is as good", "no namespace, which means default")),
        Right(NOTES_LINES, ("context lab of master has no namespace, which means default",)),
    ),
    OBJECTS: (
        Right(
            f"labctl step {OBJECTS} --commands >/tmp/step; sed -i -e 's/-newkey ec .* -nodes/-newkey rsa:2048 -nodes/'"
            " -e 's/kube-apiserver --bind-address=127.0.0.1 --secure-port=6443/kube-apiserver --patience=5/'"
            " -e 's/--port=8001 --context=lab/-p 8001 --context=lab-reader/' /tmp/step; bash -e /tmp/step"
        ),
    ),
}


@pytest.mark.parametrize("number", RIGHT)
def test_another_right_way_is_done_kept_and_undone(lab: LabUnderTest, number: int) -> None:
    where = lab.lab.nodes if number > 6 else lab.lab.nodes[:1]
    nodes = nodes_of(lab.lesson(number), lab.lab, where)
    lab.apply(range(number), nodes=where)
    for case in RIGHT[number]:
        said = lab.type(case.at, case.typed)
        assert said.code == 0, (case, said)
        report = lab.report(number)
        assert report.outcome is Outcome.DONE, (case, report.causes())
        notes = [seen.note for _, seen in report.resources if isinstance(seen, Present)]
        assert [each for each in case.notes if not any(each in note for note in notes)] == [], (case, notes)
        events: list[Event] = []
        before = lab.snapshot()
        lab.runner(events).apply(lab.lesson(number), (nodes[0],))
        assert not [event for event in events if isinstance(event, Doing)]
        assert lab.snapshot() == before
        lab.undoer().undo(lab.lesson(number), nodes[0])
        if "somebody" not in case.typed:
            assert all(isinstance(seen, Absent) for _, seen in lab.report(number).resources), case
        lab.apply((number,), nodes=nodes)
        assert lab.report(number).outcome is Outcome.DONE, case
        lab.undo_from(number)
