"""`labctl cni conformance` as a person and a program call it: its answers, its exit codes, and nothing left behind."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import fastjsonschema
import pytest

from tests.cni_runtime import DEBIAN, needs_reference
from tests.lab_under_test import ROOT, Said, run_labctl
from tests.plugin_under_test import copy_ipam_stub, copy_tiny
from tests.terminal import Terminal

pytestmark = [pytest.mark.machine, pytest.mark.anybody, pytest.mark.long]

NOT_APPLICABLE = {"": {"RES", "STA", "FLD"}, "Debian's": {"RES"}, "1.1.0": {"ADD"}}
_FEW = ("--only", "VER,RES-01")


def test_the_answer_for_a_person(home: Path, tmp_path: Path) -> None:
    said = run_labctl(home, "cni", "conformance", str(copy_tiny(tmp_path)), *_FEW)
    assert said.code == 0, said
    assert said.err == ""
    lines = said.out.splitlines()
    assert lines[1].startswith("pass    VER-01  MUST   VERSION needs no variable")
    assert max(map(len, lines[1:])) <= 80
    assert lines[-1] == "10 pass, 0 MUST and 0 SHOULD fail, 0 not applicable, 0 unknown."
    # The world was its own, and is gone; that of this home was not asked for.
    assert not home.exists()


def test_a_must_that_fails_is_exit_code_1_and_says_what_was_sent(home: Path, tmp_path: Path) -> None:
    plugin = str(copy_tiny(tmp_path, "version-echo"))
    said = run_labctl(home, "cni", "conformance", plugin, *_FEW, "--json")
    assert (said.code, said.err) == (1, "")
    answer = json.loads(said.out)
    schema = (ROOT / "docs/schemas/cni-conformance.json").read_text(encoding="utf-8")
    fastjsonschema.compile(json.loads(schema))(answer)
    assert answer["plugin"] == plugin
    (failed,) = (each for each in answer["checks"] if each["outcome"] == "fail")
    assert (failed["id"], failed["level"], failed["section"]) == ("VER-03", "MUST", "5 Version")
    assert 'sent CNI_COMMAND=VERSION with {"cniVersion": "0.3.1"}' in failed["why"]
    assert "came exit code 0, stdout" in failed["why"]
    assert f"The specification says: {failed['says']}" in failed["why"]


def test_junit(home: Path, tmp_path: Path) -> None:
    said = run_labctl(home, "cni", "conformance", str(copy_tiny(tmp_path, "version-echo")), *_FEW, "--junit")
    suite = ET.fromstring(said.out)  # noqa: S314 (our own)
    assert (said.code, suite.get("tests"), suite.get("failures")) == (1, "10", "1")


def test_a_configuration_of_ones_own(home: Path, tmp_path: Path) -> None:
    part = {"type": "other", "bridge": "mine0", "ipam": {"ranges": [[{"subnet": "10.99.0.0/24"}]]}}
    conf = tmp_path / "my.conflist"
    conf.write_text(json.dumps({"cniVersion": "1.0.0", "name": "mine", "plugins": [part]}), encoding="utf-8")
    plugin = str(copy_tiny(tmp_path))
    arguments = ("--conf", str(conf), "--only", "RES-01,KRN,DEL-04", "--json")
    said = run_labctl(home, "cni", "conformance", plugin, *arguments)
    assert said.code == 0, said
    outcomes = {each["id"]: each["outcome"] for each in json.loads(said.out)["checks"]}
    assert set(outcomes.values()) == {"pass"}


@pytest.mark.parametrize(
    "arguments",
    [
        ("/no/such/plugin",),
        ("{tiny}", "--only", "ADD-99"),
        ("{tiny}", "--conf", "/no/such/file"),
        ("{tiny}", "--junit"),
    ],
)
def test_what_cannot_be_done_is_an_error_with_a_hint(home: Path, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    tiny = str(copy_tiny(tmp_path))
    said = run_labctl(home, "cni", "conformance", *(each.format(tiny=tiny) for each in arguments), "--json")
    error = json.loads(said.out)["error"]
    assert (said.code, error["code"], said.err) == (2, 2, "")
    assert error["hint"]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("ipam", ["", pytest.param("Debian's", marks=needs_reference), "1.1.0"])
def test_labnet_passes_every_check(home: Path, tmp_path: Path, ipam: str) -> None:
    plugin = json.loads(run_labctl(home, "cni", "show", "--json").out)["plugin"]
    folders = {"Debian's": Path(DEBIAN), "1.1.0": copy_ipam_stub(tmp_path).parent}
    more = ("--ipam", str(folders[ipam])) if ipam else ()
    more += ("--only", "RES,CHK,DEL,CHN") if ipam == "Debian's" else ()  # the rest is asked with the other
    said = run_labctl(home, "cni", "conformance", plugin, *more, "--json")
    checks = json.loads(said.out)["checks"]
    assert said.code == 0, said
    outcomes = {
        word: {each["id"] for each in checks if each["outcome"] == word}
        for word in ("fail", "unknown", "not_applicable")
    }
    assert not outcomes["fail"] | outcomes["unknown"]
    # What cannot be asked of it: there is no IPAM plug-in to be missing; or one that has no dns.
    kinds = {each.partition("-")[0] for each in outcomes["not_applicable"]}
    assert kinds <= NOT_APPLICABLE[ipam], outcomes["not_applicable"]


# A labctl that the signal comes to at its Nth event: when the world is made, a call has ended, the world is taken down.
_CUT = f"""
import os, signal, sys
sys.path.insert(0, {str(ROOT)!r})
from labctl.cni.conformance.bench import Bench
from labctl.world.sandbox import Sandbox
from labctl.__main__ import main
at, count = int(sys.argv.pop(1)), 0
def cut(kind, method, before):
    do = getattr(kind, method)
    def hook(self, *words, **named):
        global count
        count += 1
        if before and count == at:
            os.kill(os.getpid(), signal.SIGINT)
        done = do(self, *words, **named)
        if not before and count == at:
            os.kill(os.getpid(), signal.SIGINT)
        return done
    setattr(kind, method, hook)
cut(Sandbox, "up", before=False)
cut(Bench, "call", before=False)
cut(Sandbox, "down", before=True)
code = main()
os.write(2, f"events: {{count}}\\n".encode())
sys.exit(code)
"""


def _cut(scratch: Path, at: int, *arguments: str) -> tuple[Said, int]:
    done = subprocess.run(
        (sys.executable, "-P", "-c", _CUT, str(at), "cni", "conformance", *arguments),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TMPDIR": str(scratch)},
    )
    *said, last = done.stderr.splitlines(keepends=True)
    assert last.startswith("events: "), done.stderr
    return Said(done.returncode, done.stdout, "".join(said)), int(last.split()[1])


def _check_nothing_is_left(scratch: Path) -> None:
    assert not list(scratch.iterdir())
    processes = subprocess.run(("ps", "-eo", "args"), capture_output=True, text=True, check=True).stdout
    assert str(scratch) not in processes


def test_ctrl_c_at_every_moment_leaves_nothing(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    arguments = (str(copy_tiny(tmp_path)), "--only", "VER-01,ADD-01")
    said, events = _cut(scratch, 0, *arguments)
    assert said.code == 0
    assert events > 3
    for at in range(1, events + 1):
        said, _ = _cut(scratch, at, *arguments)
        again = shlex.join(("labctl", "cni", "conformance", *arguments))
        assert said == Said(130, "", f"interrupted: the world of the checks is gone again; once more: {again}\n"), at
        _check_nothing_is_left(scratch)


def test_ctrl_c_with_json_is_an_object(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    said, _ = _cut(scratch, 2, str(copy_tiny(tmp_path)), "--json")
    error = json.loads(said.out)["error"]
    assert (said.code, error["code"], error["what"], said.err) == (130, 130, "interrupted", "")
    _check_nothing_is_left(scratch)


def test_ctrl_c_on_a_terminal(home: Path, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    arguments = ("cni", "conformance", str(copy_tiny(tmp_path)))
    with Terminal(home, *arguments, environment={"TMPDIR": str(scratch)}) as terminal:
        terminal.read_until("ADD-02")
        terminal.type("\x03\x03\x03")
        shown = terminal.read_rest()
        assert terminal.process.wait() == 130
    assert "Traceback" not in shown
    assert shown.count("interrupted: the world of the checks is gone again") == 1
    _check_nothing_is_left(scratch)
