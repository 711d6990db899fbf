"""`ctr run --cni`: containers of containerd's own command line, on two nodes; its DEL knows no network namespace."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.runtimes.containerd import containerd_on_all
from tests.runtimes.image import NAME
from tests.runtimes.talk import ask, serving
from tests.runtimes.world import Leaving, needs, processes, runtime_lab, what_stands

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.machine, pytest.mark.root, needs("containerd", "ctr", "runc", "busybox")]

_RUN = ("ctr", "run", "--rm", "--cni", NAME)
_SHIM = "containerd-shim-runc-v2"


def test_ctr_run_cni_on_two_nodes(home: Path) -> None:
    with runtime_lab(home) as lab, containerd_on_all(lab):
        master, worker = lab.lab.nodes
        for node in lab.lab.nodes:
            # What the first container of a node makes and the last one does not take away.
            with Leaving() as leaving, serving(lab, node, (*_RUN, "first")):
                leaving.note(processes(lab, _SHIM))
        before = what_stands(lab)
        with Leaving() as leaving, serving(lab, worker, (*_RUN, "server")) as address:
            leaving.note(processes(lab, _SHIM))
            assert what_stands(lab) != before
            ask(lab, master, (*_RUN, "client"), address)
        assert what_stands(lab) == before
