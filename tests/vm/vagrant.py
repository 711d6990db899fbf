"""What Vagrant says of the Vagrantfile, where it is installed. No machine is made, and nothing is fetched."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

from labctl.world.topology import spread
from tests.vm.table import Skipped, Wrong

if TYPE_CHECKING:
    from pathlib import Path

    from tests.vm.table import Table

_PACKAGES = "vagrant vagrant-libvirt"
# Vagrant asks VirtualBox which one it is before it looks at what is written for it. Debian has no VirtualBox.
_VIRTUALBOX = "#!/bin/sh\necho 7.0.20r163906\n"


def check_vagrantfile(table: Table, root: Path, folder: Path) -> None:
    """Hold the Vagrantfile against both providers, and its machines against the topology of as many nodes."""
    programs = folder / "bin"
    programs.mkdir()
    (programs / "VBoxManage").write_text(_VIRTUALBOX, encoding="utf-8")
    (programs / "VBoxManage").chmod(0o755)
    real = shutil.which("VBoxManage") is not None
    environment = {
        **os.environ,
        "VAGRANT_CWD": str(root),
        "VAGRANT_HOME": str(folder / "vagrant"),
        "VAGRANT_DOTFILE_PATH": str(folder / "vagrant.d"),
        "PATH": os.environ["PATH"] if real else f"{os.environ['PATH']}:{programs}",
    }

    def ask(words: tuple[str, ...], **more: str) -> str:
        if shutil.which("vagrant") is None:
            raise Skipped(f"apt-get install --no-install-recommends {_PACKAGES}")
        done = subprocess.run(
            ("vagrant", *words),
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            env=environment | more,
            cwd=folder,
        )
        if done.returncode != 0:
            raise Wrong(" ".join((done.stdout + done.stderr).split()))
        return done.stdout

    def names() -> str:
        nodes = [each["name"] for each in spread(5, None)["node"]]
        lines = (line.split(",") for line in ask(("status", "--machine-readable"), LAB_NODES="5").splitlines())
        found = [line[1] for line in lines if line[2:3] == ["state"]]
        if found != nodes:
            raise Wrong(f"{found}, not {nodes}")
        return ", ".join(found)

    for provider, how in (("libvirt", ""), ("virtualbox", "" if real else ", a stand-in for VBoxManage")):
        table.check(
            f"`vagrant validate`, {provider}{how}",
            "here",
            lambda each=provider: ask(("validate",), VAGRANT_DEFAULT_PROVIDER=each).strip(),
        )
    table.check("`LAB_NODES=5`: the machines are the topology's nodes", "here", names)
