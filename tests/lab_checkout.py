"""A small checkout with the real `lab` in it, on a machine whose programs are all chosen by the test.

`lab` finds programs in PATH and LAB_SYSTEM_PATHS only. Here these are two folders: the few programs that the script
itself uses (links to the real ones), a stand-in for each tool, and one for Python. `labctl` is a module that says on
stdout, as JSON, how it was started, and ends with 7.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
REAL_PYTHON = os.path.realpath(sys.executable)
TOOLS = ("ip", "iptables", "brctl", "nmap", "ping", "nft", "jq", "unshare", "dnsmasq", "openssl")
LOCK_FILES = tuple(path.name for path in ROOT.glob("requirements*.lock"))
USED_BY_LAB = ("cat", "cksum", "cmp", "cp", "env", "id", "mkdir", "mv", "readlink", "rm")

LABCTL = """
import json, os, sys

def main():
    print(json.dumps({
        "arguments": sys.argv[1:], "folder": os.getcwd(), "labctl": __file__, "json": json.__file__,
        "environment": sys.prefix, "bytecode": sys.pycache_prefix, "input": sys.stdin.read(),
        "umask": os.umask(0o022),
    }))
    return 7
"""

TESTS = """
import json, sys
print(json.dumps({"arguments": sys.argv[1:], "environment": sys.prefix}))
"""

# In place of pip: records; fails if told to; where the test holds it (hold_pip), says that it began and waits.
PIP = """
import os, sys
base = os.path.dirname(os.environ["CALLS"])
with open(os.environ["CALLS"], "a") as calls: print("pip", *sys.argv[1:], file=calls)
print("Collecting something", flush=True)
try:
    os.unlink(base + "/hold")
except FileNotFoundError:
    pass
else:
    open(base + "/began", "w").close()
    open(base + "/gate").close()
fails = os.environ.get("PIP_FAILS")
if fails == "yes" or fails and sys.argv[-1].endswith(fails): sys.exit("ERROR: no such package")
"""

# In place of Python: makes an environment in a tenth of a second where pip's own would take five; Python otherwise.
PYTHON = """#!/bin/sh
for last; do :; done
case "$*" in
    *ensurepip*) echo "$0" ;;
    *'-m venv'*)
        [ -z "${{VENV_FAILS:-}}" ] || {{ echo "no room"; exit 1; }}
        {python} "$@" --without-pip && cp -r {pip} "$last"/lib/python3.*/site-packages
        ;;
    *) exec {python} "$@" ;;
esac
"""


@dataclass(frozen=True)
class Checkout:
    """A test's folder: the checkout, the machine's programs, a home, and the variables that `lab` is started with."""

    base: Path
    variables: dict[str, str]

    @property
    def root(self) -> Path:
        return self.base / "my check out"

    @property
    def environment(self) -> Path:
        return self.root / ".venv"

    @property
    def programs(self) -> Path:
        return self.base / "programs"

    @property
    def system(self) -> Path:
        return self.base / "system"

    @property
    def home(self) -> Path:
        return self.base / "home"

    def calls(self, of: str = "") -> list[str]:
        """What the stand-ins were called with, in order; only those lines that begin with `of`."""
        log = self.base / "calls"
        return [line for line in log.read_text().splitlines() if line.startswith(of)] if log.exists() else []

    def run(
        self, *arguments: str, by: tuple[str, ...] = (), cwd: Path | None = None, text: str = "", **variables: str
    ) -> Answer:
        """Run `lab` to its end; `by` is the program that starts it, where it does not start itself."""
        ran = subprocess.run(
            [*by, str(self.root / "lab"), *arguments],
            env=self.variables | variables,
            cwd=cwd or self.base,
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
        return Answer(ran.returncode, ran.stdout, ran.stderr)

    @contextmanager
    def start(self) -> Iterator[subprocess.Popen[str]]:
        """Start `lab` as a person does at a terminal: a process group of its own, which Ctrl-C reaches."""
        with subprocess.Popen(
            ["env", "--default-signal=INT", str(self.root / "lab")],
            env=self.variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as lab:
            try:
                yield lab
            except BaseException:
                with suppress(ProcessLookupError):
                    os.killpg(lab.pid, signal.SIGKILL)  # a test that fails leaves no pip waiting
                raise

    def hold_pip(self) -> None:
        """Let the next pip wait in the middle of its work."""
        for name in ("began", "gate"):
            if not (self.base / name).exists():
                os.mkfifo(self.base / name)
        (self.base / "hold").touch()

    def wait_for_pip(self) -> None:
        """Return when pip is in the middle of its work."""
        (self.base / "began").read_bytes()

    def release_pip(self) -> None:
        """Let it go on."""
        (self.base / "gate").write_bytes(b"")


@dataclass(frozen=True)
class Answer:
    """What a run said and how it ended."""

    code: int
    out: str
    err: str

    @property
    def report(self) -> dict[str, object]:
        """What the stand-in for labctl says about how it was started."""
        report: dict[str, object] = json.loads(self.out)
        return report


def make_checkout(base: Path) -> Checkout:
    """Lay out a machine that has every tool, Python, and a checkout with no environment yet."""
    variables = {
        "PATH": str(base / "programs"),
        "LAB_SYSTEM_PATHS": str(base / "system"),
        "HOME": str(base / "home"),
        "CALLS": str(base / "calls"),
    }
    checkout = Checkout(base, variables)
    for folder in (checkout.programs, checkout.system, checkout.home, base / "pip"):
        folder.mkdir()
    for name in USED_BY_LAB:
        (checkout.programs / name).symlink_to(shutil.which(name, path="/usr/bin:/bin") or name)
    for name in TOOLS:
        write_program(checkout.programs / name, "")
    (base / "pip" / "__main__.py").write_text(PIP)
    python = PYTHON.format(python=shlex.quote(REAL_PYTHON), pip=shlex.quote(str(base / "pip")))
    write_program(checkout.system / "python3.11", python)
    for name, text in (("labctl/__init__.py", ""), ("labctl/__main__.py", LABCTL), ("tests/run.py", TESTS)):
        (checkout.root / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout.root / name).write_text(text)
    for name in LOCK_FILES:
        (checkout.root / name).write_text(f"# what {name} lists\n")
    shutil.copy(ROOT / "lab", checkout.root / "lab")
    return checkout


def write_program(path: Path, text: str) -> None:
    """Write a shell script."""
    path.write_text(text if text.startswith("#!") else f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
