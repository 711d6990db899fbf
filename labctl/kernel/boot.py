"""Boots a world: user, pid, ipc and mount namespaces, protections, and one holding process a place.

Who is who while it boots::

    labctl ── first child: unshare(user); labctl writes its id maps
                └─ pid 1 of the world: mounts and protections; a second user namespace locks them; becomes `sleep`
                     ├─ holder of `master`: own net, mount and uts namespace
                     │    ├─ holder of master/a: own net namespace
                     …

Each holder tells its pid over one socket; the kernel translates it (SCM_CREDENTIALS, unix(7)), so that it is known
both as the machine and as the world numbers it.
"""

from __future__ import annotations

import os
import signal
import socket
import struct
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from labctl.errors import KernelRefused
from labctl.kernel import cgroups, mounts, syscalls
from labctl.kernel.child import INTERRUPTS, detach, give_up_groups, run_in_child, write_maps
from labctl.kernel.identity import KEEPER, MARK, boot_id, identify, kill_and_wait
from labctl.kernel.process import find_tool
from labctl.model.world import PAUSE, Keeper, WorldRecord

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from labctl.kernel.cgroups import Hierarchy
    from labctl.model.world import BootPlan, Host, Kind

_CREDENTIALS = struct.Struct("3i")
_SECONDS = 60.0
_WORLD = syscalls.CLONE_NEWNS | syscalls.CLONE_NEWPID | syscalls.CLONE_NEWIPC | syscalls.CLONE_NEWUTS
_HOST = syscalls.CLONE_NEWNET | syscalls.CLONE_NEWNS | syscalls.CLONE_NEWUTS
_KEEP, _MAPPED = b"keep", b"mapped"


@contextmanager
def boot(plan: BootPlan, kind: Kind) -> Iterator[WorldRecord]:
    """Make a world; it stays if the block ends well, else (an error, Ctrl-C, labctl killed) nothing of it is left.

    Raises:
        KernelRefused: a namespace or a mount was refused; the hint names `labctl doctor`.
    """
    groups = cgroups.make(plan.mark) if kind == "privileged" else ()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    ours.settimeout(_SECONDS)
    # Ctrl-C right after the fork would let the child run on as a second labctl.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, INTERRUPTS)
    child = os.fork()
    if child == 0:
        ours.close()
        if kind == "host":
            run_in_child(theirs, lambda: _keep_here(theirs, plan))
        run_in_child(theirs, lambda: _first_child(theirs, plan, groups))
    theirs.close()
    seen: dict[str, Keeper] = {}
    stays = False
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        yield _attend(ours, child, plan, kind, seen)
        ours.send(_KEEP)
        stays = True
    finally:
        if not stays:
            _end_all(ours, seen)
        ours.close()
        os.waitpid(child, 0)
        # Only now: a process that is still ending keeps its groups.
        if (groups or kind == "host") and not stays:
            # What failed first is what there is to say; the next `up` or `down` takes away what does not go now.
            with suppress(KernelRefused):
                cgroups.remove(plan.mark)


def _attend(ours: socket.socket, child: int, plan: BootPlan, kind: Kind, seen: dict[str, Keeper]) -> WorldRecord:
    """Write the id maps when asked to, and note who reports, until all have."""
    wanted = {"", *(place for host in plan.hosts for place in _places(host))}
    announced = 0
    awaited = sum(host.announces for host in plan.hosts)
    while set(seen) != wanted or announced < awaited:
        try:
            verb, rest, pid = _hear(ours)
        except TimeoutError:
            raise KernelRefused("the world did not come up within a minute", "try: labctl doctor") from None
        match verb:
            case "map" if plan.unprivileged_id is not None:
                try:
                    write_maps(child, plan.unprivileged_id)
                except OSError as error:
                    what = f"the kernel refused to map ids in a user namespace: {error.strerror}"
                    raise KernelRefused(what, "try: labctl doctor") from None
                ours.send(_MAPPED)
            case "here":
                _note(seen, rest, pid)
            case "ready":
                announced += 1
            case "error":
                raise KernelRefused(f"the world could not be made: {rest}", "try: labctl doctor")
            case _:
                raise KernelRefused("the world died while it was being made", "try: labctl doctor")
    keepers = tuple((place, seen[place]) for place in seen if place)
    return WorldRecord(kind, boot_id(), seen[""], keepers)


def _hear(ours: socket.socket) -> tuple[str, str, int]:
    """Receive one message: its first word, the rest, and its sender's pid as the machine numbers it."""
    message, ancillary, _flags, _address = ours.recvmsg(4096, socket.CMSG_SPACE(_CREDENTIALS.size))
    verb, _, rest = message.decode().strip().partition(" ")
    return verb, rest, _CREDENTIALS.unpack(ancillary[0][2])[0] if ancillary else 0


def _note(seen: dict[str, Keeper], report: str, pid: int) -> None:
    place, _, inside = report.rpartition(" ")
    identity = identify(pid)
    seen[place] = Keeper(pid, int(inside), identity.started if identity else 0)


def _end_all(ours: socket.socket, seen: dict[str, Keeper]) -> None:
    """Take away what there is of the world, and wait until it is gone."""
    with suppress(OSError):
        # Whoever waits for a word from labctl hears that none will come, and ends.
        ours.shutdown(socket.SHUT_WR)
        while "" not in seen:
            verb, rest, pid = _hear(ours)
            if verb == "here":
                _note(seen, rest, pid)
            elif not verb:
                return
    for keeper in seen.values():
        if identity := identify(keeper.outside):
            kill_and_wait(identity)


def _places(host: Host) -> tuple[str, ...]:
    return (host.name, *(f"{host.name}/{container}" for container in host.containers))


def _first_child(theirs: socket.socket, plan: BootPlan, groups: tuple[Hierarchy, ...]) -> NoReturn:
    detach(theirs)
    cgroups.enter(groups, plan.mark)
    if plan.unprivileged_id is not None:
        if os.geteuid() == 0:
            give_up_groups()
            # While still root: the way to labctl's own files may be closed to the id that the world will have.
            plan = mounts.stage_windows(plan)
        syscalls.unshare(syscalls.CLONE_NEWUSER)
        theirs.send(b"map")
        if theirs.recv(16) != _MAPPED:
            os._exit(1)
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
        syscalls.set_dumpable()
    # The net namespace comes after the id maps are written, or iptables-legacy fails for an ordinary user.
    syscalls.unshare(_WORLD | syscalls.CLONE_NEWNET)
    if os.fork() == 0:
        run_in_child(theirs, lambda: _pid_one(theirs, plan, groups))
    os._exit(0)


def _keep_here(theirs: socket.socket, plan: BootPlan) -> NoReturn:
    """The first process of a world that is this machine itself: a node, with containers that die when it does."""
    detach(theirs)
    cgroups.settle(plan.mark)
    if os.fork() != 0:
        os._exit(0)
    run_in_child(theirs, lambda: _hold_here(theirs, plan))


def _hold_here(theirs: socket.socket, plan: BootPlan) -> NoReturn:
    os.setsid()
    programs = {PAUSE[0]: _find(PAUSE[0])}
    _report(theirs, "")
    for host in plan.hosts:
        _report(theirs, host.name)
        for name in host.containers:
            if os.fork() == 0:
                syscalls.die_with_parent()
                run_in_child(theirs, partial(_hold_container, theirs, f"{host.name}/{name}", programs))
    if theirs.recv(16) != _KEEP:
        os._exit(1)
    _become(PAUSE, programs[PAUSE[0]], {KEEPER: plan.mark})


def _pid_one(theirs: socket.socket, plan: BootPlan, groups: tuple[Hierarchy, ...]) -> NoReturn:
    _report(theirs, "")
    # Found before the mounts hide them, and before PATH is looked at with other eyes.
    programs = {host.holder[0]: _find(host.holder[0]) for host in plan.hosts} | {PAUSE[0]: _find(PAUSE[0])}
    mounts.furnish(plan)
    cgroups.mount_view(groups)
    if plan.unprivileged_id is not None:
        # A user namespace below the one that made the mounts cannot undo them (mount_namespaces(7)).
        syscalls.unshare(syscalls.CLONE_NEWUSER | syscalls.CLONE_NEWNS)
        mounts.map_self_to_root()
    for host in plan.hosts:
        if os.fork() == 0:
            run_in_child(theirs, lambda host=host: _hold_host(theirs, plan, host, programs, groups))  # type: ignore[misc]  # mypy: defaults in lambdas
    # Until labctl has written down that this world exists, the world ends with labctl.
    if theirs.recv(16) != _KEEP:
        os._exit(1)
    _become(PAUSE, programs[PAUSE[0]], {MARK: plan.mark})


def _hold_host(
    theirs: socket.socket, plan: BootPlan, host: Host, programs: dict[str, str], groups: tuple[Hierarchy, ...]
) -> NoReturn:
    os.setsid()
    syscalls.unshare(_HOST)
    socket.sethostname(host.name)
    containers: dict[str, int] = {}
    for name in host.containers:
        pid = os.fork()
        containers[name] = pid
        if pid == 0:
            run_in_child(theirs, lambda name=name: _hold_container(theirs, f"{host.name}/{name}", programs))  # type: ignore[misc]  # mypy: defaults in lambdas
    mounts.furnish_host(plan, containers)
    cgroups.mount_view(groups)
    _report(theirs, host.name)
    holder = host.holder
    if host.announces:
        os.set_inheritable(theirs.fileno(), True)  # noqa: FBT003 (it takes it by position only)
        holder = (*holder, str(theirs.fileno()))
    _become(holder, programs[holder[0]])


def _hold_container(theirs: socket.socket, place: str, programs: dict[str, str]) -> NoReturn:
    # A session of its own: else Ctrl-C in a shell would take the container along.
    os.setsid()
    syscalls.unshare(syscalls.CLONE_NEWNET)
    _report(theirs, place)
    _become(PAUSE, programs[PAUSE[0]])


def _report(theirs: socket.socket, place: str) -> None:
    theirs.send(f"here {place} {os.getpid()}".encode())


def _find(name: str) -> str:
    # A path is an interpreter's, which may lie where the world's id cannot go, and appear later through a window.
    path = name if name.startswith("/") else find_tool(name)
    if path is None:
        raise FileNotFoundError(f"{name} is not installed")
    return path


def _become(argv: tuple[str, ...], path: str, environment: Mapping[str, str] | None = None) -> NoReturn:
    os.execve(path, argv, {"PATH": os.defpath, **(environment or {})})
