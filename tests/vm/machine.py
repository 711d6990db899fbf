"""A virtual machine: QEMU, and ssh to it as a person would have it from Vagrant.

Nothing of it leaves this machine: its first card is QEMU's user network, restricted to the one port that is forwarded
from the loopback; the second is a datagram socket in a folder, whose other end is the other machine.
"""

from __future__ import annotations

import os
import queue
import shlex
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

from tests.vm.image import USER, card_of
from tests.vm.table import Wrong

if TYPE_CHECKING:
    from labctl.model.lab import Lab, Node
    from tests.vm.image import Image

PROGRAM = "qemu-system-x86_64"
_READY = "labctl-vm-ready"
# How long a boot, or one command, may take where everything is emulated and both cores are busy; it ends sooner.
_PATIENCE = 900


def accelerator() -> str:
    """KVM where the processor itself offers it; else QEMU's own emulation.

    /dev/kvm alone does not tell: in some virtual machines it is there, and what is started with it never comes up.
    """
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    can = {"vmx", "svm"} & set(flags) and os.access("/dev/kvm", os.R_OK | os.W_OK)
    return "kvm" if can else "tcg"


@dataclass(frozen=True)
class Said:
    """How a command on a machine ended."""

    code: int
    out: str
    err: str

    @property
    def last(self) -> str:
        """The last line of it."""
        return ((self.out.strip() or self.err.strip()).splitlines() or [""])[-1].strip()


class Machine:
    """One of the two; started when made, ended with `end`."""

    def __init__(self, lab: Lab, node: Node, image: Image, folder: Path) -> None:
        """Boot it; what it writes, its keys and its sockets are in `folder`."""
        self.name, self._folder = node.name, folder
        (peer,) = (each.name for each in lab.nodes if each != node)
        name, address, internet = node.name, str(node.address), str(lab.internet)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        # What units find in their environment.
        words = f"systemd.setenv=LAB_ADDRESS={address} systemd.setenv=LAB_INTERNET={internet}"
        here, there = (folder / f"{each}.net" for each in (name, peer))
        argv = (
            *(PROGRAM, "-name", name, "-no-user-config", "-nodefaults", "-display", "none", "-m", "768"),
            *("-accel", accelerator(), "-cpu", "max", "-device", "virtio-rng-pci", "-serial", "stdio"),
            *("-kernel", str(image.kernel), "-initrd", str(image.initrd)),
            *("-append", f"root=/dev/vda rw console=ttyS0 quiet net.ifnames=0 systemd.hostname={name} {words}"),
            *("-drive", f"file={image.disk},format=raw,if=virtio,snapshot=on"),
            *("-netdev", f"user,id=ssh,restrict=on,ipv6=off,hostfwd=tcp:127.0.0.1:{self._port}-:22"),
            *("-device", "virtio-net-pci,netdev=ssh,romfile="),
            *("-netdev", f"dgram,id=lab,local.type=unix,local.path={here},remote.type=unix,remote.path={there}"),
            *("-device", f"virtio-net-pci,netdev=lab,mac={card_of(address)},romfile="),
        )
        environment = {**os.environ, "TMPDIR": str(folder)}  # where the layer lies that is written to
        self._qemu = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment
        )
        self._lines: queue.Queue[str | None] = queue.Queue()
        Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self._qemu.stdout is not None
        with (self._folder / f"{self.name}.log").open("wb") as log:
            for line in self._qemu.stdout:
                log.write(line)
                log.flush()
                self._lines.put(line.decode(errors="replace"))
        self._lines.put(None)

    def wait_ready(self) -> None:
        """Wait until its serial line says that one can log in.

        Raises:
            Wrong: it ended, or said nothing for too long.
        """
        last = ""
        while True:
            try:
                line = self._lines.get(timeout=_PATIENCE)
            except queue.Empty:
                raise Wrong(f"{self.name} did not boot in {_PATIENCE} s; its last line: {last}") from None
            if line is None:
                raise Wrong(f"{PROGRAM} of {self.name} ended: {last}")
            if _READY in line:
                return
            last = line.strip() or last

    def type(self, line: str) -> Said:
        """Run one line of a shell on it, as the user of a box, who may sudo."""
        options = (
            *("-F", "none", "-i", str(self._folder / "key"), "-p", str(self._port), "-o", "BatchMode=yes"),
            *("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"),
            *("-o", "ControlMaster=auto", "-o", "ControlPersist=yes", "-o", f"ControlPath={self._control}"),
        )
        argv = ("ssh", *options, f"{USER}@127.0.0.1", line)
        # To files: the connection that stays would hold pipes open.
        out, err = (self._folder / f"{self.name}.{each}" for each in ("out", "err"))
        with out.open("w+b") as to, err.open("w+b") as aside:
            try:
                code = subprocess.run(
                    argv, check=False, stdin=subprocess.DEVNULL, stdout=to, stderr=aside, timeout=_PATIENCE
                ).returncode
            except subprocess.TimeoutExpired:
                raise Wrong(f"`{line}` did not end in {_PATIENCE} s") from None
        return Said(code, out.read_text(errors="replace"), err.read_text(errors="replace"))

    def run(self, line: str, code: int = 0) -> Said:
        """The same, which must end with this code.

        Raises:
            Wrong: it did not.
        """
        said = self.type(line)
        if said.code != code:
            told = " / ".join((said.err.strip() or said.out.strip()).splitlines()[-4:])
            raise Wrong(f"`{line}` ended with {said.code}, not {code}: {told}")
        return said

    def labctl(self, *words: str, code: int = 0) -> Said:
        """`sudo labctl …` on it."""
        return self.run(f"sudo labctl {shlex.join(words)}", code)

    def reboot(self) -> None:
        """Have it reboot itself, and wait until it is back."""
        self.type("sudo systemctl reboot")
        self._hang_up()
        self.wait_ready()

    def end(self) -> None:
        """Take it away."""
        self._hang_up()
        self._qemu.kill()
        self._qemu.wait()

    @property
    def _control(self) -> Path:
        return self._folder / f"{self.name}.ssh"

    def _hang_up(self) -> None:
        argv = ("ssh", "-F", "none", "-O", "exit", "-o", f"ControlPath={self._control}", "127.0.0.1")
        if self._control.exists():
            subprocess.run(argv, check=False, capture_output=True)
