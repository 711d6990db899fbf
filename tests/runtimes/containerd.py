"""A containerd of a node's own: its folders are the node's, its socket is reached through the node's root."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections import deque
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab_under_test import labctl_command
from tests.runtimes import plugin
from tests.runtimes.cri import Cri
from tests.runtimes.image import NAME, build_image
from tests.world_probes import record_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab_under_test import LabUnderTest

SOCKET = "/run/containerd/containerd.sock"
_CONFIG = "/run/containerd.toml"
_SECONDS = 60.0
_BOOTED = "containerd successfully booted"

# Snapshotters that need what no node has, and a pause image of ours. The kernel here may forbid a lower OOM score.
_TOML = f"""\
version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.internal.v1.tracing", "io.containerd.tracing.processor.v1.otlp",
]
[grpc]
  address = "{SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{NAME}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{plugin.BIN}"
    conf_dir = "{plugin.CONF}"
"""


@contextmanager
def containerd_on(lab: LabUnderTest, node: str) -> Iterator[Cri]:
    """Run a containerd that has the image, in the CRI's namespace and in ctr's; give a connection to its CRI.

    It is started twice: what is imported while it runs, the CRI part learns of at some later time only.
    """
    files = lab.kernel.files(node)
    files.write(_CONFIG, _TOML)
    archive = lab.home / "shared/busybox.tar"
    archive.write_bytes(build_image())
    with _running(lab, node):
        for namespace in ("k8s.io", "default"):
            argv = ("ctr", "--namespace", namespace, "images", "import", f"/opt/labctl/shared/{archive.name}")
            done = lab.kernel.programs(lab.lab.place(node)).run(argv)
            assert done.code == 0, done.err
    with _running(lab, node), Cri(_seen_from_here(lab, node, SOCKET)) as cri:
        yield cri


@contextmanager
def containerd_on_all(lab: LabUnderTest) -> Iterator[dict[str, Cri]]:
    """One on every node."""
    with ExitStack() as stack:
        yield {node.name: stack.enter_context(containerd_on(lab, node.name)) for node in lab.lab.nodes}


def _seen_from_here(lab: LabUnderTest, node: str, path: str) -> Path:
    keeper = dict(record_of(lab.home)["keepers"])[node]
    return Path(f"/proc/{keeper['outside']}/root{path}")


@contextmanager
def _running(lab: LabUnderTest, node: str) -> Iterator[None]:
    process = subprocess.Popen(
        (*labctl_command(), "exec", node, "--", "containerd", "--config", _CONFIG),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "LABCTL_HOME": str(lab.home)},
    )
    said: deque[str] = deque(maxlen=60)
    booted = threading.Event()
    listener = threading.Thread(target=_listen, args=(process, said, booted))
    listener.start()
    try:
        assert booted.wait(_SECONDS), "".join(said)
        assert process.poll() is None, "".join(said)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(_SECONDS)
        listener.join(_SECONDS)


def _listen(process: subprocess.Popen[str], said: deque[str], booted: threading.Event) -> None:
    """Keep the last that it says; it is up, or dead, when the event is set."""
    assert process.stderr
    with process.stderr as lines:
        for line in lines:
            said.append(line)
            if _BOOTED in line:
                booted.set()
    booted.set()
