#!/usr/bin/env -S python3 -I -S
"""A tiny CNI plug-in that is right, and wrong in the ways that its name says: called `tiny`, or `tiny-FAULT+FAULT…`.

It is what the conformance checker is tried on: hundreds of calls a run, so it imports next to nothing, and has `ip` do
in one go what it can. Bridge, veth pair, an address of each range from a store of its own (or from the IPAM plug-in
that `ipam.type` names), a NAT rule a container. Everything that it makes is named after network, container and
interface, so that DEL finds it with nothing but these.
"""

from __future__ import annotations

import _json
import errno
import fcntl
import os
import sys
import zlib

TYPE_CHECKING = False  # what `typing` calls so: it takes half a call to import
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
# Of checks that the fifteen do not concern.
MORE_FAULTS = {
    "ipam-beside": "the IPAM plug-in is looked for beside the plug-in alone, not on CNI_PATH",
    "ipam-environment": "the IPAM plug-in does not get CNI_ARGS",
    "ipam-part": "the IPAM plug-in gets the part `ipam` of the configuration alone",
    "ipam-quiet": "what the IPAM plug-in says on standard error is lost",
    "ipam-routes": "of the IPAM plug-in's routes only the default one is made",
    "ipam-once": "the IPAM plug-in is called for ADD alone",
    "ipam-swallow": "an error of the IPAM plug-in is none, but in ADD",
    "ipam-kept": "an ADD that fails after the IPAM plug-in's leaves the address taken",
    "ipam-not-told": "an ADD in which the IPAM plug-in fails does not call it with DEL",
    "ipam-gc-first": "GC calls the IPAM plug-in first, and goes no further where that fails",
    "one-family": "of several ranges only the first gives an address",
    "no-second": "an address of IPv6 is told, and not given",
    "no-second-route": "a route of IPv6 is told, and not made",
    "second-leak": "DEL gives the first address back, and no other",
    "check-first": "CHECK looks at the first address alone",
    "bridge-restart": "every ADD takes the bridge down and up again",
    "bridge-mac": "the bridge takes whatever MAC its ports have",
    "bridge-stop": "every DEL takes the bridge down and up again",
}
NAME = os.path.basename(sys.argv[0])
WRONG = frozenset(NAME.partition("-")[2].split("+"))
VERSIONS = ("0.3.1", "0.4.0", "1.0.0", "1.1.0")
STATE = "/var/lib/cni"
LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
TOOLS = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
NOT_READY, EXISTS = 50, 102


class Failure(Exception):
    def __init__(self, code: int, msg: str, details: str = "") -> None:
        super().__init__(msg)
        self.code, self.msg, self.details = code, msg, details


# --- without json, subprocess and ipaddress: each takes longer to import than a call takes ---------------------------


class Reader:
    """What `_json` asks of a decoder."""

    strict, memo = True, {}
    object_hook = object_pairs_hook = None
    parse_float, parse_int, parse_constant = float, int, float


def read_json(text: str) -> Any:  # noqa: ANN401 (whatever JSON can say)
    """Raises ValueError, as json does: what the quick half of it cannot read is left to the whole."""
    try:
        said, end = _json.make_scanner(Reader)(text.lstrip(), 0)
    except (StopIteration, SystemError, ValueError):
        end = -1
    if end < 0 or text.lstrip()[end:].strip():
        import json

        return json.loads(text)
    return said


def spell(said: Json) -> str:
    no, yes = False, True
    encode = _json.make_encoder(None, None, _json.encode_basestring_ascii, None, ": ", ", ", no, no, yes)
    return "".join(encode(said, 0))


class Done:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


def start(argv: tuple[str, ...], environment: dict[str, str], text: bytes) -> Done:
    streams = [os.memfd_create("tiny") for _ in range(3)]
    os.write(streams[0], text)
    os.lseek(streams[0], 0, os.SEEK_SET)
    actions = [(os.POSIX_SPAWN_DUP2, stream, number) for number, stream in enumerate(streams)]
    pid = os.posix_spawnp(argv[0], argv, environment, file_actions=actions)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    out, err = (os.pread(stream, os.lseek(stream, 0, os.SEEK_END), 0).decode() for stream in streams[1:])
    for stream in streams:
        os.close(stream)
    return Done(code, out, err)


def run(*argv: str, text: str = "", check: bool = True) -> Done:
    done = start(argv, TOOLS, text.encode())
    if check and done.code:
        raise Failure(100, f"{' '.join(argv[:3])} failed", done.err.strip())
    return done


def ip(*lines: str, netns: str = "", check: bool = True) -> Done:
    inside = (f"--net={netns}",) if netns else ()
    argv = ("ip", "-j", "-batch", "-")
    return run(*(("nsenter", *inside, *argv) if netns else argv), text="\n".join(lines) + "\n", check=check)


def answers(done: Done) -> list[Json]:
    """What `ip -j` shows, a list a line."""
    return [entry for line in done.out.splitlines() if line.startswith("[") for entry in read_json(line)]


class Range:
    """A range of addresses: the first is its gateway's."""

    def __init__(self, text: str) -> None:
        import _socket

        base, _, prefix = text.partition("/")
        kind = _socket.AF_INET6 if ":" in base else _socket.AF_INET
        bits = 128 if ":" in base else 32
        first, self.prefix = int.from_bytes(_socket.inet_pton(kind, base), "big"), int(prefix)
        last = min(first + 2 ** (bits - self.prefix) - 1, first + 999)
        self.nth = lambda number: _socket.inet_ntop(kind, (first + number).to_bytes(bits // 8, "big"))
        self.count, self.gateway = last - first, self.nth(1)


# --- what is asked ---------------------------------------------------------------------------------------------------


def is_identifier(text: object) -> bool:
    return isinstance(text, str) and text[:1] in LETTERS and not set(text) - LETTERS - set("_.-") and text != ""


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
        if not is_identifier(os.environ["CNI_CONTAINERID"]):
            raise Failure(4, "CNI_CONTAINERID is not well formed")
        name = os.environ["CNI_IFNAME"]
        if len(name) > 15 or name in (".", "..") or any(each in "/:" or each.isspace() for each in name):
            raise Failure(4, "CNI_IFNAME is not well formed")
    return command


def read_configuration(command: str, given: bytes) -> Json:
    try:
        conf = read_json(given.decode())
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
    if not is_identifier(conf.get("name")):
        raise Failure(7, f"name is {conf.get('name')!r}")
    if not isinstance(conf.get("ipam"), dict):
        raise Failure(7, f"ipam is {conf.get('ipam')!r}")
    return conf


class Attachment:
    def __init__(self, conf: Json, container: str, interface: str) -> None:
        self.conf, self.network, self.bridge = conf, conf["name"], conf["bridge"]
        self.container, self.interface = container, interface
        self.key = f"{container} {interface}"
        self.port = f"ty{zlib.crc32(f'{self.network} {self.key}'.encode()):08x}"
        comment = f"tiny {self.network} {self.key}"
        target = ("-m", "comment", "--comment", comment, "-j", "MASQUERADE")
        self.rule = ("POSTROUTING", "!", "-o", self.bridge, *target)
        # Where a reservation is written, to appear in the store whole or not at all.
        self.unfinished = f"{STATE}/{self.port}"


# --- addresses: a file each, called by the address, holding the attachment; or the IPAM plug-in's --------------------


class Locked:
    """A folder that nobody else is in."""

    def __init__(self, folder: str, *, locks: bool = True) -> None:
        os.makedirs(folder, exist_ok=True)
        self.folder, self.lock = folder, os.open(folder, os.O_RDONLY)
        if locks:
            fcntl.flock(self.lock, fcntl.LOCK_EX)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.lock)


class Store(Locked):
    def __init__(self, network: str) -> None:
        super().__init__(f"{STATE}/tiny/{network}", locks="no-lock" not in WRONG)

    def held(self) -> dict[str, str]:
        found = {}
        for name in os.listdir(self.folder):
            with open(f"{self.folder}/{name}") as file:
                found[name] = file.read()
        return found

    def take(self, wanted: Attachment, addresses: Range) -> str:
        held = self.held()
        free = next((name for name in map(addresses.nth, range(2, addresses.count)) if name not in held), None)
        if free is None:
            raise Failure(101, "no address is free")
        if "no-lock" in WRONG:
            import signal

            # Long enough for others to come to the same answer.
            signal.sigtimedwait((), 0.3)
        with open(wanted.unfinished, "w") as file:
            file.write(wanted.key)
        os.replace(wanted.unfinished, f"{self.folder}/{free}")
        return free

    def free(self, unwanted: Attachment) -> None:
        for address, key in self.held().items():
            container = key.partition(" ")[0]
            alike = container != unwanted.container and container.startswith(unwanted.container)
            if "second-leak" in WRONG and ":" in address:
                continue
            if key == unwanted.key or ("prefix-match" in WRONG and alike):
                os.unlink(f"{self.folder}/{address}")


def holders(network: str) -> dict[str, str]:
    with Store(network) as store:
        return store.held()


def known(network: str) -> set[str]:
    """The attachments that hold an address, and those that have a NAT rule: the IPAM plug-in's hold none here."""
    mark = f'--comment "tiny {network} '
    rules = run("iptables-save", "-t", "nat").out.splitlines()
    return {*holders(network).values(), *(rule.partition(mark)[2].partition('"')[0] for rule in rules if mark in rule)}


def ranges(conf: Json) -> list[Range]:
    found = [Range(each[0]["subnet"]) for each in conf["ipam"]["ranges"]]
    return found[:1] if "one-family" in WRONG else found


def delegates(conf: Json) -> bool:
    return bool(conf["ipam"].get("type"))


def delegate(conf: Json, given: bytes, command: str, *, if_there: bool = False) -> Json:
    """Have the IPAM plug-in do its part of a command."""
    if "ipam-once" in WRONG and command != "ADD":
        return {}
    name = conf["ipam"]["type"]
    folders = [os.path.dirname(sys.argv[0])] if "ipam-beside" in WRONG else os.environ.get("CNI_PATH", "").split(":")
    path = next((found for folder in folders if os.access(found := f"{folder}/{name}", os.X_OK)), None)
    if path is None:
        if if_there:
            return {}
        raise Failure(NOT_READY if command == "STATUS" else 7, f"there is no {name} on CNI_PATH")
    environment = {**os.environ, "CNI_COMMAND": command}
    if "ipam-environment" in WRONG:
        environment.pop("CNI_ARGS", None)
    done = start((path,), environment, spell({"ipam": conf["ipam"]}).encode() if "ipam-part" in WRONG else given)
    if "ipam-quiet" not in WRONG:
        os.write(2, done.err.encode())
    said = read_json(done.out) if done.out.strip() else {}
    if done.code and not ("ipam-swallow" in WRONG and command != "ADD"):
        raise Failure(said.get("code", 105), f"{name}: {said.get('msg')}", said.get("details", ""))
    return {} if done.code else said


def take(conf: Json, given: bytes, attachment: Attachment) -> Json:
    """What an IPAM plug-in gives: addresses with their gateways, and routes."""
    if delegates(conf):
        try:
            return delegate(conf, given, "ADD")
        except Failure:
            if "ipam-not-told" not in WRONG:
                release(conf, given, attachment)
            raise
    ips: list[Json] = []
    try:
        for each in ranges(conf):
            with Store(attachment.network) as store:
                ips.append({"address": f"{store.take(attachment, each)}/{each.prefix}", "gateway": each.gateway})
    except Failure:
        give_back(conf, given, attachment, ips)
        raise
    zero = {True: "::/0", False: "0.0.0.0/0"}
    return {"ips": ips, "routes": [{"dst": zero[":" in each["gateway"]], "gw": each["gateway"]} for each in ips]}


def give_back(conf: Json, given: bytes, attachment: Attachment, ips: list[Json]) -> None:
    """What an ADD has taken that fails: the interface may be there from an earlier one, with addresses of its own."""
    if delegates(conf):
        delegate(conf, given, "DEL", if_there=True)
        return
    for each in ips:
        os.unlink(f"{STATE}/tiny/{attachment.network}/{each['address'].partition('/')[0]}")


def release(conf: Json, given: bytes, attachment: Attachment) -> None:
    if delegates(conf):
        delegate(conf, given, "DEL", if_there=True)
        return
    with Store(attachment.network) as store:
        if "address-leak" not in WRONG:
            store.free(attachment)
        if os.path.exists(attachment.unfinished):
            os.unlink(attachment.unfinished)


# --- what is made, and unmade ----------------------------------------------------------------------------------------


def unmake(attachment: Attachment) -> None:
    """Everything but the addresses."""
    if os.path.exists(f"/sys/class/net/{attachment.port}"):
        ip(f"link del {attachment.port}", check=False)
    run("iptables", "-w", "-t", "nat", "-D", *attachment.rule, check=False)


def read_link(name: str, what: str) -> str:
    with open(f"/sys/class/net/{name}/{what}") as file:
        return file.read().strip()


def ensure_bridge(attachment: Attachment, ips: list[Json]) -> None:
    bridge = attachment.bridge
    addresses = [
        f"addr replace {each['gateway']}/{each['address'].partition('/')[2]} dev {bridge}"
        for each in ips
        if each.get("gateway")
    ]
    with Locked(STATE):
        lines = [] if os.path.exists(f"/sys/class/net/{bridge}") else [f"link add {bridge} type bridge"]
        ip(*lines, *addresses, f"link set {bridge} up", f"link set {attachment.port} master {bridge} up")
        # It would take the lowest of its ports', and another when that one goes.
        if read_link(bridge, "addr_assign_type") != "3" and "bridge-mac" not in WRONG:
            ip(f"link set {bridge} address {read_link(bridge, 'address')}")


def restart_bridge(bridge: str, word: str) -> None:
    if os.path.exists(f"/sys/class/net/{bridge}"):
        ip(f"link set {bridge} {word}")


def add(conf: Json, given: bytes, attachment: Attachment) -> Json:
    netns = os.environ["CNI_NETNS"]
    check_namespace(netns)
    if "bridge-restart" in WRONG:
        restart_bridge(attachment.bridge, "down")
    if "add-twice" in WRONG:
        ip(f"link del {attachment.interface}", netns=netns, check=False)
        unmake(attachment)
        release(conf, given, attachment)
    try:
        got = take(conf, given, attachment)
    except Failure:
        if "no-roll-back" in WRONG:
            ip(cable(attachment), netns=netns, check=False)
        raise
    try:
        return make(conf, attachment, netns, got)
    except Failure as failure:
        if failure.code != EXISTS:
            unmake(attachment)
        if "ipam-kept" not in WRONG:
            give_back(conf, given, attachment, got["ips"])
        raise


def cable(attachment: Attachment) -> str:
    return f"link add {attachment.interface} type veth peer name {attachment.port} netns {os.getpid()}"


def make(conf: Json, attachment: Attachment, netns: str, got: Json) -> Json:
    ips, gateways = got["ips"], {":" in each["address"]: each.get("gateway", "") for each in got["ips"]}
    lines = [cable(attachment), f"link set {attachment.interface} up"]
    told = [each["address"] for each in ips if "no-second" not in WRONG or ":" not in each["address"]]
    lines += [f"addr add {each} dev {attachment.interface}" for each in told]
    for route in got.get("routes", []):
        if "ipam-routes" in WRONG and not route["dst"].endswith("/0"):
            continue
        if WRONG & {"no-second", "no-second-route"} and ":" in route["dst"]:
            continue
        via = route.get("gw") or gateways.get(":" in route["dst"])
        lines.append(f"route append {route['dst']} via {via} dev {attachment.interface}")
    done = ip(*lines, f"link show dev {attachment.interface}", netns=netns, check=False)
    if done.code:
        raise Failure(EXISTS if "File exists" in done.err and "-:1" in done.err else 100, done.err.strip())
    ensure_bridge(attachment, ips)
    run("iptables", "-w", "-t", "nat", "-A", *attachment.rule)
    return result(conf, attachment, netns, got, answers(done)[-1]["address"])


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


def result(conf: Json, attachment: Attachment, netns: str, got: Json, mac: str) -> Json:
    own_name = "eth0" if "always-eth0" in WRONG else attachment.interface
    port_mac = "02:00:00:00:00:99" if "wrong-mac" in WRONG else read_link(attachment.port, "address")
    interfaces = [
        {"name": attachment.bridge, "mac": read_link(attachment.bridge, "address")},
        {"name": attachment.port, "mac": port_mac},
        {"name": own_name, "mac": mac, "sandbox": netns},
    ]
    previous = {} if "drop-previous" in WRONG else conf.get("prevResult") or {}
    before = len(previous.get("interfaces", []))
    ips = []
    for each in got["ips"]:
        entry = {**each, "interface": 7 if "index" in WRONG else before + 2}
        entry.pop("version", None)
        family = {"version": "6" if ":" in each["address"] else "4"} if conf["cniVersion"] in VERSIONS[:2] else {}
        ips.append({**entry, **family})
    return {
        "cniVersion": conf["cniVersion"],
        "interfaces": [*previous.get("interfaces", []), *interfaces],
        "ips": [*previous.get("ips", []), *ips],
        "routes": [*previous.get("routes", []), *got.get("routes", [])],
    }


# --- CHECK, DEL, GC --------------------------------------------------------------------------------------------------


def wrong(what: str) -> NoReturn:
    raise Failure(103, what)


def check(conf: Json, given: bytes, attachment: Attachment) -> None:
    if "check-nothing" in WRONG:
        return
    netns, previous = os.environ["CNI_NETNS"], conf.get("prevResult")
    if not isinstance(previous, dict):
        raise Failure(7, "prevResult is missing")
    check_namespace(netns)
    lines = (f"addr show dev {attachment.interface}", "route show default", "-6 route show default")
    shown = answers(ip(*lines[:1], netns=netns, check=False))
    link = shown[0] if shown else wrong("the interface is gone")
    sandboxed = (each for each in previous["interfaces"] if each["name"] == attachment.interface)
    listed = next((each for each in sandboxed if each.get("sandbox")), None)
    if listed is None:
        wrong("prevResult does not have the interface")
    if listed["mac"] != link["address"] or "UP" not in link["flags"]:
        wrong("the interface is down, or another")
    has = [f"{each['local']}/{each['prefixlen']}" for each in link["addr_info"]]
    # A chain may have given other interfaces addresses too.
    mine = [each["address"] for each in previous["ips"] if each["address"] in has]
    if len(mine) < (1 if delegates(conf) or "check-first" in WRONG else len(ranges(conf))):
        wrong("an address is gone")
    if not answers(ip(lines[1], netns=netns)) and not answers(run_route6(netns)):
        wrong("the route is gone")
    check_node(conf, attachment, [each.partition("/")[0] for each in mine])
    if delegates(conf):
        delegate(conf, given, "CHECK")


def run_route6(netns: str) -> Done:
    return run("nsenter", f"--net={netns}", "ip", "-j", "-6", "route", "show", "default")


def check_node(conf: Json, attachment: Attachment, addresses: list[str]) -> None:
    done = ip(f"addr show dev {attachment.bridge}", f"link show dev {attachment.port}", check=False)
    shown = {each["ifname"]: each for each in answers(done)}
    port, bridge = shown.get(attachment.port), shown.get(attachment.bridge)
    if not port or not bridge or port.get("master") != attachment.bridge:
        wrong("the cable is unplugged")
    if "UP" not in port["flags"] or "UP" not in bridge["flags"]:
        wrong("something is down")
    gateways = {each["gateway"] for each in conf["prevResult"]["ips"] if each.get("gateway")}
    if gateways - {each["local"] for each in bridge["addr_info"]}:
        wrong("the bridge lacks the gateway's address")
    if "check-firewall" not in WRONG and run("iptables", "-w", "-t", "nat", "-C", *attachment.rule, check=False).code:
        wrong("the NAT rule is gone")
    if not delegates(conf):
        held = holders(attachment.network)
        if any(held.get(address) != attachment.key for address in addresses):
            wrong("a reservation is gone")


def delete(conf: Json, given: bytes, attachment: Attachment) -> None:
    held = "del-once" not in WRONG or delegates(conf) or attachment.key in holders(attachment.network).values()
    if "bridge-stop" in WRONG:
        restart_bridge(attachment.bridge, "down")
    unmake(attachment)
    if "bridge-stop" in WRONG:
        restart_bridge(attachment.bridge, "up")
    release(conf, given, attachment)
    if not held:
        raise Failure(104, "nothing to delete")


def collect(conf: Json, given: bytes) -> None:
    if "cni.dev/valid-attachments" not in conf:
        raise Failure(7, "cni.dev/valid-attachments is missing")
    valid = {f"{each['containerID']} {each['ifname']}" for each in conf["cni.dev/valid-attachments"]}
    if "ipam-gc-first" in WRONG and delegates(conf):
        delegate(conf, given, "GC")
    for key in known(conf["name"]) - (set() if "gc-all" in WRONG else valid):
        container, _, interface = key.partition(" ")
        attachment = Attachment(conf, container, interface)
        unmake(attachment)
        release({**conf, "ipam": {}}, given, attachment)
    if delegates(conf):
        delegate(conf, given, "GC")


# --- the whole -------------------------------------------------------------------------------------------------------


def serve(conf: Json, given: bytes, command: str) -> Json | None:
    if command == "VERSION":
        echoed = "1.1.0" if "version-echo" in WRONG else conf.get("cniVersion", "1.1.0")
        return {"cniVersion": echoed, "supportedVersions": list(VERSIONS)}
    if command == "STATUS":
        if delegates(conf):
            delegate(conf, given, "STATUS")
        return None
    if command == "GC":
        return collect(conf, given)
    attachment = Attachment(conf, os.environ["CNI_CONTAINERID"], os.environ["CNI_IFNAME"])
    if command == "ADD":
        return add(conf, given, attachment)
    return (check if command == "CHECK" else delete)(conf, given, attachment)


def main() -> int:
    conf = {}
    try:
        command = read_request()
        given = sys.stdin.buffer.read()
        conf = read_configuration(command, given)
        answer = serve(conf, given, command)
    except Failure as failure:
        if "trace" in WRONG and failure.code == 6:
            raise
        version = conf.get("cniVersion")
        said = {
            "cniVersion": version if isinstance(version, str) else "1.1.0",
            "code": failure.code,
            "msg": failure.msg,
        }
        print(spell({**said, "details": failure.details} if failure.details else said))
        return 1
    if answer is not None:
        print(spell(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main())
