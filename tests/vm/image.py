"""A disk with a Debian on it, made without mounting anything: debootstrap, then mkfs.ext4 from a folder.

One disk serves all machines: each writes to a layer of its own, and knows itself by its card's address.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.vm.table import Wrong

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

CHECKOUT = "/usr/local/src/labctl"
WHEELHOUSE = "/usr/local/src/labctl-wheels"
USER = "vagrant"
_LEFT_OUT = (".git", ".venv", ".vagrant", "__pycache__", ".*_cache", ".hypothesis")
# What a box of Debian's has, and what ./lab installs where there is a network; nothing is fetched from the machines.
_PACKAGES = (
    *("systemd-sysv", "udev", "kmod", "procps", "sudo", "openssh-server"),
    *("python3", "python3-venv", "iproute2", "iptables", "bridge-utils", "nmap", "iputils-ping", "nftables", "jq"),
    *("dnsmasq-base", "openssl"),
)
_KERNELS = {"x86_64": "linux-image-cloud-amd64"}
_LOCKS = ("requirements-build.lock", "requirements.lock", "requirements-kubectl.lock")
_UNITS = ("systemd-networkd.service", "internet.service", "tell-ready.service")
_FILES = {
    "etc/systemd/network/10-ssh.network": "[Match]\nName=eth0\n[Network]\nAddress=10.0.2.15/24\nGateway=10.0.2.2\n",
    "etc/ssh/sshd_config.d/vm.conf": "UseDNS no\n",
    f"etc/sudoers.d/{USER}": f"{USER} ALL=(ALL) NOPASSWD: ALL\n",
    "etc/hosts": "127.0.0.1 localhost\n127.0.1.1 master worker\n",
    "etc/machine-id": "",
    "etc/systemd/system/internet.service": f"""\
[Unit]
Description=Play the internet for this machine, in a namespace that answers nobody but the node itself
After=systemd-networkd.service
[Service]
ExecStartPre=ip netns add internet
ExecStartPre=ip link add inet0 type veth peer name eth0 netns internet
ExecStartPre=ip address add ${{LAB_ADDRESS}}/32 dev inet0
ExecStartPre=ip link set inet0 up
ExecStartPre=ip route add ${{LAB_INTERNET}}/32 dev inet0 src ${{LAB_ADDRESS}}
ExecStartPre=ip -n internet address add ${{LAB_INTERNET}}/32 dev eth0
ExecStartPre=ip -n internet link set eth0 up
ExecStartPre=ip -n internet route add ${{LAB_ADDRESS}}/32 dev eth0
ExecStart=ip netns exec internet python3 -I -S {CHECKOUT}/labctl/kernel/internet.py ${{LAB_INTERNET}}
KillSignal=SIGKILL
[Install]
WantedBy=multi-user.target
""",
    "etc/systemd/system/tell-ready.service": """\
[Unit]
Description=Tell whoever listens at the serial line that one can log in
After=ssh.service systemd-networkd.service multi-user.target
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'echo labctl-vm-ready >/dev/ttyS0'
[Install]
WantedBy=default.target
""",
}


@dataclass(frozen=True)
class Image:
    """What a machine boots from."""

    disk: Path
    kernel: Path
    initrd: Path
    release: str


def make_image(folder: Path, root: Path, base: Path, key: str, addresses: Sequence[str]) -> Image:
    """Make the disk in `folder`, with the working tree `root` on it; `base` is a debootstrap's tree, made if missing.

    Raises:
        Wrong: a program has failed; what it said.
    """
    wheels = folder / "wheels"
    for lock in _LOCKS:
        run(
            str(root / ".venv/bin/python"),
            "-m",
            "pip",
            "-q",
            "download",
            "--no-deps",
            "-d",
            str(wheels),
            "-r",
            str(root / lock),
        )
    if not (base / "boot").is_dir():
        _bootstrap(base)
    tree = folder / "tree"
    run("cp", "-a", "--reflink=auto", str(base), str(tree))
    shutil.copytree(root, tree / CHECKOUT[1:], symlinks=True, ignore=shutil.ignore_patterns(*_LEFT_OUT))
    shutil.copytree(wheels, tree / WHEELHOUSE[1:])
    _set_up(tree, key, addresses)
    disk, (kernel,), (initrd,) = folder / "disk.raw", tree.glob("boot/vmlinuz-*"), tree.glob("boot/initrd.img-*")
    for each in (kernel, initrd):
        shutil.copy(each, folder)
    run("mkfs.ext4", "-q", "-F", "-E", "root_owner=0:0", "-d", str(tree), str(disk), "4G")
    version = (tree / "etc/debian_version").read_text(encoding="utf-8").strip()
    shutil.rmtree(tree)
    release = f"Debian {version}, kernel {kernel.name.removeprefix('vmlinuz-')}"
    return Image(disk, folder / kernel.name, folder / initrd.name, release)


def _bootstrap(base: Path) -> None:
    kernel = _KERNELS.get(platform.machine())
    if kernel is None:
        raise Wrong(f"no kernel package is known for {platform.machine()}; known: {', '.join(_KERNELS)}")
    release = platform.freedesktop_os_release()
    suite = release.get("VERSION_CODENAME", "")
    # As this machine itself has it: a mirror, or a proxy of the person's own.
    form = "$(SITE) $(CODENAME) $(COMPONENT)"
    found = run("apt-get", "indextargets", "--format", form, "Created-By: Packages").splitlines()
    mirror = next((line.split()[0] for line in found if line.split()[1:] == [suite, "main"]), "")
    if release.get("ID") != "debian" or not mirror:
        raise Wrong(f"apt of this machine ({release.get('PRETTY_NAME')}) knows no mirror of a Debian release")
    half = base.with_name(f"{base.name}.half")
    if half.exists():
        shutil.rmtree(half)
    packages = ",".join((*_PACKAGES, kernel))
    # It mounts a /proc, and starts others: in namespaces of its own all of that ends with it, however it ends.
    apart = ("unshare", "--mount", "--pid", "--fork", "--kill-child")
    run(*apart, "debootstrap", "--variant=minbase", f"--include={packages}", suite, str(half), mirror)
    half.rename(base)


def _set_up(tree: Path, key: str, addresses: Sequence[str]) -> None:
    for name, text in _FILES.items():
        (tree / name).write_text(text, encoding="utf-8")
    for address in addresses:
        text = f"[Match]\nMACAddress={card_of(address)}\n[Network]\nAddress={address}/24\n"
        (tree / f"etc/systemd/network/20-{address}.network").write_text(text, encoding="utf-8")
    run("chroot", str(tree), "useradd", "--create-home", "--shell", "/bin/bash", USER)
    run("chroot", str(tree), "install", "-d", "-m", "700", "-o", USER, "-g", USER, f"/home/{USER}/.ssh")
    (tree / f"home/{USER}/.ssh/authorized_keys").write_text(key, encoding="utf-8")
    run("systemctl", "--quiet", f"--root={tree}", "enable", *_UNITS)
    # They would come in between, and have no network to work with.
    timers = ("apt-daily.timer", "apt-daily-upgrade.timer", "systemd-networkd-wait-online.service")
    run("systemctl", "--quiet", f"--root={tree}", "mask", *timers)


def card_of(address: str) -> str:
    """The hardware address of the card that has this address: 52:54:00 is QEMU's, the rest its last three bytes."""
    return "52:54:00:" + ":".join(f"{int(byte):02x}" for byte in address.split(".")[1:])


def run(*argv: str) -> str:
    """Run a program of this machine; what it said on standard output.

    Raises:
        Wrong: it failed; the last that it said.
    """
    done = subprocess.run(argv, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip().splitlines()
        raise Wrong(f"{argv[0]} ended with {done.returncode}: {' / '.join(said[-3:])}")
    return done.stdout
