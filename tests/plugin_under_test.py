"""A plug-in on the bench, for a test: the same parts that `labctl cni conformance` puts together, without a screen."""

from __future__ import annotations

import marshal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from labctl.cni.conformance.bench import Bench
from labctl.cni.conformance.checks import CHECKS
from labctl.cni.conformance.network import Network, default_configuration
from labctl.cni.conformance.runner import ask_all, choose
from labctl.cni.conformance.staging import stage
from labctl.world.topology import spread
from tests.lab_under_test import ROOT, LabUnderTest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

    from labctl.cni.conformance.check import Verdict


def copy_tiny(folder: Path, fault: str = "") -> Path:
    """The tiny plug-in, right or with one fault: its name says which."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (f"tiny-{fault}" if fault else "tiny")
    # This Python is seen in every world; the machine's own may be too old. It need not compile the same at every call.
    code = compile((ROOT / "tests/cni_bad_plugin.py").read_bytes(), str(path), "exec")
    path.write_text(
        f"#!{sys.executable} -IS\nimport marshal\nexec(marshal.loads({marshal.dumps(code)!r}))\n", encoding="utf-8"
    )
    path.chmod(0o755)
    return path


def copy_ipam_stub(folder: Path, name: str = "host-local") -> Path:
    """The IPAM plug-in that speaks 1.1.0, under a name."""
    path = folder / name
    path.write_text(
        f"#!{sys.executable} -IS\n{(ROOT / 'tests/cni_ipam_stub.py').read_text(encoding='utf-8')}", encoding="utf-8"
    )
    path.chmod(0o755)
    return path


@contextmanager
def bench_with(
    home: Path, plugin: Path, ipam: Path | None = None, configuration: dict[str, Any] | None = None
) -> Iterator[Bench]:
    """A world of one node with the plug-in in it."""
    network = Network(configuration or default_configuration(plugin.name, delegated=bool(ipam)))
    with LabUnderTest(home, spread(1, 1)) as lab:
        programs = lab.kernel.programs(lab.lab.nodes[0].place)
        yield Bench(lab.kernel, lab.lab, stage(programs, plugin, ipam), network)


def try_plugin(home: Path, plugin: Path, only: str = "", ipam: Path | None = None) -> list[Verdict]:
    """What comes of the checks that `only` names, or of all."""
    with bench_with(home, plugin, ipam) as bench:
        return list(ask_all(bench, choose(CHECKS, only), lambda _said: None))


def ids(verdicts: list[Verdict], outcome: str) -> set[str]:
    """The checks that came out so."""
    return {each.check.id for each in verdicts if each.outcome.value == outcome}
