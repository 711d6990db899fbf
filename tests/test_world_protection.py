"""Nobody breaks the machine from inside. Every test probes single files and keys of its own, inside and outside."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.lab_under_test import LabUnderTest
from tests.world_probes import members_of, namespaces_of, python_inside, record_of, shell_inside

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.machine

PLACES = ("master", "worker/c", "vpc", "internet")
SHARED = "/opt/labctl/shared"
_NODES_OWN = ("/etc/cni", "/etc/netns", "/opt/cni")
WRITABLE = (*_NODES_OWN, "/tmp", "/etc", "/opt", "/root", "/home", "/var/log", "/run", "/var/lib", "/dev", "/dev/shm")  # noqa: S108 - names
OWN = {SHARED, *WRITABLE}

WRITE_EVERYWHERE = """
import json
found = {}
for line in open("/proc/self/mountinfo"):
    point = line.split()[4].encode().decode("unicode_escape")
    if os.path.isdir(point) and not point.startswith("/proc"):
        probe = os.path.join(point, sys.argv[1])
        try:
            with open(probe, "x") as file:
                file.write("from inside")
        except OSError:
            continue
        size = os.statvfs(point)
        found[point] = size.f_blocks * size.f_frsize
print(json.dumps(found))
"""

OPEN_FOR_WRITING = """
import json
opened = []
for top in ("/proc", "/sys"):
    for folder, folders, names in os.walk(top):
        folders[:] = [each for each in folders if not (folder == "/proc" and (each.isdigit() or each.endswith("self")))]
        for name in names:
            path = os.path.join(folder, name)
            try:
                if os.lstat(path).st_mode & 0o222 and not os.path.islink(path):
                    os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
                    opened.append(path)
            except OSError:
                pass
print(json.dumps(opened))
"""

LIFT_EVERYTHING = r"""
points=$(while read -r _ _ _ _ point _; do echo "$point"; done < /proc/self/mountinfo)
for point in $points; do
  case $point in /opt/labctl/shared) continue ;; esac
  mount -o remount,bind,rw "$point"; mount -o remount,rw "$point"; umount "$point"; umount -l "$point"
done 2>/dev/null
again='for point in '"$(echo $points)"'; do mount -o remount,bind,rw $point; umount -l $point; done'
unshare --mount sh -c "$again" 2>/dev/null
"""


@pytest.fixture
def own_folder() -> Iterator[Path]:
    """A folder outside that no scratch folder hides, with one file; on the disk anybody may do anything with both."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        Path(folder).chmod(0o777)
        file = Path(folder, "precious")
        file.write_text("as it was")
        file.chmod(0o666)
        yield Path(folder)


def _touch_from_inside(path: Path) -> str:
    """Try all that one may do to one file, by each of its names."""
    names = [f"{root}{path}" for root in ("", "/proc/1/root", "/proc/1/cwd", "/proc/self/root")]
    tries = "echo inside > '{0}'; rm -f '{0}'; mv '{0}' '{0}.moved'; chmod 0 '{0}'; touch '{0}'; ln '{0}' '{0}.2'"
    return "{ " + "; ".join(tries.format(name) for name in names) + "; } 2>/dev/null || true\n"


def _look_at(path: Path) -> tuple[str, int, list[str]]:
    beside = [each.name for each in path.parent.iterdir() if each.name.startswith(path.name)]
    return path.read_text(), path.lstat().st_mode, beside


@pytest.mark.parametrize("place", PLACES)
def test_what_can_be_written_is_the_worlds_own_and_bounded(lab: LabUnderTest, place: str) -> None:
    name = f"labctl-probe-{secrets.token_hex(8)}"
    sizes = python_inside(lab, place, WRITE_EVERYWHERE, name)
    own_home = {str(Path.home())} - {"/root"}
    assert set(sizes) - own_home == OWN
    for point, size in sizes.items():
        assert point == SHARED or 0 < size <= 64 << 20, f"{point} holds {size} bytes"
        assert not os.access(f"{point}/{name}", os.F_OK), f"{point} is the machine's"
    # The one folder that is seen on both sides holds what was written there, and leads nowhere else.
    assert [path.relative_to(lab.home) for path in lab.home.rglob(name)] == [Path("shared", name)]


@pytest.mark.parametrize("place", PLACES)
def test_files_outside_cannot_be_changed(lab: LabUnderTest, place: str, own_folder: Path, tmp_path: Path) -> None:
    mine = [own_folder / "precious", tmp_path / "in-tmp", lab.home / "in-home"]
    with tempfile.NamedTemporaryFile("w", dir=Path.home(), prefix="labctl-test-") as at_home:
        mine.append(Path(at_home.name))
        for path in mine:
            path.write_text("as it was")
            path.chmod(0o666)
        before = [_look_at(path) for path in mine]
        for path in mine:
            shell_inside(lab, place, _touch_from_inside(path))
        assert [_look_at(path) for path in mine] == before


@pytest.mark.parametrize("place", ["master", "worker/c"])
def test_the_protections_cannot_be_lifted(lab: LabUnderTest, place: str, own_folder: Path) -> None:
    precious = own_folder / "precious"
    said = shell_inside(
        lab, place, LIFT_EVERYTHING + _touch_from_inside(precious) + f"cat {precious}; ls /run/lock /var/lib"
    )
    # The node's own /run and /var/lib can be unmounted; what lies below is empty, and not the machine's.
    assert said.out == "as it was/var/lib:\n"
    assert [path.name for path in own_folder.iterdir()] == ["precious"]
    assert precious.read_text() == "as it was"


def test_the_machines_run_is_nowhere_to_be_seen(lab: LabUnderTest) -> None:
    said = shell_inside(lab, "master", "ls -A /proc/1/root/run /proc/1/root/var/lib /proc/1/root/home; ls /run")
    assert said.out.split() == ["/proc/1/root/home:", "/proc/1/root/run:", "/proc/1/root/var/lib:", "labctl", "lock"]


@pytest.mark.parametrize("place", ["master", "vpc"])
def test_only_the_networks_own_keys_can_be_written(lab: LabUnderTest, place: str) -> None:
    opened = python_inside(lab, place, OPEN_FOR_WRITING)
    assert any(path.startswith("/proc/sys/net/ipv4/") for path in opened)
    # Open to everybody everywhere, and about the caller alone: /proc/PRESSURE triggers.
    harmless = ("/proc/sys/net/", "/proc/pressure/", "/sys/devices/virtual/net/")
    assert [path for path in opened if not path.startswith(harmless)] == []


def test_a_network_key_changed_inside_is_not_changed_outside(lab: LabUnderTest) -> None:
    keys = [
        Path("/proc/sys/net", name)
        for name in ("ipv4/ip_forward", "ipv4/conf/all/rp_filter", "ipv6/conf/all/forwarding")
    ]
    keys = [key for key in keys if key.exists()]
    before = [key.read_text() for key in keys]
    for value in ("1", "0"):
        for key in keys:
            assert shell_inside(lab, "master", f"echo {value} > {key} && cat {key}").out == f"{value}\n"
            assert shell_inside(lab, "worker", f"cat {key}").code == 0
        assert [key.read_text() for key in keys] == before


def test_devices(lab: LabUnderTest) -> None:
    said = shell_inside(
        lab, "master", "ls /dev; for kind in b c; do mknod /tmp/$kind $kind 1 3 2>/dev/null && echo made; done"
    )
    wanted = "fd full null ptmx pts random shm stderr stdin stdout tty urandom zero"
    assert said.out.split() == wanted.split()
    before = os.lstat("/dev/null")
    shell_inside(lab, "master", "chmod 600 /dev/null; chown 0:0 /dev/null; rm -f /dev/null; echo x > /dev/null")
    assert os.lstat("/dev/null")[:6] == before[:6]


def test_shared_memory_of_the_machine_is_not_seen(lab: LabUnderTest) -> None:
    made = subprocess.run(("ipcmk", "-M", "4096"), capture_output=True, text=True, check=True).stdout.split()[-1]
    try:
        assert shell_inside(lab, "master", "ipcs -m | grep -c 0x").out == "0\n"
        assert shell_inside(lab, "master", f"ipcrm -m {made}").code != 0
        assert subprocess.run(("ipcs", "-m", "-i", made), capture_output=True, text=True, check=False).returncode == 0
    finally:
        subprocess.run(("ipcrm", "-m", made), check=True)


def test_no_process_outside_is_seen_or_can_be_killed(lab: LabUnderTest) -> None:
    token = f"labctl-test-{secrets.token_hex(8)}"
    with subprocess.Popen((sys.executable, "-c", "input()", token), stdin=subprocess.PIPE) as outside:
        said = shell_inside(
            lab,
            "master",
            f"cat /proc/[0-9]*/cmdline | tr '\\0' '\\n' | grep -v grep | grep -c {token[:-1]}[{token[-1]}]",
        )
        assert said.out == "0\n"
        world = members_of(namespaces_of(record_of(lab.home)["root"]["outside"])["pid"])
        if len(world) < outside.pid:
            # A number inside is never a process outside; above the world's own numbers there is nobody.
            assert (
                shell_inside(lab, "master", f"kill -0 {outside.pid} 2>/dev/null && cat /proc/{outside.pid}/cmdline").out
                == ""
            )
        assert outside.poll() is None
        outside.communicate(b"\n")


READ_MEMORY = """
import json
seen = []
for name in ("environ", "mem", "maps", "auxv", "fd", "fdinfo", "root", "cwd"):
    path = f"/proc/{sys.argv[1]}/{name}"
    try:
        seen.append(os.listdir(path) if os.path.isdir(path) else open(path, "rb").read(1).hex())
    except OSError:
        pass
print(json.dumps(seen))
"""


def test_labctls_own_memory_is_closed_to_the_world(lab: LabUnderTest) -> None:
    agent = lab.type("master", "echo $PPID").out.strip()
    assert shell_inside(lab, "master", f"tr '\\0' '\\n' < /proc/{agent}/cmdline").out.splitlines()[0].endswith("python")
    assert python_inside(lab, "master", READ_MEMORY, agent) == []


def test_links_planted_in_the_shared_folder_are_not_followed(lab: LabUnderTest, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("as it was")
    for name in ("lock", "journal.sqlite", "journal.sqlite-wal", "journal.sqlite-shm"):
        shell_inside(lab, "master", f"rm -f {SHARED}/{name}; ln -s {victim} {SHARED}/{name}")
        assert Path(lab.home, "shared", name).is_symlink()
        said = lab.labctl("step", "0", "--verify")
        assert said.code == 1, said.err
        assert victim.read_text() == "as it was"
        assert not Path(lab.home, "shared", name).is_symlink()
    for name in ("lock", "journal.sqlite"):
        shell_inside(lab, "master", f"rm -f {SHARED}/{name}; mkfifo {SHARED}/{name}")
        assert lab.labctl("step", "0", "--verify").code == 1
    assert victim.stat().st_size == len("as it was")


def test_sudo_is_harmless_and_lets_the_notes_lines_be_typed(lab: LabUnderTest) -> None:
    for line, code in (("sudo true", 0), ("sudo -u root -E env A=1 false", 1), ("sudo A=b sh -c '[ $A = b ]'", 0),
                       ("sudo -n ip link show lo >/dev/null", 0), ("sudo", 1), ("sudo sh -c 'exit 7'", 7)):  # fmt: skip
        assert shell_inside(lab, "master", line).code == code, line
    assert (
        shutil.which("sudo") is None or shell_inside(lab, "master", "command -v sudo").out == "/opt/labctl/bin/sudo\n"
    )


def test_without_an_overlay_a_copy_of_etc_does(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from labctl.kernel import syscalls

    really_mount = syscalls.mount

    def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
        if kind == "overlay":
            raise OSError(19, "no overlay here")
        really_mount(source, target, kind, flags, data)

    monkeypatch.setattr(syscalls, "mount", mount)
    with LabUnderTest(home) as lab:
        done = lab.type(
            "master", "grep -q ^root: /etc/passwd; echo mine > /etc/passwd; echo new > /etc/new; cat /etc/new"
        )
        assert (done.code, done.out) == (0, "new\n"), done.err
        assert lab.labctl("step", "0-2", "--apply").code == 0
