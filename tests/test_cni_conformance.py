"""The conformance checker on a plug-in that is right, and wrong in one way at a time; and on the reference plug-in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from labctl.cni.conformance.check import Check, Level, Outcome
from labctl.cni.conformance.checks import CHECKS
from labctl.cni.conformance.network import default_configuration
from labctl.cni.conformance.runner import ask, ask_all, choose, exit_code
from labctl.errors import UsageError
from tests.cni_bad_plugin import FAULTS, MORE_FAULTS
from tests.cni_runtime import DEBIAN, needs_reference
from tests.plugin_under_test import bench_with, copy_tiny, ids, try_plugin

pytestmark = [pytest.mark.machine, pytest.mark.anybody, pytest.mark.long]

if TYPE_CHECKING:
    from labctl.cni.conformance.bench import Bench
    from labctl.cni.conformance.check import Verdict

REFERENCE = Path(DEBIAN)

# Which checks are meant for a fault, of all that there are.
FOUND = {
    "version-echo": {"VER-03"},
    "always-eth0": {"ADD-07"},
    "wrong-mac": {"KRN-02"},
    "index": {"RES-06"},
    "add-twice": {"ADD-05", "ADD-06", "FLD-06"},
    "del-once": {"DEL-05", "DEL-06", "FLD-05", "KIL-01"},
    # Whatever asks whether an address is free again, or a file left.
    "address-leak": {
        *("DEL-03", "DEL-04", "DEL-11", "DEL-13", "DEL-15", "DEL-17", "DEL-19", "DEL-21"),
        *("DUA-06", "GC-02", "GC-03", "GC-05", "CON-05", "KIL-02", "KIL-03"),
    },
    "prefix-match": {"DEL-07"},
    "no-roll-back": {"FLD-01", "FLD-02"},
    # Whatever CHECK should find; it does not ask the IPAM plug-in either.
    "check-nothing": {*(f"CHK-{number:02}" for number in (3, 4, 5, *range(8, 19), 20)), "DUA-05", "IPM-07", "IPM-13"},
    "check-firewall": {"CHK-18"},
    "no-lock": {"CON-02"},
    "trace": {"ERR-08", "ERR-09", "ERR-50", "ERR-54"},
    "gc-all": {"GC-01", "GC-03", "GC-05"},
    "drop-previous": {"CHN-01", "CHN-02"},
}
# Faults that are tried at once: no two of a set are found by the same check, or would hide each other.
TOGETHER = (
    ("version-echo", "address-leak", "trace", "index"),
    ("always-eth0", "check-nothing", "gc-all", "no-roll-back"),
    ("wrong-mac", "no-lock", "drop-previous", "check-firewall"),
    ("add-twice", "del-once", "prefix-match"),
)
# The same for those that concern delegation, two families and neighbours, among these checks.
_MORE = "IPM,DUA,NBR,GC-08"
FOUND_MORE = {
    "ipam-environment": {"IPM-02"},
    "ipam-part": {"IPM-03"},
    "ipam-quiet": {"IPM-05"},
    "ipam-routes": {"IPM-04"},
    "ipam-once": {f"IPM-{number:02}" for number in range(6, 16)},
    "ipam-swallow": {"IPM-12", "IPM-13", "IPM-14", "IPM-15"},
    "ipam-kept": {"IPM-11"},
    "ipam-not-told": {"IPM-10"},
    "ipam-gc-first": {"GC-08"},
    "one-family": {"DUA-01"},
    "no-second": {"DUA-02", "DUA-03", "DUA-04", "DUA-05"},
    "no-second-route": {"DUA-03"},
    "second-leak": {"DUA-06"},
    "check-first": {"DUA-05"},
    "bridge-restart": {"NBR-01"},
    "bridge-mac": {"NBR-01", "NBR-02"},
    "bridge-stop": {"NBR-02"},
}


@pytest.mark.timeout(300)
def test_a_plugin_that_is_right_passes_everything(home: Path, tmp_path: Path) -> None:
    verdicts = try_plugin(home, copy_tiny(tmp_path))
    wrong = [(each.check.id, each.why) for each in verdicts if each.outcome in (Outcome.FAIL, Outcome.UNKNOWN)]
    assert not wrong
    assert exit_code(verdicts) == 0
    # No IPAM plug-in, no dns, no filter rules: and why is said.
    left_out = {each.check.id: each.why for each in verdicts if each.outcome is Outcome.NOT_APPLICABLE}
    assert set(left_out) == {"RES-08", "CHK-19", "STA-04", "FLD-03", "FLD-04"}
    assert all(left_out.values())


def test_every_fault_is_looked_for() -> None:
    assert set(FOUND) == set(FAULTS)
    assert len(FAULTS) == 15
    assert sorted(fault for faults in TOGETHER for fault in faults) == sorted(FOUND)
    assert {*FOUND_MORE, "ipam-beside"} == set(MORE_FAULTS)


def _check_found(verdicts: list[Verdict], expected: set[str]) -> None:
    assert ids(verdicts, "fail") == expected
    assert ids(verdicts, "unknown") == set()
    failed = [each.why for each in verdicts if each.outcome is Outcome.FAIL]
    assert all("sent CNI_" in why or "more than once" in why for why in failed)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("faults", TOGETHER, ids="+".join)
def test_faults_are_found_by_their_checks_and_no_others(home: Path, tmp_path: Path, faults: tuple[str, ...]) -> None:
    """Of all the checks there are; which fault each check found is told by the next test."""
    verdicts = try_plugin(home, copy_tiny(tmp_path, "+".join(faults)))
    assert len(verdicts) == len(CHECKS)
    _check_found(verdicts, set().union(*(FOUND[each] for each in faults)))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("fault", FOUND)
def test_a_fault_alone_is_found_by_its_own_checks(home: Path, tmp_path: Path, fault: str) -> None:
    """Of those that found something in the plug-in with this fault and others."""
    (faults,) = (each for each in TOGETHER if fault in each)
    asked = set().union(*(FOUND[each] for each in faults))
    verdicts = try_plugin(home, copy_tiny(tmp_path, fault), ",".join(asked))
    assert len(verdicts) == len(asked) == sum(len(FOUND[each]) for each in faults)
    _check_found(verdicts, FOUND[fault])


@pytest.mark.timeout(300)
@pytest.mark.parametrize("fault", FOUND_MORE)
def test_a_fault_of_what_is_around_is_found_too(home: Path, tmp_path: Path, fault: str) -> None:
    _check_found(try_plugin(home, copy_tiny(tmp_path, fault), _MORE), FOUND_MORE[fault])


@pytest.mark.parametrize(("fault", "expected"), [("", set()), ("ipam-beside", {"IPM-01"})])
def test_an_ipam_plugin_that_is_not_looked_for_on_the_path(
    home: Path, tmp_path: Path, fault: str, expected: set[str]
) -> None:
    plugin = copy_tiny(tmp_path, fault)
    with bench_with(home, plugin, configuration=default_configuration(plugin.name, delegated=True)) as bench:
        _check_found(list(ask_all(bench, choose(CHECKS, "IPM-01"), lambda _said: None)), expected)


def test_a_plugin_that_never_ends_is_not_waited_for_for_ever(home: Path, tmp_path: Path) -> None:
    plugin = _write(tmp_path, "exec sleep 1000")
    verdicts = try_plugin(home, plugin, "VER-01,VER-02,ADD-01,ERR-01,ERR-55")
    assert {"VER-01", "ADD-01", "ERR-01", "ERR-55"} <= ids(verdicts, "fail")
    whys = {each.check.id: each.why for each in verdicts}
    assert "came no end within 10 seconds" in whys["VER-01"]
    assert "it did not end" in whys["ERR-01"]


@pytest.mark.parametrize("stream", ["1", "2"])
def test_a_plugin_that_prints_without_end_is_ended(home: Path, tmp_path: Path, stream: str) -> None:
    verdicts = try_plugin(home, _write(tmp_path, f"exec yes text >&{stream}"), "VER-01,ERR-55")
    assert ids(verdicts, "fail") == {"VER-01", "ERR-55"}
    assert all("labctl ends output without end" in each.why for each in verdicts)


def test_what_a_plugin_leaves_running_is_not_waited_for(home: Path, tmp_path: Path) -> None:
    answer = '{"cniVersion": "1.0.0", "supportedVersions": ["1.0.0"]}'
    verdicts = try_plugin(home, _write(tmp_path, f"sleep 1000 &\necho '{answer}'"), "VER-01")
    assert ids(verdicts, "pass") == {"VER-01"}


def _write(folder: Path, script: str) -> Path:
    plugin = folder / "plugin"
    plugin.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    plugin.chmod(0o755)
    return plugin


@needs_reference
@pytest.mark.timeout(300)
def test_the_known_shortfalls_of_the_reference_plugin(home: Path) -> None:
    verdicts = try_plugin(home, REFERENCE / "bridge", ipam=REFERENCE / "host-local")
    failing = ids(verdicts, "fail")
    # VERSION does not echo; DEL with an empty CNI_NETNS leaks NAT rules; CHECK passes with the bridge down and with NAT
    # flushed; a failed IPAM plug-in leaves eth0; prevResult is not passed on.
    assert {"VER-03", "DEL-13", "CHK-16", "CHK-18", "FLD-01", "FLD-03", "CHN-01"} <= failing
    why = {each.check.id: each.why for each in verdicts}
    assert "the nat rule" in why["DEL-13"]
    assert "eth0" in why["FLD-03"]
    assert ids(verdicts, "unknown") == set()
    kinds = {each.check.id.partition("-")[0]: each.outcome for each in verdicts}
    assert kinds["GC"] is kinds["STA"] is Outcome.NOT_APPLICABLE
    # What it does well, so that nobody blames the checker.
    assert not failing & {f"{kind}-{number:02}" for kind in ("RES", "KRN", "CON") for number in range(20)}
    assert not failing & {"ADD-01", "ADD-03", "ADD-04", "ADD-05", "DEL-01", "DEL-03", "DEL-04", "DEL-05", "CHK-01"}
    assert exit_code(verdicts) == 1


def test_a_plugin_that_can_do_nothing_fails_where_it_should(home: Path, tmp_path: Path) -> None:
    plugin = tmp_path / "nothing"
    plugin.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    plugin.chmod(0o755)
    verdicts = try_plugin(home, plugin)
    failed = ids(verdicts, "fail")
    assert {"VER-01", "VER-02", "VER-03", "ADD-01"} <= failed
    # What builds on an ADD is not held against it a second time, nor passed.
    assert ids(verdicts, "unknown") == set()
    assert {"RES-01", "DEL-01", "DEL-04", "ADD-08"} <= ids(verdicts, "not_applicable")
    alone = {"VER", "ERR", "ADD-01", "ADD-15", "DEL-06"}
    assert {each for each in failed | ids(verdicts, "pass") if not {each, each[:3]} & alone} == set()


def test_a_check_that_breaks_says_so(home: Path, tmp_path: Path) -> None:
    def break_down(_: Bench) -> None:
        raise ZeroDivisionError("a defect of the check")

    with bench_with(home, copy_tiny(tmp_path)) as bench:
        verdict = ask(bench, Check("ABC-01", Level.MUST, "5 Success", "It does.", break_down))
        missing = ask(
            bench, Check("ABC-02", Level.MUST, "5 Success", "It does.", lambda bench: bench.do("false") and None)
        )
    assert (verdict.outcome, missing.outcome) == (Outcome.UNKNOWN, Outcome.UNKNOWN)
    assert "the check itself broke: ZeroDivisionError: a defect of the check" in verdict.why
    assert exit_code([verdict]) == 6


def test_what_is_no_program_is_refused(home: Path, tmp_path: Path) -> None:
    plugin = tmp_path / "text"
    plugin.write_text("text", encoding="utf-8")
    with pytest.raises(UsageError, match="is no program"):
        try_plugin(home, plugin, "VER-01")
    with pytest.raises(UsageError, match="is no program"):
        try_plugin(home, tmp_path, "VER-01")
    with pytest.raises(UsageError, match="cannot be read"):
        try_plugin(home, tmp_path / "none", "VER-01")
