"""nmap on several nodes at once: who answers on each, and what becomes of one that cannot ask."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest

from labctl.errors import CannotTell, ToolMissing
from labctl.kernel.remote import RemoteKernel
from labctl.kernel.scan import asking, read_answering
from labctl.model.store import read_reservations
from labctl.world.topology import spread
from tests.lab_under_test import LabUnderTest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

pytestmark = [pytest.mark.machine, pytest.mark.anybody]


@pytest.fixture
def three(home: Path) -> Iterator[LabUnderTest]:
    with LabUnderTest(home, spread(3, 2)) as lab:
        lab.apply((0,))
        yield lab


def _reserved(lab: LabUnderTest, node: str) -> list[str]:
    lab.kernel.refresh()
    return [address for address, whose in read_reservations(lab.kernel, node, lab.lab.network) if len(whose) == 1]


def test_each_node_is_asked_for_its_own_range(three: LabUnderTest) -> None:
    first, second, third = three.lab.nodes
    taken = str(second.pod_range[2])
    assert three.type(second.name, f"ip addr add {taken}/24 dev cni0").code == 0
    asks = [(each.name, str(each.pod_range)) for each in three.lab.nodes]
    bridges = [str(each.bridge_address) for each in three.lab.nodes]
    assert three.kernel.scan_all(asks) == ((bridges[0],), (bridges[1], taken), (bridges[2],))
    three.apply((1,))
    assert _reserved(three, first.name) == [str(first.pod_range[2]), str(first.pod_range[3])]
    assert _reserved(three, second.name) == [str(second.pod_range[3]), str(second.pod_range[4])]
    assert _reserved(three, third.name) == [str(third.pod_range[2]), str(third.pod_range[3])]


def test_an_apply_on_all_nodes_asks_all_ranges_at_once(three: LabUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    together: list[object] = []
    scan_all = RemoteKernel.scan_all

    def spied(kernel: RemoteKernel, asks: Sequence[tuple[str, str]]) -> object:
        together.append(asks)
        return scan_all(kernel, asks)

    monkeypatch.setattr(RemoteKernel, "scan_all", spied)
    three.apply((1,))
    assert together == [tuple((each.name, str(each.pod_range)) for each in three.lab.nodes)]


def test_nmap_warns_of_nothing_and_why_it_failed_is_said(three: LabUnderTest) -> None:
    node = three.lab.nodes[0]
    done = three.kernel.programs(node.place).run(asking(str(node.pod_range)))
    assert (done.code, done.err) == (0, "")
    done = three.type(node.name, f"setpriv --bounding-set=-net_raw {shlex.join(asking(str(node.pod_range)))}")
    assert done.code != 0
    with pytest.raises(CannotTell) as refused:
        read_answering(done)
    assert refused.value.what.startswith("nmap failed: dnet: Failed to open device cni0")


def test_what_was_found_together_is_not_asked_again(three: LabUnderTest) -> None:
    node = three.lab.nodes[1]
    ask = (node.name, str(node.pod_range))
    (found,) = three.kernel.scan_all([ask])
    three.kernel.programs(node.place).run(("ip", "addr", "add", f"{node.pod_range[9]}/24", "dev", "cni0"))
    assert three.kernel.scanner(node.name).answering(ask[1]) == found
    three.kernel.refresh()
    assert three.kernel.scanner(node.name).answering(ask[1]) == (*(found or ()), str(node.pod_range[9]))


def test_a_range_that_cannot_be_asked_is_nobodys_answer(three: LabUnderTest) -> None:
    without, good = three.lab.nodes[:2]
    assert three.type(without.name, 'mount --bind /dev/null "$(command -v nmap)"').code == 0
    found = three.kernel.scan_all([(each.name, str(each.pod_range)) for each in (without, good)])
    assert found == (None, (str(good.bridge_address),))
    with pytest.raises(ToolMissing, match="nmap is not installed"):
        three.apply((1,))
    assert _reserved(three, good.name) == []
