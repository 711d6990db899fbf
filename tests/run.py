"""`./lab test`: the checks of the code, the whole suite as this user and as the other kind, the machine unchanged.

The other kind: root runs it once more as an ordinary user, in a copy that this user owns, with an environment made
there by `./lab` from the lock files; an ordinary user who may sudo runs it once more as root. The laws, the world, the
shell: all that may differ between the two is run both ways (not so: unit tests, and what is marked `anybody`).
With arguments, only pytest runs, with these: `./lab test tests/test_laws.py -k law_5`.

Container runtimes that the tests call are installed before anything else where that is possible: with apt-get, as root.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.machine_state import differences, foreign_processes, machine_state  # noqa: E402 (the path is set above)

_BIN = Path(sys.executable).parent
# Of nobody on the machine (systemd, UIDS-GIDS.md: nothing is handed out there).
_ORDINARY = 1_900_000_001
_AGAIN = "LAB_TEST_AGAIN"
_CI = os.environ.get("CI") == "true"
_MOST_BESIDE = 32
_SCRIPTS = ("lab", ".ci/run", "vm/provision", "tests/vm/run")
# The real programs of tests/test_runtime_*.py, by the names of Debian's packages.
_RUNTIMES = (
    "busybox-static",
    "containerd",
    "containernetworking-plugins",
    "golang-github-appc-cni-dev",
    "golang-go",
    "podman",
    "runc",
)


@dataclass
class Tally:
    """What came of the suite, and what else went wrong."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    faults: int = 0

    def fault(self, text: str) -> None:
        """Note something that is wrong."""
        self.faults += 1
        print(f"FAULT: {text}", flush=True)

    def add(self, report: Path) -> None:
        """Count a JUnit report in.

        A suite that did not get to its end has none; its exit code has been noted already.
        """
        if report.is_file():
            for suite in ET.parse(report).getroot().iter("testsuite"):  # noqa: S314 (written by our own pytest)
                bad = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
                self.failed += bad
                self.skipped += int(suite.get("skipped", 0))
                self.passed += int(suite.get("tests", 0)) - bad - int(suite.get("skipped", 0))


def main(arguments: list[str]) -> int:
    """Run what was asked for; 0 only if nothing is wrong."""
    os.chdir(ROOT)
    if arguments:
        return _pytest(arguments).returncode
    tally = Tally()
    again = os.environ.get(_AGAIN)
    if not again:
        _install_runtimes()
        if shutil.which("gcloud") is None:
            print("NOTE: not installed: gcloud; the tests that call the real one are not run", flush=True)
    with tempfile.TemporaryDirectory(prefix="labctl-test-") as folder:
        reports = Path(folder)
        # The one who comes second writes here.
        reports.chmod(0o755)
        before, processes = machine_state(), foreign_processes()
        if not again:
            _check_code(tally)
        _run_suite(tally, Path(again) if again else reports / "own.xml")
        if not again:
            tally.add(reports / "own.xml")
            _run_again(tally, reports)
        _check_machine(tally, before, processes)
    if again:
        return 1 if tally.faults else 0
    # A skipped test has shown nothing: where every tool is installed, as in CI, it is a fault.
    if tally.skipped and _CI:
        tally.fault(f"{tally.skipped} tests were skipped")
    print(f"labctl: {tally.passed} passed, {tally.failed} failed, {tally.skipped} skipped", flush=True)
    return 1 if tally.faults or tally.failed or not tally.passed else 0


def _install_runtimes() -> None:
    """Install the container runtimes that are missing, if we may; else say so, and their tests are skipped."""
    missing = _missing_runtimes()
    become = () if os.geteuid() == 0 else ("sudo", "-n")
    if missing and shutil.which("apt-get") and (not become or shutil.which("sudo")):
        _say(f"installing {' '.join(missing)}")
        apt = (*become, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-o", "DPkg::Lock::Timeout=120")
        install = (*apt, "install", "-y", "--no-install-recommends")
        # Without news of what there is, apt-get may know none of them; one that does not exist spoils them all.
        for argv in ((*install, *missing), (*apt, "update"), *((*install, name) for name in missing)):
            done = subprocess.run(argv, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True)
            if done.returncode != 0:
                print(done.stderr.strip(), flush=True)
            elif argv[-1] != "update" and not (missing := _missing_runtimes()):
                break
    if missing:
        print(f"NOTE: not installed: {' '.join(missing)}; the tests that call them are skipped", flush=True)


def _missing_runtimes() -> list[str]:
    return [name for name in _RUNTIMES if not _is_installed(name)]


def _is_installed(package: str) -> bool:
    """Ask dpkg; where there is none, the tests themselves look for the programs."""
    if shutil.which("dpkg-query") is None:
        return False
    argv = ("dpkg-query", "--show", "--showformat", "${db:Status-Status}", package)
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout == "installed"


def _check_code(tally: Tally) -> None:
    benchmarks = (path for path in sorted((ROOT / "benchmarks").iterdir()) if path.is_file() and not path.suffix)
    scripts = [str(path) for path in (*map(ROOT.joinpath, _SCRIPTS), *benchmarks)]
    documents = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
    generated = [str(path) for path in documents if "[[[cog" in path.read_text(encoding="utf-8")]
    for argv in (
        ("ruff", "check", "."),
        ("ruff", "format", "--check", "."),
        ("mypy",),
        ("lint-imports",),
        ("shellcheck", *scripts),
        ("cog", "-P", "--check", *generated),
    ):
        _say(f"{' '.join(argv[:3])}")
        # cog's snippets import labctl and tests, wherever cog itself lies.
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        if subprocess.run((str(_BIN / argv[0]), *argv[1:]), check=False, env=environment).returncode != 0:
            tally.fault(f"{argv[0]} is not content")


def _pytest(arguments: list[str]) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run((sys.executable, "-m", "pytest", *arguments), check=False)


def _run_suite(tally: Tally, report: Path) -> None:
    who = "root" if os.geteuid() == 0 else "an ordinary user"
    _say(f"the suite as {who}")
    began = time.monotonic()
    # Four for each core: most of a test's time is waiting, for silence or for what it has started. Handed out one by
    # one, what takes long first (tests/conftest.py): no core is left without work at the end.
    # What cannot differ between users is shown once: unit tests, and what is marked so.
    terms = ["machine", "not anybody"] if os.environ.get(_AGAIN) else []
    terms += ["not root"] if os.geteuid() != 0 else []
    chosen = ["-m", " and ".join(terms)] if terms else []
    beside = ["-n", str(min(4 * len(os.sched_getaffinity(0)), _MOST_BESIDE)), "--dist", "load", "--maxschedchunk", "1"]
    done = _pytest(["-q", *beside, "--durations=15", f"--junit-xml={report}", *chosen])
    if done.returncode != 0:
        tally.fault(f"the suite failed as {who} (pytest ended with {done.returncode})")
    _say(f"that took {time.monotonic() - began:.0f} s")


def _run_again(tally: Tally, reports: Path) -> None:
    """The whole suite once more, as root if we are not, as an ordinary user if we are."""
    if os.geteuid() == 0:
        _run_as_ordinary_user(tally, reports)
    elif subprocess.run(("sudo", "-n", "true"), check=False, stderr=subprocess.DEVNULL).returncode == 0:
        argv = ("sudo", "-n", "env", f"{_AGAIN}={reports / 'other.xml'}", str(ROOT / "lab"), "test")
        _note_other(tally, reports, subprocess.run(argv, check=False).returncode)
    else:
        text = "the suite was not run as root: no sudo without a password"
        print(f"NOTE: {text}", flush=True)
        if _CI:
            tally.fault(text)


def _run_as_ordinary_user(tally: Tally, reports: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="labctl-user-") as folder:
        base = Path(folder)
        base.chmod(0o755)
        copy, home, report = base / "a checkout", base / "home", base / "other.xml"
        shutil.copytree(ROOT, copy, symlinks=True, ignore=shutil.ignore_patterns(".venv", ".*_cache", "__pycache__"))
        home.mkdir()
        report.touch()
        for path in (base, copy, home, report, *copy.rglob("*")):
            os.chown(path, _ORDINARY, _ORDINARY, follow_symlinks=False)
        wanted = ("PIP_", "SSL_", "CI", "LANG", "LAB_")
        kept = {name: value for name, value in os.environ.items() if name.startswith(wanted)}
        environment = {**kept, "PATH": os.environ["PATH"], "HOME": str(home), _AGAIN: str(report)}
        ids = (f"--reuid={_ORDINARY}", f"--regid={_ORDINARY}", "--clear-groups")
        argv = ("setpriv", *ids, str(copy / "lab"), "test")
        code = subprocess.run(argv, check=False, env=environment, cwd=home, stdin=subprocess.DEVNULL).returncode
        shutil.copy(report, reports / "other.xml")
    _note_other(tally, reports, code)


def _note_other(tally: Tally, reports: Path, code: int) -> None:
    if code != 0:
        tally.fault("the suite failed as the other kind of user")
    before = tally.passed
    tally.add(reports / "other.xml")
    if tally.passed == before:
        tally.fault("no test passed as the other kind of user")


def _check_machine(tally: Tally, before: dict[str, object], processes: dict[int, str]) -> None:
    for line in differences(before, machine_state()):
        tally.fault(f"the machine is not as it was: {line}")
    for pid, command in foreign_processes().items():
        if pid not in processes:
            tally.fault(f"a process of a lab was left over: {pid} {command}")


def _say(text: str) -> None:
    print(f"--- {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
