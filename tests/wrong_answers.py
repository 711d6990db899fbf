"""What learners type wrong, step by step, and what verify has to say of it."""

from __future__ import annotations

from dataclasses import dataclass

from labctl.engine.report import Outcome
from tests.lab_under_test import CONTEXTS_STEP, step_called


@dataclass(frozen=True)
class Wrong:
    """What is typed after the step was done, and what the first cause then says.

    `cleared`: labctl must refuse to touch it, and this moves it away. `residue`: what is not the lab's, and stays.
    """

    typed: str
    says: tuple[str, ...]
    outcome: Outcome = Outcome.WRONG
    cleared: str = ""
    residue: str = ""
    at: str = "master"


NOT_DONE = Outcome.NOT_DONE
STORE = "/var/lib/cni/networks/k8s/reserved"
RESULT = "/var/lib/cni/results/k8s-a-eth0"
CONFLIST = "/etc/cni/net.d/10-labnet.conflist"
ROUTES = "gcloud compute routes"
ANSWER = "/var/lib/cni/results/k8s-e-eth0"
# A runtime that forgets what stands behind this in the environment, and keeps what it hears.
_PART = f"jq -c '{{cniVersion, name}} + .plugins[0]' {CONFLIST}"
ASK = (
    f'ask() {{ {_PART} | env "$@" /opt/cni/bin/labnet >{ANSWER} || :; }}; '
    "ask CNI_COMMAND=ADD CNI_CONTAINERID=e CNI_NETNS=/run/netns/e CNI_PATH=/opt/cni/bin"
)
NAT = "iptables -t nat"
SVC = "KUBE-SVC-QFGHW72L5AIIA6IV"
SEP_B = f"$({NAT} -S {SVC} 2 | sed 's/.*-j //')"
PORTALS = "-m comment --comment 'kubernetes service portals' -j KUBE-SERVICES"
NO_ADDRESS = "ip addr del 10.244.0.1/24 dev cni0"
FLUSH = "ip -n a addr flush dev eth0"
OBJECTS = step_called("objects")
PKI = "/etc/kubernetes/pki"


NAMES = "/var/lib/kube-dns/services"
RESOLVER = "/etc/netns/a/resolv.conf"


IN_B, IN_DNS = "ip netns exec b ", "ip netns exec kube-dns "


def _end(port: int, inside: str = "") -> str:
    """End who listens on a port of a node, or `inside` a container, and wait until it is gone."""
    who = f"{inside}ss -Hltnp 'sport = :{port}' | sed -n 's/.*pid=\\([0-9]*\\),.*/\\1/p' | head -n 1"
    return f"pid=$({who}); kill $pid; timeout 20 tail --pid=$pid -f /dev/null"


def _serve(command: str, port: int, inside: str = "") -> str:
    """Have another program listen there instead."""
    wait = f"timeout 20 bash -c \"until {inside}ss -Hltn 'sport = :{port}' | grep -q .; do sleep 0.05; done\""
    return f"{_end(port, inside)}; {inside}setsid -f {command} </dev/null >/dev/null 2>&1; {wait}"


KUBECONFIG = "/root/.kube/config"
CONFIG = "kubectl config"
NO_KUBECONFIG = f"rm -r {KUBECONFIG}"


def _reserve(line: str) -> str:
    return f"sed -i '/ a$/d' {STORE}; echo '{line}' >>{STORE}"


def _result(change: str) -> str:
    return f"jq '{change}' {RESULT} >/tmp/r; cat /tmp/r >{RESULT}"


def _broken(text: str, *says: str) -> Wrong:
    """A kubeconfig that holds something else."""
    return Wrong(f"printf -- '{text}' >{KUBECONFIG}", (f"{KUBECONFIG} on master", *says), cleared=NO_KUBECONFIG)


def _reroute(options: str) -> str:
    return f"{ROUTES} delete k8s-master --quiet; {ROUTES} create k8s-master {options}"


WRONG = {
    0: (
        Wrong("ip link set cni0 down", ("cni0 on master is down", "expected up")),
        Wrong(f"{NO_ADDRESS}; ip addr add 10.244.0.1/16 dev cni0", ("cni0", "10.244.0.1/16", "expected 10.244.0.1/24")),
        Wrong(f"{NO_ADDRESS}; ip addr add 10.244.0.1 dev cni0", ("cni0", "10.244.0.1/32", "expected 10.244.0.1/24")),
        Wrong(f"{NO_ADDRESS}; ip addr add 10.244.0.2/24 dev cni0", ("cni0", "10.244.0.2/24", "expected 10.244.0.1/24")),
        Wrong(f"{NO_ADDRESS}; ip addr add 10.244.0.1/24 dev eth0", ("10.244.0.1 is on eth0", "expected on cni0")),
        Wrong("ip addr add 10.244.0.1/16 dev cni0", ("cni0", "10.244.0.1/16 too", "expected only 10.244.0.1/24")),
        Wrong(
            "ip addr add 10.244.1.1/24 dev cni0",
            ("cni0 of master has 10.244.1.1/24 too", "pods of other nodes", "expected only 10.244.0.1/24"),
        ),
        Wrong(NO_ADDRESS, ("cni0 of master has no address", "expected 10.244.0.1/24"), NOT_DONE),
        Wrong("ip link del cni0", ("master has no cni0",), NOT_DONE),
        Wrong(
            "ip link del cni0; ip link add cni type bridge; ip addr add 10.244.0.1/24 dev cni",
            ("master has no cni0",),
            NOT_DONE,
            residue="ip link del cni",
        ),
        Wrong(
            "ip link del cni0; ip link add cni0 type veth peer name other",
            ("cni0 on master", "not a bridge but a veth"),
            cleared="ip link del cni0",
        ),
    ),
    1: (
        Wrong(f"sed -i '/ a$/d' {STORE}", ("no address is reserved for a",), NOT_DONE),
        Wrong(f"rm {STORE}", ("master has no", STORE), NOT_DONE),
        Wrong(_reserve("10.244.1.9 a"), ("10.244.1.9 is reserved for a", "expected a host address of 10.244.0.0/24")),
        Wrong(_reserve("10.244.0.x a"), ("10.244.0.x is reserved for a", "expected a host address of 10.244.0.0/24")),
        Wrong(_reserve("10.244.0.1 a"), ("10.244.0.1 is reserved for a", "expected a host address of 10.244.0.0/24")),
        Wrong(_reserve("10.244.0.0 a"), ("10.244.0.0 is reserved for a", "expected a host address of 10.244.0.0/24")),
        Wrong(
            _reserve("10.244.0.255 a"), ("10.244.0.255 is reserved for a", "expected a host address of 10.244.0.0/24")
        ),
        Wrong(_reserve("10.244.0.3 a"), ("10.244.0.3 is reserved for a and for b", "expected one owner")),
        Wrong(f"echo 10.244.0.9 a >>{STORE}", ("a has 2 reservations (10.244.0.2, 10.244.0.9)", "expected one")),
        Wrong(f"sed -i /network/d {STORE}", (STORE, "does not keep 10.244.0.0", "expected the three lines")),
        Wrong(f"rm {STORE}; mkdir {STORE}", (STORE, "is a folder, not a file"), cleared=f"rmdir {STORE}"),
        Wrong(
            "rm -r /var/lib/cni/networks/k8s; touch /var/lib/cni/networks/k8s",
            ("/var/lib/cni/networks/k8s", "is a file, not a folder"),
            cleared="rm /var/lib/cni/networks/k8s",
        ),
    ),
    2: (
        Wrong(
            "ln -sfT $(cat /run/labctl/containers/b) /run/netns/a",
            ("/var/run/netns/a leads to /proc/", "expected the namespace of a"),
        ),
        Wrong(
            "ln -sfT /proc/nobody/ns/net /run/netns/a", ("leads to /proc/nobody/ns/net", "expected the namespace of a")
        ),
        Wrong("ln -sfT '$CNI_NETNS' /run/netns/a", ("leads to $CNI_NETNS", "expected the namespace of a")),
        Wrong("rm /run/netns/a", ("master has no /var/run/netns/a",), NOT_DONE),
        Wrong("rm -r /run/netns", ("master has no folder /var/run/netns",), NOT_DONE),
        Wrong(
            "rm /run/netns/a; touch /run/netns/a",
            ("/var/run/netns/a is a file", "expected the namespace of a"),
            cleared="rm /run/netns/a",
        ),
        Wrong(
            "rm /run/netns/a; ip netns add a",
            ("/var/run/netns/a is a file (made by `ip netns add`?)", "expected"),
            cleared="ip netns del a",
        ),
    ),
    3: (
        Wrong(
            "ip -n a link set eth0 down; ip -n a link set eth0 name eth1",
            ("a has an interface eth1", "expected it to be called eth0"),
        ),
        Wrong("brctl delif cni0 vetha", ("vetha on master is not a port of cni0", "expected")),
        Wrong("ip link set vetha down", ("vetha on master is down", "expected up")),
        Wrong("ip -n a link set eth0 down", ("eth0 of a is down", "expected up")),
        Wrong("ip link del vetha", ("a has no eth0",), NOT_DONE),
        Wrong(
            "ip link del vetha; ip link add vetha type veth peer name ceth0",
            ("vetha is on master", "not in a", "expected eth0"),
        ),
        Wrong(
            "ip link del vetha; ip -n a link add eth0 type veth peer name eth9 netns b",
            ("the other end of eth0 of a is not on master", "expected there"),
        ),
        Wrong(
            f"{FLUSH}; ip -n a addr add 10.244.0.77/24 dev eth0",
            ("eth0 of master/a has 10.244.0.77/24", "expected 10.244.0.2/24"),
        ),
        Wrong(
            f"{FLUSH}; ip -n a addr add 10.244.0.2/16 dev eth0",
            ("eth0 of master/a has 10.244.0.2/16", "expected 10.244.0.2/24"),
        ),
        Wrong(
            f"{FLUSH}; ip -n a addr add 10.244.0.2 dev eth0",
            ("eth0 of master/a has 10.244.0.2/32", "expected 10.244.0.2/24"),
        ),
        Wrong(FLUSH, ("eth0 of master/a has no address", "expected 10.244.0.2/24"), NOT_DONE),
        Wrong("ip -n a route del default", ("a has no default route",), NOT_DONE),
        Wrong(
            "ip -n a route replace default via 10.244.0.3",
            ("the default route of a is via 10.244.0.3", "expected via 10.244.0.1"),
        ),
        Wrong(
            "ip -n a route replace default dev eth0",
            ("the default route of a is unicast without a gateway", "expected via 10.244.0.1"),
        ),
        Wrong(
            "ip -n a route del default; ip -n a route add unreachable default",
            ("the default route of a is unreachable without a gateway", "expected via 10.244.0.1"),
        ),
        Wrong(
            "ip link del vetha; ip -n a link add eth0 type bridge",
            ("eth0 of a is not a veth but bridge",),
            cleared="ip -n a link del eth0",
        ),
    ),
    4: (
        Wrong(f"rm {RESULT}", (f"master has no {RESULT}",), NOT_DONE),
        Wrong(f"echo '{{' >{RESULT}", (f"{RESULT} is not JSON",)),
        Wrong(f"echo '{{}}' >{RESULT}", (f"{RESULT} is not an ADD result", "must contain")),
        Wrong(_result('.interfaces[2].mac = "02:00:00:00:00:01"'), ("has the mac 02:00:00:00:00:01", "expected")),
        Wrong(
            _result('.ips[0].address = "10.244.0.9/24"'), ("has the address 10.244.0.9/24", "expected 10.244.0.2/24")
        ),
        Wrong(_result('.ips[0].address = "10.244.0.2"'), ("is not an ADD result", "address")),
        Wrong(_result('.ips[0].gateway = "10.244.0.9"'), ("has the gateway 10.244.0.9", "expected 10.244.0.1")),
        Wrong(
            _result('.interfaces[2].sandbox = "/proc/1/ns/net"'), ("has the sandbox /proc/1/ns/net", "expected /proc/")
        ),
        Wrong(_result("del(.interfaces[2].sandbox)"), ("names no interface with a sandbox", "expected eth0")),
        Wrong(f"rm {RESULT}; mkdir {RESULT}", (RESULT, "is a folder, not a file"), cleared=f"rmdir {RESULT}"),
    ),
    5: (
        Wrong(
            "iptables -D FORWARD -s 10.244.0.0/16 -j ACCEPT; iptables -A FORWARD -s 10.244.0.0/24 -j ACCEPT",
            ("FORWARD accepts only -s 10.244.0.0/24", "expected -s 10.244.0.0/16"),
        ),
        Wrong(
            "iptables -I FORWARD -s 10.244.0.0/16 -j DROP",
            ("-j DROP comes before", "FORWARD", "expected nothing in the way"),
            residue="iptables -D FORWARD -s 10.244.0.0/16 -j DROP",
        ),
        Wrong("iptables -P FORWARD ACCEPT", ("policy of FORWARD is ACCEPT", "expected DROP")),
        Wrong(
            "iptables -D FORWARD -s 10.244.0.0/16 -j ACCEPT", ("no rule of FORWARD accepts -s 10.244.0.0/16",), NOT_DONE
        ),
        Wrong(
            "iptables -D FORWARD -d 10.244.0.0/16 -j ACCEPT", ("no rule of FORWARD accepts -d 10.244.0.0/16",), NOT_DONE
        ),
        Wrong(
            "iptables -F FORWARD; iptables -A INPUT -s 10.244.0.0/16 -j ACCEPT",
            ("no rule of FORWARD accepts -s", "INPUT has -s 10.244.0.0/16 -j ACCEPT", "does not pass there"),
            NOT_DONE,
            residue="iptables -F INPUT",
        ),
        Wrong(
            "iptables -D FORWARD -s 10.244.0.0/16 -j ACCEPT; iptables -A FORWARD -s 10.24.0.0/16 -j ACCEPT",
            ("no rule of FORWARD accepts -s 10.244.0.0/16", "it has -s 10.24.0.0/16 -j ACCEPT"),
            NOT_DONE,
            residue="iptables -D FORWARD -s 10.24.0.0/16 -j ACCEPT",
        ),
    ),
    6: (
        Wrong(
            "iptables -t nat -F; iptables -t nat -A POSTROUTING -s 10.244.0.0/24 -j MASQUERADE",
            ("also rewrites what stays on the bridge", "expected -s 10.244.0.0/24 ! -o cni0"),
        ),
        Wrong("iptables -t nat -F", ("no rule of POSTROUTING masquerades -s 10.244.0.0/24",), NOT_DONE),
        Wrong(
            (
                "iptables -t nat -F; iptables -t nat -A POSTROUTING -s 10.244.0.0/24 ! -o cni0 -j SNAT "
                "--to-source 10.128.0.99"
            ),
            ("rewrites to 10.128.0.99", "expected the node's own address 10.128.0.2"),
        ),
        Wrong(
            "iptables -t nat -F; iptables -t nat -A POSTROUTING -s 10.244.0.2/32 ! -o cni0 -j MASQUERADE",
            ("masquerades only -s 10.244.0.2/32", "expected -s 10.244.0.0/24"),
        ),
        Wrong(
            "iptables -t nat -F; iptables -t nat -A POSTROUTING -s 10.24.0.0/24 ! -o cni0 -j MASQUERADE",
            ("no rule of POSTROUTING masquerades", "it has -s 10.24.0.0/24 ! -o cni0 -j MASQUERADE"),
            NOT_DONE,
            residue="iptables -t nat -F",
        ),
    ),
    7: (
        Wrong(
            _reroute("--destination-range 10.244.0.0/24 --network k8s --next-hop-address 10.128.0.3"),
            ("k8s-master leads to 10.128.0.3", "expected 10.128.0.2"),
        ),
        Wrong(
            _reroute("--destination-range 10.244.0.0/24 --network default --next-hop-address 10.128.0.2"),
            ("k8s-master is in the network default", "expected k8s"),
        ),
        Wrong(
            _reroute("--destination-range 10.244.0.0/25 --network k8s --next-hop-address 10.128.0.2"),
            ("k8s-master is for 10.244.0.0/25", "expected 10.244.0.0/24"),
        ),
        Wrong(f"{ROUTES} delete k8s-worker --quiet", ("the vpc has no route to 10.244.1.0/24",), NOT_DONE),
        Wrong("ip route del 10.244.0.0/24", ("the vpc does not follow the route k8s-master", "expected"), at="vpc"),
    ),
    8: (
        Wrong("rm /opt/cni/bin/labnet", ("master has no /opt/cni/bin/labnet",), NOT_DONE),
        Wrong(
            "chmod -x /opt/cni/bin/labnet", ("/opt/cni/bin/labnet on master may not be executed", "expected mode 755")
        ),
        Wrong(
            "echo true >/opt/cni/bin/labnet",
            ("/opt/cni/bin/labnet on master is not labctl's plug-in",),
            cleared="rm /opt/cni/bin/labnet",
        ),
        Wrong(f"rm {CONFLIST}", (f"master has no {CONFLIST}",), NOT_DONE),
        Wrong(
            f"sed -i s,10.244.0.0/24,10.244.9.0/24, {CONFLIST}", (f"ipam in {CONFLIST}", "10.244.9.0/24", "expected")
        ),
        Wrong(f"sed -i s/cni0/cni9/ {CONFLIST}", (f'bridge in {CONFLIST} is "cni9"', 'expected "cni0"')),
        Wrong(f"sed -i '$d' {CONFLIST}", (f"{CONFLIST} on master is not JSON", "line"), cleared=f"rm {CONFLIST}"),
        Wrong(f"echo '{{}}' >{CONFLIST}", (f"{CONFLIST} on master is not labctl's",), cleared=f"rm {CONFLIST}"),
        Wrong("ip netns del e", ("master has no container e",)),
        Wrong(
            "ip -n e link del eth0; ip netns del e; ln -s /proc/1/ns/net /run/netns/e",
            ("/var/run/netns/e on master is no namespace that `ip netns add` made",),
            cleared="rm /run/netns/e",
        ),
        Wrong("ip -n e link del eth0", ("CHECK says: e has no eth0",)),
        Wrong("ip -n e addr flush dev eth0", ("CHECK says: eth0 of node/e has no address", "expected 10.244.0.4/24")),
        Wrong("ip -n e route del default", ("CHECK says: e has no default route",)),
        Wrong("sed -i '/ e eth0$/d' " + STORE, ("CHECK says: no address is reserved for e eth0",)),
        Wrong(f"{ASK} CNI_IFNAME=eth0", ("ADD failed", "what it said", "e has an interface eth0 already")),
        Wrong(ASK, ("ADD failed", "ADD needs CNI_IFNAME")),
        Wrong(f"echo >{ANSWER}", (f"{ANSWER} is empty: the plug-in was not called",)),
        Wrong("rm /var/lib/cni/results/k8s-e-eth0", ("e has an eth0, but what the plug-in answered is not kept",)),
    ),
    OBJECTS: (
        Wrong("ip -n my-pod addr flush dev eth0", ("CHECK says: eth0 of node/my-pod has no address",)),
        Wrong(_end(6443), ("nobody listens on tcp port 6443 of master",), NOT_DONE),
        Wrong(_end(8001), ("nobody listens on tcp port 8001 of master",), NOT_DONE),
        Wrong(
            _serve("python3 -m http.server 6443", 6443),
            ("tcp port 6443 of master is taken by `python3 -m http.server 6443`",),
            cleared=_end(6443),
        ),
        Wrong(
            _serve("kubectl proxy --port=8001 --context=lab --address=0.0.0.0", 8001),
            ("kubectl-proxy on master listens on ::", "expected 127.0.0.1"),
        ),
        Wrong(
            _serve("kube-apiserver --bind-address=0.0.0.0 --secure-port=6443", 6443),
            ("kube-apiserver on master listens on 0.0.0.0", "expected 127.0.0.1"),
        ),
        Wrong(f"rm {PKI}/apiserver.key", (f"master has no {PKI}/apiserver.key", "expected a certificate and its key")),
        Wrong(f"echo nothing >{PKI}/ca.crt", (f"{PKI}/ca.crt on master is no certificate",)),
        Wrong(
            f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=x "
            f"-keyout {PKI}/apiserver.key -out {PKI}/ca.crt",
            (f"{PKI}/ca.crt is not for 127.0.0.1",),
        ),
        Wrong(
            f"openssl genpkey -algorithm ED25519 -out {PKI}/apiserver.key",
            (f"{PKI}/apiserver.key is not the key of {PKI}/ca.crt",),
        ),
        Wrong(
            f"rm {PKI}/ca.crt; mkdir {PKI}/ca.crt",
            (f"{PKI}/ca.crt on master is a folder, not a file",),
            cleared=f"rmdir {PKI}/ca.crt",
        ),
    ),
    9: (
        Wrong(
            f"{NAT} -D OUTPUT {PORTALS}", ("10.96.0.100:80 leads master itself nowhere", "expected one of 3 endpoints")
        ),
        Wrong(
            f"{NAT} -D PREROUTING {PORTALS}",
            ("10.96.0.100:80 leads a pod of master and b nowhere", "expected one of 3 endpoints"),
        ),
        Wrong(f"{NAT} -D {SVC} 3", ("my-svc:http never goes to 10.244.1.2:80", "expected 33 %")),
        Wrong(
            f"{NAT} -R {SVC} 3 -m statistic --mode random --probability 0.33 -j $({NAT} -S {SVC} 3 | sed 's/.*-j //')",
            ("goes to 10.244.1.2:80", "with a share of 22 %; expected 33 %"),
        ),
        Wrong(
            f"{NAT} -R {SVC} 4 -m statistic --mode random --probability 0.5 -j $({NAT} -S {SVC} 4 | sed 's/.*-j //')",
            ("my-svc:http goes to 10.244.1.3:80", "with a share of 17 %; expected 33 %"),
        ),
        Wrong(
            f"{NAT} -I {SVC} 2 -p tcp -m statistic --mode random --probability 0.25"
            " -j DNAT --to-destination 10.244.0.2:80",
            ("goes to 10.244.0.2:80", "(25 %), which is no endpoint of it"),
        ),
        Wrong(f"{NAT} -F {SEP_B}", ("my-svc:http never goes to 10.244.0.3:80", "expected 33 %")),
        Wrong(
            f"{NAT} -D {SEP_B} 1",
            ("b that reaches itself by 10.96.0.100:80 keeps its own address (no rule marks it)", "expected MASQUERADE"),
        ),
        Wrong(
            f"{NAT} -F KUBE-POSTROUTING",
            ("b that reaches itself by", "marked 0x4000, which POSTROUTING does not masquerade", "expected MASQUERADE"),
        ),
        Wrong(f"{NAT} -F KUBE-NODEPORTS", ("10.128.0.2:30080 leads outside nowhere", "expected one of 3 endpoints")),
        Wrong(
            f"{NAT} -D KUBE-SERVICES 1; {NAT} -A KUBE-SERVICES -d 10.96.0.100 -p tcp --dport 8080 -j {SVC}",
            ("10.96.0.100:80 leads a pod of master and b nowhere", "expected one of 3 endpoints"),
        ),
        Wrong(
            f"{NAT} -I PREROUTING -d 10.96.0.0/16 -j RETURN",
            ("10.96.0.100:80 leads a pod of master and b nowhere", "expected one of 3 endpoints"),
            residue=f"{NAT} -D PREROUTING -d 10.96.0.0/16 -j RETURN",
        ),
        Wrong("brctl hairpin cni0 vethb off", ("vethb on master sends nothing back where it came from",), NOT_DONE),
        Wrong(_end(80, IN_B), ("nobody listens on tcp port 80 of master/b",), NOT_DONE),
        Wrong(
            _serve("serve-hostname c 80", 80, IN_B),
            ("serve-hostname on master/b runs `serve-hostname c 80`", "expected `serve-hostname b 80`"),
        ),
    ),
    10: (
        Wrong(
            f"echo clusterIP 10.96.0.99 >{NAMES}/my-svc.mystuff",
            ("DNS has my-svc.mystuff as 10.96.0.99; expected 10.96.0.100",),
        ),
        Wrong(
            f"echo clusterIP None >{NAMES}/my-svc.mystuff",
            ("DNS has my-svc.mystuff as headless; expected 10.96.0.100",),
        ),
        Wrong(
            f"echo externalName www.example.org >{NAMES}/my-svc.mystuff",
            ("DNS has my-svc.mystuff as another name, www.example.org; expected 10.96.0.100",),
        ),
        Wrong(
            f"sed -i s/http/web/ {NAMES}/my-svc.mystuff",
            ("DNS knows no port http 80 TCP of my-svc.mystuff", "expected"),
        ),
        Wrong(f"echo nonsense >>{NAMES}/my-svc.mystuff", ("is no entry: line 3 is 'nonsense'", "expected")),
        Wrong(
            f"sed -i '/ c$/d' {NAMES}/my-svc-headless.mystuff",
            ("DNS does not know 10.244.1.2 c behind my-svc-headless.mystuff", "expected"),
        ),
        Wrong(
            f"echo endpoint 10.244.0.2 a >>{NAMES}/my-svc-headless.mystuff",
            ("DNS has 10.244.0.2 a behind my-svc-headless.mystuff", "expected nobody there"),
        ),
        Wrong(f"rm {NAMES}/my-svc.mystuff", ("DNS knows no my-svc.mystuff: master has no", NAMES), NOT_DONE),
        Wrong("rm -r /var/lib/kube-dns", ("master has no folder /var/lib/kube-dns/services",), NOT_DONE),
        Wrong(
            f"rm {NAMES}/my-svc.mystuff; mkdir {NAMES}/my-svc.mystuff",
            ("my-svc.mystuff on master is a folder, not a file",),
            cleared=f"rmdir {NAMES}/my-svc.mystuff",
        ),
        Wrong("ip -n kube-dns link set lo down", ("lo of master/kube-dns is down; expected up",)),
        Wrong(_end(53, IN_DNS), ("nobody listens on tcp port 53 of master/kube-dns",), NOT_DONE),
        Wrong(_end(10053, IN_DNS), ("nobody listens on tcp port 10053 of master/kube-dns",), NOT_DONE),
        Wrong(
            _serve("kubedns --dns-port=10053 --services=/tmp --pods=10.244.0.0/16", 10053, IN_DNS),
            (
                "kubedns on master/kube-dns runs",
                "--services=/tmp",
                f"expected `kubedns --dns-port=10053 --services={NAMES}",
            ),
        ),
        Wrong(
            _serve("dnsmasq -k -u root -g '' -R -h -c 0 --pid-file= -S /cluster.local/127.0.0.1#10053", 53, IN_DNS),
            ("dnsmasq on master/kube-dns was started without /#/", "expected it"),
        ),
        Wrong(
            _serve("python3 -m http.server 53", 53, IN_DNS),
            ("tcp port 53 of master/kube-dns is taken by `python3 -m http.server 53`",),
            cleared=_end(53, IN_DNS),
        ),
        Wrong(
            f"sed -i s/10.96.0.10/10.96.0.11/ {RESOLVER}",
            ("the nameserver of master/a is 10.96.0.11; expected 10.96.0.10",),
        ),
        Wrong(
            f"sed -i /search/d {RESOLVER}",
            ("the search list of master/a is empty; expected default.svc.cluster.local",),
        ),
        Wrong(f"sed -i /options/d {RESOLVER}", ("the option ndots of master/a is 1; expected 5",)),
        Wrong(f"rm {RESOLVER}", ("master/a has no resolv.conf of its own", RESOLVER), NOT_DONE),
        Wrong(
            f"rm {RESOLVER}; ln -s /etc/resolv.conf {RESOLVER}",
            (f"{RESOLVER} on master is a link, not a file",),
            cleared=f"rm {RESOLVER}",
        ),
    ),
    CONTEXTS_STEP: (
        Wrong(
            f"{CONFIG} set-cluster lab --server=http://127.0.0.1:8080",
            ("cluster lab of master is at http://127.0.0.1:8080", "expected https://127.0.0.1:6443"),
        ),
        Wrong(
            f"{CONFIG} set-cluster lab --insecure-skip-tls-verify=true",
            ("cluster lab of master believes any server", "expected certificate-authority /etc/kubernetes/pki/ca.crt"),
        ),
        Wrong(
            f"{CONFIG} set-cluster lab --certificate-authority=/tmp/ca",
            ("cluster lab of master believes /tmp/ca", "expected certificate-authority /etc/kubernetes/pki/ca.crt"),
        ),
        Wrong(f"{CONFIG} delete-cluster lab-proxy", (f"{KUBECONFIG} on master has no cluster lab-proxy",), NOT_DONE),
        Wrong(
            f"{CONFIG} set-credentials lab-admin --token=mine",
            ("user lab-admin of master has another token", "expected lab-admin-token"),
        ),
        Wrong(
            f"{CONFIG} set-credentials lab-admin --username=me --password=secret",
            ("user lab-admin of master has no token", "expected lab-admin-token"),
        ),
        Wrong(
            f"{CONFIG} set-context --current --namespace=default",
            ("context my-context of master has the namespace default", "expected mystuff"),
        ),
        Wrong(
            f"{CONFIG} set-context my-context --user=lab-reader",
            ("context my-context of master has the user lab-reader", "expected lab-admin"),
        ),
        Wrong(
            f"{CONFIG} set-context lab-proxy --user=lab-admin",
            ("context lab-proxy of master has the user lab-admin", "expected none"),
        ),
        Wrong(
            f"{CONFIG} delete-context my-context; {CONFIG} set-context my-context --namespace=mystuff",
            ("context my-context of master has no cluster", "expected lab"),
        ),
        Wrong(
            f"{CONFIG} rename-context my-context mine",
            (f"{KUBECONFIG} on master has no context my-context",),
            residue=f"{CONFIG} delete-context mine",
        ),
        Wrong(f"{CONFIG} use-context lab", ("the current context of master is lab", "expected my-context")),
        Wrong(f"{CONFIG} unset current-context", (f"{KUBECONFIG} on master has no current context",), NOT_DONE),
        Wrong("rm -r /root/.kube", (f"master has no {KUBECONFIG}",), NOT_DONE),
        _broken("a: {", "is not YAML", "(line 1)"),
        _broken("- a list", "is a list, not a map"),
        _broken("kind: Pod", "its kind is Pod", "expected Config"),
        _broken("\\377", "is not UTF-8 text"),
        Wrong(
            f"head -c 65537 /dev/zero | tr '\\0' '#' >{KUBECONFIG}",
            (f"{KUBECONFIG} on master has 65537 bytes", "expected at most 65536"),
            cleared=NO_KUBECONFIG,
        ),
        Wrong(
            f"mv {KUBECONFIG} /tmp/mine; ln -s /tmp/mine {KUBECONFIG}",
            (f"{KUBECONFIG} on master is a link to /tmp/mine, not a file",),
            cleared=NO_KUBECONFIG,
        ),
        Wrong(
            f"{NO_KUBECONFIG}; mkdir {KUBECONFIG}",
            (f"{KUBECONFIG} on master is no file but a folder",),
            cleared=NO_KUBECONFIG,
        ),
        Wrong(
            "rm -r /root/.kube; touch /root/.kube",
            ("/root/.kube on master is a file, not a folder",),
            cleared="rm /root/.kube",
        ),
    ),
}
