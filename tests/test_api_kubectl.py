"""The whole lab, asked by the real kubectl: lists, tables, descriptions, selectors, chunks, watches, refusals."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.lab_under_test import STEPS, LabUnderTest, step_called

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labctl.model.values import Completed

pytestmark = [pytest.mark.machine, pytest.mark.anybody]


class Cluster:
    """A lab with all its steps done, and a kubectl on its first node."""

    def __init__(self, lab: LabUnderTest) -> None:
        self.lab = lab

    def run(self, *words: str, context: str = "lab") -> Completed:
        argv = ("kubectl", f"--context={context}", *words)
        return self.lab.kernel.programs(self.lab.lab.nodes[0].place).look(argv)

    def kubectl(self, *words: str, context: str = "lab") -> str:
        self.lab.kernel.refresh()
        done = self.run(*words, context=context)
        assert done.code == 0, done
        return done.out

    def refused(self, *words: str) -> str:
        done = self.run(*words)
        assert done.code == 1, done
        return done.err.strip()

    def rows(self, *words: str) -> dict[str, list[str]]:
        """A table without its head: the columns by the first one (which `-A` makes the namespace)."""
        lines = self.kubectl(*words, "--no-headers").splitlines()
        return {line.split()[0]: line.split()[1:] for line in lines}

    def json(self, *words: str) -> Any:  # noqa: ANN401 (whatever JSON can say)
        return json.loads(self.kubectl(*words, "-o", "json"))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with LabUnderTest(tmp_path_factory.mktemp("cluster") / "home") as lab:
        lab.apply(STEPS)
        yield Cluster(lab)


def _addresses(lab: LabUnderTest) -> dict[str, str]:
    """What the kernel says of each container: its own eth0, asked by netlink."""
    found = {}
    for container in lab.lab.containers:
        (address,) = [
            each.cidr.partition("/")[0]
            for each in lab.kernel.net(container.place).addresses()
            if each.device == "eth0"
        ]  # fmt: skip
        found[container.name] = address
    return found


def test_pods_are_the_containers_with_the_addresses_that_they_have(cluster: Cluster) -> None:
    lines = [line.split() for line in cluster.kubectl("get", "pods", "-A", "-o", "wide", "--no-headers").splitlines()]
    shown = {(words[0], words[1]): (words[2], words[3], words[6], words[7]) for words in lines}
    real = _addresses(cluster.lab)
    # Those that serve my-svc are in its namespace.
    for name, namespace, node in (("a", "default", "master"), ("b", "mystuff", "master"), ("d", "mystuff", "worker")):
        assert shown[namespace, name] == ("1/1", "Running", real[name], node)
    assert shown["default", "my-pod"][3] == "master"
    system = {name for namespace, name in shown if namespace == "kube-system"}
    assert system == {"kube-dns", "kube-proxy-master", "kube-proxy-worker", "kubernetes-dashboard"}


def test_the_notes_own_path_leads_to_their_pod(cluster: Cluster) -> None:
    found = json.loads(cluster.kubectl("get", "--raw", "/api/v1/namespaces/default/pods/my-pod", context="lab-proxy"))
    assert (found["kind"], found["metadata"]["name"], found["status"]["phase"]) == ("Pod", "my-pod", "Running")


def test_an_object_stays_who_it_is(cluster: Cluster) -> None:
    for kind in ("pods", "nodes", "services", "endpoints", "endpointslices", "namespaces"):
        first, second = (cluster.json("get", kind, "-A")["items"] for _ in range(2))
        assert first == second
        assert len({each["metadata"]["uid"] for each in first}) == len(first)


def test_nodes_are_the_machines_of_the_lab(cluster: Cluster) -> None:
    rows = cluster.rows("get", "nodes", "-o", "wide")
    assert (rows["master"][0], rows["master"][1], rows["master"][4]) == ("Ready", "control-plane", "10.128.0.2")
    assert rows["worker"][:2] == ["Ready", "<none>"]
    assert cluster.json("get", "node", "worker")["spec"]["podCIDR"] == "10.244.1.0/24"
    told = cluster.kubectl("describe", "node", "master")
    assert re.search(r"PodCIDR: +10\.244\.0\.0/24", told)
    assert re.search(r"default +my-pod ", told)


def test_services_are_what_the_rules_say_with_their_endpoints(cluster: Cluster) -> None:
    rows = cluster.rows("get", "services", "-n", "mystuff")
    assert rows["my-svc"][:4] == ["NodePort", "10.96.0.100", "<none>", "80:30080/TCP"]
    assert rows["my-svc-headless"][:2] == ["ClusterIP", "None"]
    dns = cluster.rows("get", "services", "-n", "kube-system")["kube-dns"]
    assert dns[1:4] == ["10.96.0.10", "<none>", "53/UDP,53/TCP"]
    service = cluster.kubectl("describe", "service", "my-svc", "-n", "mystuff")
    assert re.search(r"Endpoints: +10\.244\.\d+\.\d+:80,", service)
    of_it = ("-n", "mystuff", "-l", "kubernetes.io/service-name=my-svc")
    (piece,) = cluster.json("get", "endpointslices", *of_it)["items"]
    pods = {each["metadata"]["name"]: each for each in cluster.json("get", "pods", "-n", "mystuff")["items"]}
    for each in piece["endpoints"]:
        pod = pods[each["targetRef"]["name"]]
        assert (each["targetRef"]["uid"], each["addresses"]) == (pod["metadata"]["uid"], [pod["status"]["podIP"]])


def test_namespaces_are_those_that_hold_something(cluster: Cluster) -> None:
    assert list(cluster.rows("get", "namespaces")) == ["default", "kube-system", "mystuff"]
    assert cluster.rows("get", "pods", "-n", "nothing") == {}


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (("-l", "labctl/made-by=runtime"), {"e", "f", "my-pod"}),
        (("-l", "labctl/made-by notin (runtime),!k8s-app"), {"a"}),
        (("--field-selector", "metadata.name=my-pod,status.phase!=Failed"), {"my-pod"}),
        (("--field-selector", "spec.nodeName=worker", "-l", "labctl/made-by=runtime"), {"f"}),
    ],
)
def test_selectors_choose(cluster: Cluster, words: tuple[str, ...], names: set[str]) -> None:
    assert set(cluster.rows("get", "pods", *words)) & {"a", "e", "f", "my-pod"} == names


def test_a_list_in_chunks_is_the_whole_list(cluster: Cluster) -> None:
    whole = cluster.kubectl("get", "pods", "-A", "-o", "name")
    assert cluster.kubectl("get", "pods", "-A", "-o", "name", "--chunk-size=2") == whole
    first = json.loads(cluster.kubectl("get", "--raw", "/api/v1/pods?limit=3"))
    assert len(first["items"]) == 3
    assert first["metadata"]["remainingItemCount"] == len(whole.splitlines()) - 3
    said = cluster.refused("get", "--raw", "/api/v1/pods?limit=3&continue=nothing")
    assert said.startswith("Error from server (Expired): The provided continue parameter is too old")


def test_all_forms_of_output_come_about(cluster: Cluster) -> None:
    assert "podIP: 10.244." in cluster.kubectl("get", "pod", "my-pod", "-o", "yaml")
    assert cluster.kubectl("get", "pod", "my-pod", "-o", "name").strip() == "pod/my-pod"
    assert cluster.kubectl("get", "pod", "my-pod", "-o", "jsonpath={.spec.nodeName}") == "master"
    assert "labctl/made-by=runtime" in cluster.kubectl("get", "pod", "my-pod", "--show-labels")
    assert "pod/my-pod" in cluster.kubectl("get", "all")
    assert "endpointslices" in cluster.kubectl("api-resources")
    assert "discovery.k8s.io/v1" in cluster.kubectl("api-versions")
    assert re.search(r"Server Version: v1\.\d+\.0\+labctl", cluster.kubectl("version"))


def test_what_is_not_there_or_not_allowed_is_said_in_the_api_servers_words(cluster: Cluster) -> None:
    assert cluster.refused("get", "pod", "x") == 'Error from server (NotFound): pods "x" not found'
    assert cluster.refused("get", "node", "x") == 'Error from server (NotFound): nodes "x" not found'
    assert cluster.refused("delete", "pod", "my-pod", "--now") == (
        'Error from server (MethodNotAllowed): delete is not supported on resources of kind "pods"'
    )
    assert cluster.refused("label", "pod", "my-pod", "a=b") == (
        'Error from server (MethodNotAllowed): patch is not supported on resources of kind "pods"'
    )
    assert "create is not supported on resources of kind" in cluster.refused("create", "namespace", "x")
    assert "field label not supported: colour" in cluster.refused("get", "pods", "--field-selector", "colour=red")
    assert 'doesn\'t have a resource type "deployments"' in cluster.refused("get", "deployments")
    assert "You must be logged in to the server" in cluster.refused("get", "pods", "--token=wrong")


def test_a_watch_prints_what_changes(cluster: Cluster) -> None:
    """The one who watches ends when my-pod has an address again: no time is waited for.

    It is chosen by a selector: of a pod that is named, kubectl lets the first event fall, whatever that says.
    """
    script = (
        "timeout 30 kubectl --context=lab get pods --field-selector metadata.name=my-pod --watch -o wide --no-headers "
        ">/tmp/watched & watcher=$!; "
        "until grep -q my-pod /tmp/watched; do sleep 0.05; done; "
        "address=$(ip -n my-pod -br addr show dev eth0 | awk '{print $3}'); ip -n my-pod addr flush dev eth0; "
        "until grep -q '0/1' /tmp/watched; do sleep 0.05; done; "
        "ip -n my-pod addr add $address dev eth0; ip -n my-pod route add default via 10.244.0.1; "
        "until [ $(wc -l </tmp/watched) -ge 3 ]; do sleep 0.05; done; kill $watcher; cat /tmp/watched"
    )
    done = cluster.lab.kernel.programs(cluster.lab.lab.nodes[0].place).run(("timeout", "60", "bash", "-c", script))
    ready = [line.split()[1] for line in done.out.splitlines()]
    assert ready == ["1/1", "0/1", "1/1"], done


def test_events_are_what_labctl_did(cluster: Cluster) -> None:
    number = str(step_called("objects"))
    for flag in ("--undo", "--apply"):
        said = cluster.lab.labctl("step", number, flag)
        assert said.code == 0, said
    cluster.lab.kernel.refresh()
    rows = cluster.kubectl("get", "events", "-A", "--no-headers").splitlines()
    assert any(re.search(r"default .* Created +pod/my-pod +create guest_network:master/my-pod", each) for each in rows)
    assert any(re.search(r" Created +node/master +create server:master/kube-apiserver", each) for each in rows)
    assert re.search(
        r"Normal +Created .* labctl +create guest:master/my-pod", cluster.kubectl("describe", "pod", "my-pod")
    )
