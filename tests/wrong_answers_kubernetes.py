"""What learners type wrong in the steps of Kubernetes' own half."""

from __future__ import annotations

from tests.lab_under_test import CONTEXTS_STEP, step_called
from tests.wrong_answer import NOT_DONE, Wrong

NAT = "iptables -t nat"
SVC = "KUBE-SVC-QFGHW72L5AIIA6IV"
SEP_B = f"$({NAT} -S {SVC} 2 | sed 's/.*-j //')"
PORTALS = "-m comment --comment 'kubernetes service portals' -j KUBE-SERVICES"
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


def _broken(text: str, *says: str) -> Wrong:
    """A kubeconfig that holds something else."""
    return Wrong(f"printf -- '{text}' >{KUBECONFIG}", (f"{KUBECONFIG} on master", *says), cleared=NO_KUBECONFIG)


KUBERNETES = {
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
