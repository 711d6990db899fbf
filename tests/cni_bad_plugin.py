#!/usr/bin/env -S python3 -I -S
"""A tiny CNI plug-in that is right, and wrong in one way if its name says so: called `tiny`, or `tiny-FAULT`.

It is what the conformance checker is tried on. Bridge, veth pair, an address of its own store, a NAT rule a container.
Everything that it makes is named after network, container and interface, so that DEL finds it with nothing but these.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import ipaddress
import json
import os
import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, NoReturn, Self

    Json = dict[str, Any]

FAULTS = {
    "version-echo": "VERSION always says 1.1.0",
    "always-eth0": "the interface is called eth0 in the result, whatever CNI_IFNAME says",
    "wrong-mac": "the result has another hardware address of the node's end than the kernel",
    "index": "ips point to an interface that is not in the list",
    "add-twice": "a second ADD replaces the interface of the first, and succeeds",
    "del-once": "DEL fails where there is nothing to delete",
    "address-leak": "DEL does not give the address back",
    "prefix-match": "DEL gives back the addresses of all containers whose names begin alike",
    "no-roll-back": "an ADD that finds no address leaves eth0",
    "check-nothing": "CHECK says yes to everything",
    "check-firewall": "CHECK does not look at the NAT rule",
    "no-lock": "two ADDs at once may take the same address",
    "trace": "what is no JSON is answered with a stack trace and nothing on stdout",
    "gc-all": "GC removes what is listed too",
    "drop-previous": "ADD forgets prevResult",
}
NAME = os.path.basename(sys.argv[0])
FAULT = NAME.partition("-")[2]
VERSIONS = ("0.3.1", "0.4.0", "1.0.0", "1.1.0")
STORE = "/var/lib/cni/tiny"
IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*", re.ASCII)


class Failure(Exception):
    def __init__(self, code: int, msg: str, details: str = "") -> None:
        super().__init__(msg)
        self.code, self.msg, self.details = code, msg, details


def run(*argv: str, text: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(argv, input=text, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise Failure(100, f"{' '.join(argv[:3])} failed", done.stderr.strip())
    return done


def inside(netns: str, *argv: str, text: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
    return run("nsenter", f"--net={netns}", *argv, text=text, check=check)


# --- what is asked ---------------------------------------------------------------------------------------------------


def read_request() -> str:
    command = os.environ.get("CNI_COMMAND", "")
    needs = {
        "ADD": ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"),
        "CHECK": ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"),
        "DEL": ("CNI_CONTAINERID", "CNI_IFNAME"),
        "VERSION": (),
        "STATUS": (),
        "GC": (),
    }
    if command not in needs:
        raise Failure(4, f"CNI_COMMAND is {command!r}")
    for name in needs[command]:
        if not os.environ.get(name):
            raise Failure(4, f"{name} is not set")
    if needs[command]:
        if not IDENTIFIER.fullmatch(os.environ["CNI_CONTAINERID"]):
            raise Failure(4, "CNI_CONTAINERID is not well formed")
        name = os.environ["CNI_IFNAME"]
        if len(name) > 15 or name in (".", "..") or re.search(r"[/:\s]", name):
            raise Failure(4, "CNI_IFNAME is not well formed")
    return command


def read_configuration(command: str) -> Json:
    try:
        conf = json.loads(sys.stdin.buffer.read())
    except ValueError as error:
        raise Failure(6, "stdin is not JSON", str(error)) from None
    if not isinstance(conf, dict):
        raise Failure(7, "the configuration is no object")
    if command == "VERSION":
        return conf
    if not isinstance(conf.get("cniVersion"), str):
        raise Failure(7, f"cniVersion is {conf.get('cniVersion')!r}")
    if conf["cniVersion"] not in VERSIONS:
        raise Failure(1, "unsupported version", f"supported: {', '.join(VERSIONS)}")
    if not isinstance(conf.get("name"), str) or not IDENTIFIER.fullmatch(conf["name"]):
        raise Failure(7, f"name is {conf.get('name')!r}")
    if not isinstance(conf.get("ipam"), dict):
        raise Failure(7, f"ipam is {conf.get('ipam')!r}")
    return conf


class Attachment:
    def __init__(self, conf: Json, container: str, interface: str) -> None:
        self.network, self.container, self.interface = conf["name"], container, interface
        self.key = f"{container} {interface}"
        digest = hashlib.sha256(f"{self.network} {self.key}".encode()).hexdigest()
        self.port = f"ty{digest[:11]}"
        self.comment = f"tiny {self.network} {self.key}"
        self.bridge = conf["bridge"]
        self.range = ipaddress.ip_network(conf["ipam"]["ranges"][0][0]["subnet"])
        self.gateway = str(self.range[1])


# --- addresses: a file each, called by the address, holding the attachment -------------------------------------------


class Store:
    def __init__(self, network: str) -> None:
        self.folder = f"{STORE}/{network}"
        os.makedirs(self.folder, exist_ok=True)
        self.lock = os.open(self.folder, os.O_RDONLY)
        if FAULT != "no-lock":
            fcntl.flock(self.lock, fcntl.LOCK_EX)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.lock)

    def held(self) -> dict[str, str]:
        found = {}
        for name in os.listdir(self.folder):
            with open(f"{self.folder}/{name}") as file:
                found[name] = file.read()
        return found

    def take(self, wanted: Attachment) -> str:
        held = self.held()
        for address in list(wanted.range.hosts())[1:]:
            if str(address) not in held:
                if FAULT == "no-lock":
                    # Long enough for others to come to the same answer.
                    signal.sigtimedwait((), 0.3)
                path = f"{self.folder}/{address}"
                with open(unfinished(wanted), "w") as file:
                    file.write(wanted.key)
                os.replace(unfinished(wanted), path)
                return str(address)
        raise Failure(101, "no address is free")

    def free(self, unwanted: Attachment) -> None:
        for address, key in self.held().items():
            container = key.partition(" ")[0]
            alike = container != unwanted.container and container.startswith(unwanted.container)
            if key == unwanted.key or (FAULT == "prefix-match" and alike):
                os.unlink(f"{self.folder}/{address}")


def holders(network: str) -> dict[str, str]:
    with Store(network) as store:
        return store.held()


def unfinished(attachment: Attachment) -> str:
    """Where a reservation is written, to appear in the store whole or not at all."""
    return f"/var/lib/cni/{attachment.port}"


# --- what is made, and unmade ----------------------------------------------------------------------------------------


def rule(attachment: Attachment, address: str) -> tuple[str, ...]:
    target = ("-m", "comment", "--comment", attachment.comment, "-j", "MASQUERADE")
    return ("POSTROUTING", "-s", f"{address}/32", "!", "-o", attachment.bridge, *target)


def unmake(attachment: Attachment) -> None:
    run("ip", "link", "del", attachment.port, check=False)
    for line in run("iptables-save", "-t", "nat").stdout.splitlines():
        if f'--comment "{attachment.comment}"' in line:
            words = [word.strip('"') for word in re.findall(r'"[^"]*"|\S+', line)]
            run("iptables", "-w", "-t", "nat", "-D", *words[1:], check=False)
    with Store(attachment.network) as store:
        if FAULT != "address-leak":
            store.free(attachment)
        if os.path.exists(unfinished(attachment)):
            os.unlink(unfinished(attachment))


def ensure_bridge(attachment: Attachment) -> None:
    cidr = f"{attachment.gateway}/{attachment.range.prefixlen}"
    with Store(attachment.network):
        done = run("ip", "link", "add", attachment.bridge, "type", "bridge", check=False)
        if done.returncode and "File exists" not in done.stderr:
            raise Failure(100, done.stderr)
        run("ip", "addr", "replace", cidr, "dev", attachment.bridge)
        run("ip", "link", "set", attachment.bridge, "up")


def add(conf: Json, attachment: Attachment) -> Json:
    netns = os.environ["CNI_NETNS"]
    check_namespace(netns)
    interface = attachment.interface
    if inside(netns, "ip", "link", "show", "dev", interface, check=False).returncode == 0:
        if FAULT != "add-twice":
            raise Failure(102, f"{interface} exists")
        inside(netns, "ip", "link", "del", interface)
        unmake(attachment)
    try:
        return make(conf, attachment, netns)
    except Failure:
        if FAULT != "no-roll-back":
            unmake(attachment)
        raise


def make(conf: Json, attachment: Attachment, netns: str) -> Json:
    ensure_bridge(attachment)
    ends = (attachment.interface, "type", "veth", "peer", "name", attachment.port, "netns", str(os.getpid()))
    inside(netns, "ip", "link", "add", *ends)
    with Store(attachment.network) as store:
        address = store.take(attachment)
    cidr = f"{address}/{attachment.range.prefixlen}"
    run("ip", "link", "set", attachment.port, "master", attachment.bridge, "up")
    lines = f"link set {attachment.interface} up\naddr add {cidr} dev {attachment.interface}\n"
    inside(netns, "ip", "-batch", "-", text=lines)
    inside(netns, "ip", "route", "add", "default", "via", attachment.gateway, check=False)
    run("iptables", "-w", "-t", "nat", "-A", *rule(attachment, address))
    return result(conf, attachment, netns, cidr)


def check_namespace(netns: str) -> None:
    try:
        found = os.stat(netns)
    except OSError as error:
        raise Failure(3, f"CNI_NETNS {netns}: {os.strerror(error.errno or errno.EIO)}") from None
    own = os.stat("/proc/self/ns/net")
    if (found.st_dev, found.st_ino) == (own.st_dev, own.st_ino):
        raise Failure(4, "CNI_NETNS is the node's own")
    if found.st_dev != own.st_dev:
        raise Failure(4, "CNI_NETNS is no namespace")


def mac(name: str, netns: str = "") -> str:
    argv = ("ip", "-j", "link", "show", "dev", name)
    return json.loads((inside(netns, *argv) if netns else run(*argv)).stdout)[0]["address"]


def result(conf: Json, attachment: Attachment, netns: str, cidr: str) -> Json:
    own_name = "eth0" if FAULT == "always-eth0" else attachment.interface
    interfaces = [
        {"name": attachment.bridge, "mac": mac(attachment.bridge)},
        {"name": attachment.port, "mac": "02:00:00:00:00:99" if FAULT == "wrong-mac" else mac(attachment.port)},
        {"name": own_name, "mac": mac(attachment.interface, netns), "sandbox": netns},
    ]
    previous = {} if FAULT == "drop-previous" else conf.get("prevResult") or {}
    before = len(previous.get("interfaces", []))
    ip = {"address": cidr, "gateway": attachment.gateway, "interface": 7 if FAULT == "index" else before + 2}
    if conf["cniVersion"] in VERSIONS[:2]:
        ip["version"] = "4"
    return {
        "cniVersion": conf["cniVersion"],
        "interfaces": [*previous.get("interfaces", []), *interfaces],
        "ips": [*previous.get("ips", []), ip],
        "routes": [*previous.get("routes", []), {"dst": "0.0.0.0/0", "gw": attachment.gateway}],
    }


# --- CHECK, GC -------------------------------------------------------------------------------------------------------


def wrong(what: str) -> NoReturn:
    raise Failure(103, what)


def check(conf: Json, attachment: Attachment) -> None:
    if FAULT == "check-nothing":
        return
    netns, previous = os.environ["CNI_NETNS"], conf.get("prevResult")
    if not isinstance(previous, dict):
        raise Failure(7, "prevResult is missing")
    check_namespace(netns)
    show = inside(netns, "ip", "-j", "addr", "show", "dev", attachment.interface, check=False)
    link = json.loads(show.stdout)[0] if show.returncode == 0 else wrong("the interface is gone")
    index = next(
        (
            n
            for n, each in enumerate(previous["interfaces"])
            if each["name"] == attachment.interface and each.get("sandbox")
        ),
        None,
    )
    if index is None:
        wrong("prevResult does not have the interface")
    if previous["interfaces"][index]["mac"] != link["address"] or "UP" not in link["flags"]:
        wrong("the interface is down, or another")
    has = [f"{each['local']}/{each['prefixlen']}" for each in link["addr_info"]]
    mine = [each["address"] for each in previous["ips"] if each["address"] in has]
    if not mine:
        wrong("the address is gone")
    if not inside(netns, "ip", "route", "show", "default").stdout.strip():
        wrong("the route is gone")
    check_node(attachment, mine[0].partition("/")[0])


def check_node(attachment: Attachment, address: str) -> None:
    port = run("ip", "-j", "link", "show", "dev", attachment.port, check=False)
    found = json.loads(port.stdout)[0] if port.returncode == 0 else {}
    bridge = json.loads(run("ip", "-j", "addr", "show", "dev", attachment.bridge).stdout)[0]
    if found.get("master") != attachment.bridge or "UP" not in found["flags"] or "UP" not in bridge["flags"]:
        wrong("the cable is unplugged, or something is down")
    if attachment.gateway not in [each["local"] for each in bridge["addr_info"]]:
        wrong("the bridge lacks the gateway's address")
    if (
        FAULT != "check-firewall"
        and run("iptables", "-w", "-t", "nat", "-C", *rule(attachment, address), check=False).returncode
    ):
        wrong("the NAT rule is gone")
    if holders(attachment.network).get(address) != attachment.key:
        wrong("the reservation is gone")


def collect(conf: Json) -> None:
    if "cni.dev/valid-attachments" not in conf:
        raise Failure(7, "cni.dev/valid-attachments is missing")
    valid = {f"{each['containerID']} {each['ifname']}" for each in conf["cni.dev/valid-attachments"]}
    for key in set(holders(conf["name"]).values()) - (set() if FAULT == "gc-all" else valid):
        container, _, interface = key.partition(" ")
        unmake(Attachment(conf, container, interface))


# --- the whole -------------------------------------------------------------------------------------------------------


def serve(conf: Json, command: str) -> Json | None:
    if command == "VERSION":
        echoed = "1.1.0" if FAULT == "version-echo" else conf.get("cniVersion", "1.1.0")
        return {"cniVersion": echoed, "supportedVersions": list(VERSIONS)}
    if command == "STATUS":
        return None
    if command == "GC":
        return collect(conf)
    attachment = Attachment(conf, os.environ["CNI_CONTAINERID"], os.environ["CNI_IFNAME"])
    if command == "ADD":
        return add(conf, attachment)
    if command == "CHECK":
        return check(conf, attachment)
    held = attachment.key in holders(attachment.network).values()
    unmake(attachment)
    if FAULT == "del-once" and not held:
        raise Failure(104, "nothing to delete")
    return None


def main() -> int:
    conf = {}
    try:
        command = read_request()
        conf = read_configuration(command)
        answer = serve(conf, command)
    except Failure as failure:
        if FAULT == "trace" and failure.code == 6:
            raise
        version = conf.get("cniVersion")
        said = {
            "cniVersion": version if isinstance(version, str) else "1.1.0",
            "code": failure.code,
            "msg": failure.msg,
        }
        print(json.dumps({**said, "details": failure.details} if failure.details else said))
        return 1
    if answer is not None:
        print(json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main())
