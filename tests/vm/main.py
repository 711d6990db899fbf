"""Boots two virtual machines without any box, and holds the course of `--world host` against their real kernels."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from labctl.world.topology import read_lab, spread  # noqa: E402 (the path is set above)
from tests.vm.course import Class  # noqa: E402
from tests.vm.image import make_image, run  # noqa: E402
from tests.vm.machine import PROGRAM, Machine, accelerator  # noqa: E402
from tests.vm.table import Table, Wrong  # noqa: E402
from tests.vm.vagrant import check_vagrantfile  # noqa: E402

_DOCUMENT = ROOT / "docs/vm-run.md"
_BEGIN, _END = "<!-- the run -->", "<!-- the end of the run -->"
# Each by Debian's package.
_NEEDED = {
    PROGRAM: "qemu-system-x86",
    "debootstrap": "debootstrap",
    "mkfs.ext4": "e2fsprogs",
    "ssh": "openssh-client",
    "systemctl": "systemd",
}
_REFUSED = 5


def main() -> int:
    """Do it; 0 only if all holds."""
    parser = argparse.ArgumentParser(prog="tests/vm/run", description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the table into docs/vm-run.md")
    parser.add_argument("--base", type=Path, metavar="FOLDER", help="keep debootstrap's tree there, and use it again")
    options = parser.parse_args()
    missing = [package for program, package in _NEEDED.items() if shutil.which(program) is None]
    if os.geteuid() != 0:
        return _refuse("debootstrap needs root", "sudo tests/vm/run")
    if missing:
        return _refuse(
            f"missing here: {', '.join(missing)}", f"apt-get install --no-install-recommends {' '.join(missing)}"
        )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # the machines end with it
    table, began = Table(), time.monotonic()
    about = ""
    try:
        with tempfile.TemporaryDirectory(prefix="labctl-vm-") as folder, ExitStack() as stack:
            about = _teach(table, Path(folder), options.base, stack)
    except Wrong as why:
        table.stop(str(why))
    wrong, holds, skipped = (table.count(each) for each in ("wrong", "holds", "skipped"))
    about += f"{holds} hold, {wrong} wrong, {skipped} not tried; {(time.monotonic() - began) / 60:.0f} minutes in all."
    print(f"\n{table.markdown()}\n\n{about}\n{holds} passed, {wrong} failed, {skipped} skipped")
    if options.write:
        _write(f"{about}\n\n{table.markdown()}")
    return 1 if wrong or not holds else 0


def _teach(table: Table, folder: Path, base: Path | None, stack: ExitStack) -> str:
    check_vagrantfile(table, ROOT, folder)
    lab = read_lab(spread(2, None))
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "key"))
    key = (folder / "key.pub").read_text(encoding="utf-8")
    image = None

    def make() -> str:
        nonlocal image
        image = make_image(folder, ROOT, base or folder / "base", key, [str(each.address) for each in lab.nodes])
        return image.release

    table.check("a disk by debootstrap and mkfs.ext4", "here", make)
    if image is None:
        raise Wrong("there is nothing to boot")
    machines = []
    for node in lab.nodes:
        machines.append(Machine(lab, node, image, folder))
        stack.callback(machines[-1].end)
    Class(lab, machines, table).run()
    version = run(PROGRAM, "--version").split(" (")[0].splitlines()[0]
    return f"{image.release} in {version} (`-accel {accelerator()}`), {os.cpu_count()} cores. "


def _write(text: str) -> None:
    before, _, rest = _DOCUMENT.read_text(encoding="utf-8").partition(_BEGIN)
    after = rest.partition(_END)[2]
    _DOCUMENT.write_text(f"{before}{_BEGIN}\n\n{text}\n\n{_END}{after}", encoding="utf-8")


def _refuse(what: str, hint: str) -> int:
    print(f"error: {what}\nhint: {hint}", file=sys.stderr)
    return _REFUSED


if __name__ == "__main__":
    sys.exit(main())
