"""Tries what a world is made of, in a namespace that is thrown away at once.

Nothing is read from a configuration: what counts is whether the kernel does it, here, for this user. The machine is
left as it was, but for modules that the kernel loads by itself when a bridge, a veth pair or a rule is first asked for,
as any use would. Who is who::

    labctl ── first child: unshare(user); labctl writes its id maps, as for a world
                └─ pid 1: mounts, a nested user namespace, then the network and the packet filter (trials_net)
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from labctl.errors import LabError, ToolMissing
from labctl.kernel import mounts, syscalls
from labctl.kernel.child import detach, write_maps
from labctl.kernel.trials_net import try_network
from labctl.model.trial import Trial

if TYPE_CHECKING:
    from collections.abc import Callable

_SECONDS = 30.0
_MOST_BYTES = 65536
_INTERRUPTS = (signal.SIGINT, signal.SIGTERM)
_OTHERS = {
    "mnt": syscalls.CLONE_NEWNS,
    "pid": syscalls.CLONE_NEWPID,
    "ipc": syscalls.CLONE_NEWIPC,
    "uts": syscalls.CLONE_NEWUTS,
    "net": syscalls.CLONE_NEWNET,
}
_NO_FLAGS = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC


def try_kernel(unprivileged_id: int, path: str, iptables: str) -> tuple[Trial, ...]:
    """Try everything, as `labctl up` would do it, and give what came of it; what could not be reached is left out.

    `unprivileged_id` is the id of the machine that becomes uid 0 inside, `path` leads to the programs, and `iptables`
    is the one that the lab uses (`iptables`, `iptables-nft`, `iptables-legacy`).
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.settimeout(_SECONDS)
    # Ctrl-C right after the fork would let the child run on as a second labctl.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPTS)
    child = os.fork()
    if child == 0:
        ours.close()
        bench = Bench(theirs)
        bench.end_with(lambda: _first_child(theirs, bench, path, iptables))
    theirs.close()
    trials: list[Trial] = []
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        _attend(ours, child, unprivileged_id, trials)
    except TimeoutError:
        trials.append(Trial("trials", None, f"no answer for {_SECONDS:.0f} seconds"))
    finally:
        # The first child hears it, and ends only when all of its namespace is gone.
        ours.close()
        os.waitpid(child, 0)
    return tuple(trials)


def _attend(ours: socket.socket, child: int, unprivileged_id: int, trials: list[Trial]) -> None:
    """Write the id maps when asked to, and collect, until all at the other end are gone."""
    while message := ours.recv(_MOST_BYTES):
        if message != b"map":
            trials.append(Trial(**json.loads(message)))
            continue
        try:
            write_maps(child, unprivileged_id)
        except OSError as error:
            ours.send(str(error.errno).encode())
        else:
            ours.send(b"0")


class Bench:
    """Makes trials one after the other, and tells labctl what came of each."""

    def __init__(self, theirs: socket.socket) -> None:
        """Tell it over this socket. `stage` is what a trial is at, where it has several parts."""
        self._socket = theirs
        self.stage = ""

    def attempt(self, name: str, work: Callable[[], str]) -> bool:
        """Try one thing; `work` says what it found. Tell whether it works."""
        self.stage = ""
        try:
            trial = Trial(name, works=True, said=work())
        except ToolMissing as error:
            trial = Trial(name, works=None, said=error.what)
        except LabError as error:
            trial = Trial(name, works=False, said=error.what, stage=self.stage)
        except OSError as error:
            number = error.errno or 0
            trial = Trial(name, works=False, said=os.strerror(number), stage=self.stage, errno=number)
        self.tell(trial)
        return bool(trial.works)

    def tell(self, trial: Trial) -> None:
        """Send one result."""
        self._socket.send(json.dumps(asdict(trial)).encode())

    def end_with(self, work: Callable[[], None]) -> NoReturn:
        """Do a forked child's part and end the child; it must not return into labctl's own code."""
        try:
            work()
        except BaseException as error:  # noqa: BLE001 (see above)
            with suppress(OSError):
                self.tell(Trial("trials", None, f"{type(error).__name__}: {error}"))
        os._exit(0)


def _first_child(theirs: socket.socket, bench: Bench, path: str, iptables: str) -> None:
    detach(theirs)
    # The kernel must not reap what a trial waits for.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if not bench.attempt("user_namespace", lambda: _enter_user_namespace(theirs, bench)):
        return
    if not bench.attempt("namespaces", lambda: _enter_others(bench)):
        return
    pid = os.fork()
    if pid == 0:
        bench.end_with(lambda: _pid_one(bench, path, iptables))
    _wait_for_either(pid, theirs)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def _wait_for_either(pid: int, theirs: socket.socket) -> None:
    """Wait until the trials are over, or nobody is there any more to hear of them."""
    poller = select.poll()
    poller.register(os.pidfd_open(pid), select.POLLIN)
    poller.register(theirs, 0)  # a hang-up is told in any case
    poller.poll()


def _enter_user_namespace(theirs: socket.socket, bench: Bench) -> str:
    refusal = _drop_groups()
    bench.stage = "unshare"
    syscalls.unshare(syscalls.CLONE_NEWUSER)
    bench.stage = "uid_map"
    if refusal:
        raise refusal
    theirs.send(b"map")
    if refused := int(theirs.recv(16)):
        raise OSError(refused, os.strerror(refused))
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    syscalls.set_dumpable()
    # Ubuntu's AppArmor lets one in, and then denies every capability there. This needs one, and changes nothing.
    bench.stage = "chroot"
    os.chroot("/")
    return "works"


def _drop_groups() -> OSError | None:
    """As root, let go of the groups. Root of some container may not; that user namespaces are forbidden says more."""
    try:
        if os.geteuid() == 0:
            os.setgroups([])
    except OSError as error:
        return error
    return None


def _enter_others(bench: Bench) -> str:
    for name, flag in _OTHERS.items():
        bench.stage = name
        syscalls.unshare(flag)
    return ", ".join(_OTHERS)


def _pid_one(bench: Bench, path: str, iptables: str) -> None:
    syscalls.mount("", "/", flags=syscalls.MS_REC | syscalls.MS_PRIVATE)
    bench.attempt("mount_setattr", _protect_files)
    bench.attempt("proc_and_sys", lambda: _mount_proc_and_sys(bench))
    # For the lock that iptables keeps there, and for what is laid over /etc.
    syscalls.mount("labctl", "/run", "tmpfs", _NO_FLAGS, "size=1m,mode=0755")
    bench.attempt("overlay", _lay_over_etc)
    bench.attempt("nested_user_namespace", lambda: _nest(bench))
    try_network(bench.attempt, path, iptables)


def _protect_files() -> str:
    syscalls.make_read_only("/")
    return "works"


def _mount_proc_and_sys(bench: Bench) -> str:
    bench.stage = "mount /proc"
    syscalls.mount("proc", "/proc", "proc", _NO_FLAGS)
    bench.stage = "mount /sys"
    syscalls.mount("sysfs", "/sys", "sysfs", _NO_FLAGS)
    return "works"


def _lay_over_etc() -> str:
    upper, work = Path("/run/upper"), Path("/run/work")
    upper.mkdir()
    work.mkdir()
    syscalls.mount("overlay", "/etc", "overlay", syscalls.MS_NODEV, f"lowerdir=/etc,upperdir={upper},workdir={work}")
    return "works"


def _nest(bench: Bench) -> str:
    bench.stage = "unshare"
    syscalls.unshare(syscalls.CLONE_NEWUSER | syscalls.CLONE_NEWNS)
    bench.stage = "uid_map"
    mounts.map_self_to_root()
    bench.stage = "net"
    syscalls.unshare(syscalls.CLONE_NEWNET | syscalls.CLONE_NEWNS | syscalls.CLONE_NEWUTS)
    syscalls.mount("sysfs", "/sys", "sysfs", _NO_FLAGS)
    return "works"
