"""podman with its CNI backend: containers on two nodes. It asks a plug-in for its VERSION before anything else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.runtimes import plugin
from tests.runtimes.image import NAME, build_image
from tests.runtimes.talk import ask, serving
from tests.runtimes.world import Leaving, needs, processes, runtime_lab, what_stands

if TYPE_CHECKING:
    from pathlib import Path

    from labctl.model.lab import Node
    from tests.lab_under_test import LabUnderTest

pytestmark = [pytest.mark.machine, pytest.mark.root, needs("podman", "conmon", "runc", "busybox")]

_CONFIG, _STORAGE = "/run/podman.toml", "/run/podman-storage.toml"

# No systemd holds the control groups in there, nor keeps a journal.
_CONFIG_TOML = f"""\
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
[network]
network_backend = "cni"
cni_plugin_dirs = ["{plugin.BIN}"]
network_config_dir = "{plugin.CONF}"
"""
_STORAGE_TOML = """\
[storage]
driver = "overlay"
graphroot = "/var/lib/containers/storage"
runroot = "/run/containers/storage"
"""

_PODMAN = ("env", f"CONTAINERS_CONF={_CONFIG}", f"CONTAINERS_STORAGE_CONF={_STORAGE}", "TMPDIR=/tmp", "podman")
# Higher limits, which podman would set, are refused where root has no CAP_SYS_RESOURCE.
_LIMITS = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024")
_RUN = (*_PODMAN, "--runtime", "runc", "run", "--rm", "-i", "--network", plugin.NETWORK, *_LIMITS, NAME)


def test_podman_runs_containers_on_two_nodes(home: Path) -> None:
    with runtime_lab(home) as lab:
        master, worker = lab.lab.nodes
        archive = home / "shared/busybox.tar"
        archive.write_bytes(build_image())
        for node in lab.lab.nodes:
            _prepare(lab, node, f"/opt/labctl/shared/{archive.name}")
            # What the first container of a node makes and the last one does not take away.
            with Leaving() as leaving, serving(lab, node, _RUN):
                leaving.note(processes(lab, "conmon"))
        before = what_stands(lab)
        with Leaving() as leaving, serving(lab, worker, _RUN) as address:
            leaving.note(processes(lab, "conmon"))
            assert what_stands(lab) != before
            ask(lab, master, _RUN, address)
        assert what_stands(lab) == before


def _prepare(lab: LabUnderTest, node: Node, archive: str) -> None:
    files, programs = lab.kernel.files(node.name), lab.kernel.programs(node.place)
    files.write(_CONFIG, _CONFIG_TOML)
    files.write(_STORAGE, _STORAGE_TOML)
    loaded = programs.run((*_PODMAN, "load", "--input", archive))
    assert loaded.code == 0, loaded.err
    # A configuration whose plug-in answers VERSION in another way is left out, with a mere warning.
    listed = programs.run((*_PODMAN, "network", "ls", "--format", "{{.Name}}"))
    assert plugin.NETWORK in listed.out.split(), listed
    assert not listed.err
