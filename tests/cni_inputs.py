"""Generated requests for a CNI plug-in: mostly nearly right, sometimes noise; and what every answer must be."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from tests.cni_runtime import DEBIAN, LABNET, RANGE, RANGE_6, network

if TYPE_CHECKING:
    from tests.cni_runtime import Runtime

COMMANDS = ("ADD", "DEL", "CHECK", "STATUS", "GC", "VERSION")
_SILENT = ("DEL", "CHECK", "STATUS", "GC")
KEPT = "kept"
"""The network of the container that no request is about: what no input may change."""

# Runs on the node: calls the plug-in for each request of a list, from one process. A call that hangs is killed.
_DRIVER = """
import json, subprocess, sys, time
bound, plugin, requests = json.load(sys.stdin)
answers = []
for variables, given in requests:
    told = {bytes.fromhex(name): bytes.fromhex(value) for name, value in variables.items()}
    began = time.monotonic()
    try:
        done = subprocess.run([plugin], input=bytes.fromhex(given), env=told, capture_output=True, timeout=bound)
        said = done.returncode, done.stdout.hex(), done.stderr.hex()
    except subprocess.TimeoutExpired:
        said = None, "", ""
    answers.append([*said, time.monotonic() - began])
json.dump(answers, sys.stdout)
"""


@dataclass(frozen=True)
class Request:
    """The environment and standard input of one call."""

    variables: dict[str, str]
    given: bytes

    @property
    def command(self) -> str:
        return self.variables.get("CNI_COMMAND", "")


@dataclass(frozen=True)
class Reply:
    """What came: `code` is None where nothing came in time."""

    code: int | None
    out: bytes
    err: bytes
    seconds: float

    @property
    def said(self) -> Any:  # noqa: ANN401 (whatever JSON it is)
        return json.loads(self.out)


def ask_all(runtime: Runtime, requests: list[Request], bound: float) -> list[Reply]:
    """Call labnet for each, one after the other."""
    spelled = [
        ({_hex(name): _hex(value) for name, value in each.variables.items()}, each.given.hex()) for each in requests
    ]
    done = runtime.run("python3", "-IS", "-c", _DRIVER, text=json.dumps([bound, LABNET, spelled]))
    assert done.code == 0, done.err
    return [Reply(code, bytes.fromhex(out), bytes.fromhex(err), took) for code, out, err, took in json.loads(done.out)]


def _hex(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").hex()


def fault_of(request: Request, reply: Reply) -> str:
    """What is wrong with an answer; empty if nothing is."""
    if reply.code not in (0, 1) or reply.err:
        return "it hangs" if reply.code is None else f"exit code {reply.code}, {reply.err!r}"
    if not reply.out.strip():
        return "" if reply.code == 0 and request.command in _SILENT else "it says nothing"
    try:
        said = reply.said
    except ValueError:
        return "it does not say JSON"
    if not isinstance(said, dict) or not isinstance(said.get("cniVersion"), str):
        return "it says no object of a version"
    if reply.code == 0:
        is_answer = {"ADD": "ips", "VERSION": "supportedVersions"}.get(request.command) in said
        return "" if is_answer else "it says that it failed, and exits with 0"
    return _fault_of_error(said)


def _fault_of_error(said: dict[str, Any]) -> str:
    if type(said.get("code")) is not int or said["code"] <= 0 or not isinstance(said.get("msg"), str):
        return "its error has no code, or no word"
    return f"a defect: {said['msg']}" if said["code"] == 199 else ""


_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
_ODD = ["| .", "..", "-", "--help", "/", "a/b", "a b", "%s", "eth%d", "'", '"', "#", "\\", "$(id)", ";", "é", "x"]
_WORDS = st.one_of(st.sampled_from([*_ODD, "\n", "x" * 300]), _TEXT)
_ANY = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), _WORDS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_TEXT, inner, max_size=3)),
    max_leaves=6,
)
_NETWORKS = """\
10.244.0.0/24 10.9.0.0/30 10.0.0.0/8 0.0.0.0/0 224.0.0.0/24 127.0.0.0/8 169.254.0.0/24 0.0.0.0/8 240.0.0.0/24
255.255.255.0/24 fd00:9::/64 fe80::/64 ff02::/64 ::/0 ::/8 fd00::/126 ::ffff:0:0/96 10.244.0.1/24 10.9.0.0"""
_SUBNETS = st.one_of(st.sampled_from(_NETWORKS.split()), _ANY)
_HOSTS = st.one_of(
    st.sampled_from(["10.244.0.1", "10.244.0.200", "10.9.0.1", "fd00:9::1", "10.244.0.255", "::1"]), _ANY
)
_RANGES = st.fixed_dictionaries(
    {"subnet": _SUBNETS}, optional=dict.fromkeys(("gateway", "rangeStart", "rangeEnd"), _HOSTS)
)
# Up to twenty that are right, so that the answer is not about the first: narrow or wide, a set each or all in one.
_NUMBERS = st.integers(1, 20).map(range)
_WIDE = st.sampled_from([16, 20, 24, 29])
_MANY_SETS = st.one_of(
    st.builds(lambda numbers, size: [[{"subnet": f"10.{n + 16}.0.0/{size}"}] for n in numbers], _NUMBERS, _WIDE),
    st.builds(lambda numbers, size: [[{"subnet": f"10.{n + 16}.0.0/{size}"} for n in numbers]], _NUMBERS, _WIDE),
)
_ROUTES = st.fixed_dictionaries({"dst": _SUBNETS}, optional={"gw": _HOSTS})
_FOLDERS = ["/tmp/store", "/proc/x", "/dev/null", "here", "/" + "x" * 300]  # noqa: S108 (the lab's own)
_IPAM = {
    "ranges": st.one_of(
        st.just([[RANGE], [RANGE_6]]), st.lists(st.lists(_RANGES, max_size=3), max_size=3), _MANY_SETS, _ANY
    ),
    "type": st.one_of(st.sampled_from(["host-local", "labnet", "", "no-such", "../bridge"]), _ANY),
    "dataDir": st.one_of(st.sampled_from(_FOLDERS), _ANY),
    "routes": st.one_of(st.lists(_ROUTES, max_size=3), _ANY),
    "scan": st.sampled_from([True, True, False, None, 1, "yes"]),
}
_KEYS = ["name", "mac", "sandbox", "address", "gateway", "interface", "dst", "gw", "containerID", "ifname"]
_ENTRIES = st.lists(st.dictionaries(st.sampled_from(_KEYS), _ANY, max_size=4), max_size=3)
_PREVIOUS = st.fixed_dictionaries({}, optional=dict.fromkeys(("interfaces", "ips", "routes", "dns"), _ENTRIES))
_FIELDS = {
    "cniVersion": st.one_of(st.sampled_from(["0.3.1", "0.4.0", "1.0.0", "0.1.0", "2.0.0"]), _ANY),
    "name": st.one_of(st.sampled_from(["net", "other"]), _ANY).filter(lambda name: name != KEPT),
    "bridge": st.one_of(st.sampled_from(["cni0", "cni1", "eth0", "lo", "master", "all"]), _ANY),
    "ipMasq": st.one_of(st.booleans(), _ANY),
    "ipam": _ANY,
    "clusterRange": st.one_of(_SUBNETS, st.lists(_SUBNETS, max_size=3)),
    "dns": st.one_of(st.just({"nameservers": ["10.0.0.53"]}), _ANY),
    "prevResult": st.one_of(_PREVIOUS, _ANY),
    "cni.dev/valid-attachments": st.one_of(_ENTRIES, _ANY),
    "whatever": _ANY,
}
_ELSEWHERE = ["", "/proc/self/ns/net", "/proc/self/ns/uts", "/etc/passwd", "/var/run/netns"]
_VARIABLES = {
    "CNI_COMMAND": _WORDS,
    "CNI_CONTAINERID": st.one_of(st.sampled_from(["x1", "0f" * 32]), _WORDS),
    "CNI_IFNAME": st.one_of(st.sampled_from(["lo", "e.th-0@x", "{}", "default"]), _WORDS),
    "CNI_NETNS": st.one_of(st.sampled_from(_ELSEWHERE), _WORDS),
    "CNI_PATH": st.one_of(st.sampled_from([f"/nowhere:{DEBIAN}", "/etc/passwd"]), _WORDS),
    "CNI_ARGS": _WORDS,
    "PATH": _WORDS,
    "LC_ALL": _WORDS,
    "PYTHONPATH": _WORDS,
}


@st.composite
def requests(draw: st.DrawFn, netns: str) -> Request:
    """A request about the container of that namespace, or about none, with at most one kind of thing wrong in it."""
    variables = {
        "CNI_COMMAND": draw(st.sampled_from(COMMANDS)),
        "CNI_CONTAINERID": "a",
        "CNI_IFNAME": draw(st.sampled_from(["eth0", "net1"])),
        "CNI_NETNS": netns,
        "CNI_PATH": DEBIAN,
    }
    configuration: dict[str, Any] = network(version="1.1.0") | {
        "cni.dev/valid-attachments": [],
        "prevResult": _result(variables["CNI_IFNAME"], netns) if variables["CNI_COMMAND"] == "CHECK" else None,
    }
    given = None
    match draw(st.sampled_from(["nothing", "variables", "missing", "fields", "fields", "ipam", "ipam", "noise"])):
        case "variables":
            variables |= _some(draw, _VARIABLES)
        case "missing":
            variables = {name: value for name, value in variables.items() if draw(st.booleans())}
        case "fields":
            configuration |= _some(draw, _FIELDS)
        case "ipam":
            configuration["ipam"] |= _some(draw, _IPAM)
        case "noise":
            given = draw(st.one_of(st.binary(max_size=50), _ANY.map(lambda each: json.dumps(each).encode())))
            if draw(st.booleans()):
                given = json.dumps(configuration).encode()[: draw(st.integers(0, 200))]
    return Request(variables, json.dumps(configuration).encode() if given is None else given)


def _some(draw: st.DrawFn, fields: dict[str, st.SearchStrategy[Any]]) -> dict[str, Any]:
    names = draw(st.lists(st.sampled_from(sorted(fields)), min_size=1, max_size=2))
    return {name: draw(fields[name]) for name in names}


def _result(interface: str, netns: str) -> dict[str, Any]:
    """What ADD of the only container answers."""
    return {
        "interfaces": [{"name": interface, "sandbox": netns}],
        "ips": [{"address": "10.244.0.2/24"}],
        "routes": [{"dst": "0.0.0.0/0", "gw": "10.244.0.1"}],
    }


class Bystanders:
    """A container in a network of its own, the other node, the cloud: what no request may change."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._network = {**network({"subnet": "10.247.0.0/24"}, bridge="kept0"), "name": KEPT}
        self._result = runtime.add("b", self._network).said
        self._before = self._look()

    def _look(self) -> dict[str, Any]:
        snapshot = json.loads(self._runtime.lab.snapshot())
        own = (self._runtime.node, f"{self._runtime.node}/a")
        return {
            "places": {place: held for place, held in snapshot["places"].items() if place not in own},
            "nodes": {name: held for name, held in snapshot["nodes"].items() if name != self._runtime.node},
            "routes": snapshot["vpc_routes"],
        }

    def assert_unchanged(self) -> None:
        assert self._look() == self._before
        answer = self._runtime.call("CHECK", "b", {**self._network, "prevResult": self._result})
        assert answer.code == 0, answer
