"""What learners type wrong in the steps of the network."""

from __future__ import annotations

from tests.wrong_answer import NOT_DONE, Wrong

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
NO_ADDRESS = "ip addr del 10.244.0.1/24 dev cni0"
FLUSH = "ip -n a addr flush dev eth0"


def _reserve(line: str) -> str:
    return f"sed -i '/ a$/d' {STORE}; echo '{line}' >>{STORE}"


def _result(change: str) -> str:
    return f"jq '{change}' {RESULT} >/tmp/r; cat /tmp/r >{RESULT}"


def _reroute(options: str) -> str:
    return f"{ROUTES} delete k8s-master --quiet; {ROUTES} create k8s-master {options}"


NETWORK = {
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
}
