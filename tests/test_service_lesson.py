"""What the lesson of step 9 shows of the world as it is, and the program by which it has lookups measured."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from labctl.model.lab import Place
from labctl.model.shell import HereDocument, Run, Var, render_command
from labctl.resources.service_reading.retell import retell
from tests.lab_under_test import run_labctl, step_called
from tests.service_tables import MINE, B, portal, saved, typed

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab_under_test import LabUnderTest

PROXY = step_called("proxy")
NOT_YET = "(no rule is about it yet: do the step, then read this again)"


def counted(text: str) -> str:
    """As `iptables-save -c` prints it: each rule has met as many connections as its number."""
    numbers = iter(range(1, 1000))
    return re.sub(r"^-A ", lambda _: f"[{next(numbers)}:99] -A ", text.partition("*filter")[0], flags=re.MULTILINE)


def test_the_way_is_told_rule_by_rule_with_its_counts() -> None:
    told = retell(counted(saved(MINE, portal(B, name="other/svc:web", vip="10.96.7.7"))), MINE, {B: "b"})
    text = "\n".join(told)
    assert told[0].strip() == "PREROUTING"
    assert re.search(r"^ *\d+      to 10\.96\.0\.100 port 80 -> KUBE-SVC-QFGHW72L5AIIA6IV$", text, re.MULTILINE)
    assert re.search(r"^ *\d+        1 in 3 -> KUBE-SEP-\w{16}$", text, re.MULTILINE)
    assert re.search(r"^ *\d+          -> DNAT to 10\.244\.0\.3:80 \(b\)$", text, re.MULTILINE)
    assert re.search(r"^ *\d+      not marked 0x4000 -> RETURN$", text, re.MULTILINE)
    assert "10.96.7.7" not in text
    assert max(map(len, told)) <= 76


def test_a_rule_that_never_matches_is_told_too() -> None:
    never = f"PREROUTING -d {MINE.address}/32 -m statistic --mode random --probability 0.00000000000 -j RETURN"
    told = retell(counted(typed(never)), MINE, {})
    assert [" ".join(each.split()) for each in told[:2]] == ["PREROUTING", f"1 to {MINE.address} never -> RETURN"]


def test_where_no_rule_is_about_it_nothing_is_told() -> None:
    assert retell("", MINE, {}) == ()
    assert retell(counted(typed("POSTROUTING -s 10.244.0.0/24 ! -o cni0 -j MASQUERADE")), MINE, {}) == ()


@pytest.mark.machine
@pytest.mark.anybody
def test_the_lesson_shows_the_counters_as_they_are_now(lab: LabUnderTest) -> None:
    lab.apply(range(PROXY))
    assert NOT_YET in lab.labctl("step", str(PROXY), "--explain").out
    lab.apply((PROXY,))
    for count in (0, 7):
        lab.kernel.packets.fetch_all([(Place("master", "a"), "10.96.0.100", 80)] * count)
        before = lab.snapshot()
        for flags in (("--explain",), ()):
            said = lab.labctl("step", str(PROXY), *flags).out
            found = re.search(r"^ *(\d+) +to 10\.96\.0\.100 port 80 -> KUBE-SVC-", said, re.MULTILINE)
            assert found, said
            if flags:  # without a flag, probes are asked first
                assert int(found[1]) >= count
        assert lab.snapshot() == before


@pytest.mark.machine
@pytest.mark.anybody
def test_a_lesson_that_is_read_makes_no_world(home: Path) -> None:
    said = run_labctl(home, "step", str(PROXY), "--explain")
    assert said.code == 0
    assert NOT_YET in said.out
    assert run_labctl(home, "status").code == 1


@pytest.mark.machine
@pytest.mark.anybody
def test_lookups_are_measured_where_nothing_else_is(lab: LabUnderTest) -> None:
    before = lab.snapshot()
    said = lab.type("master", "unshare --net measure-lookups 3 300")
    assert said.code == 0, said
    heading, *rows = said.out.splitlines()
    assert heading.split()[0] == "Services"
    assert [row.split()[0] for row in rows] == ["3", "300"]
    assert all(re.fullmatch(r" +\d+( +\d+\.\d{3} s +\d+\.\d us){2}", row) for row in rows)
    said = lab.type("master", "measure-lookups 3")
    assert said.code == 1
    assert said.err.startswith("measure-lookups: this network namespace has eth0; usage: unshare --net")
    for wrong in ("", "0", "x", "1 -5", "20001"):
        said = lab.type("master", f"unshare --net measure-lookups {wrong}")
        assert (said.code, said.err.count("\n")) == (1, 1), said
    assert lab.snapshot() == before


@pytest.mark.machine
@pytest.mark.anybody
def test_a_here_document_is_read_as_it_was_written() -> None:
    lines = ('plain "quoted" $HOME `id` \\n a\\', ("${no} ", Var("A"), "tail"), "")
    script = f"A='x y$z'\n{render_command(HereDocument(Run(('cat',)), lines))}\n"
    done = subprocess.run(("bash", "-e", "-c", script), capture_output=True, text=True, check=True)
    assert done.stdout == 'plain "quoted" $HOME `id` \\n a\\\n${no} x y$ztail\n\n'
