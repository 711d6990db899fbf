"""Ways into a world: joining a place's namespaces, for the agent and for a command on the person's terminal."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from labctl.errors import KernelRefused, LabctlFailed, LabError, WorldGone
from labctl.kernel import cgroups, syscalls
from labctl.kernel.child import give_up_groups
from labctl.kernel.identity import identify
from labctl.kernel.marker import is_inside
from labctl.kernel.netns_files import bind_own_files
from labctl.kernel.terminal import lend_terminal
from labctl.model.lab import NETNS_FOLDER, Place

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from labctl.model.world import Keeper, WorldRecord

_ALL = (
    syscalls.CLONE_NEWNS | syscalls.CLONE_NEWPID | syscalls.CLONE_NEWIPC | syscalls.CLONE_NEWUTS | syscalls.CLONE_NEWNET
)
_STOPPERS = (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)
_KILLED = 128 + signal.SIGKILL
_HOST = syscalls.CLONE_NEWNS | syscalls.CLONE_NEWUTS | syscalls.CLONE_NEWNET


def open_keeper(keeper: Keeper, place: object, *, inside: bool) -> int:
    """Open a pidfd of a place's keeper (pidfd_open(2)); a later process with the same number is not mistaken for it.

    Raises:
        WorldGone: the keeper is no more.
    """
    pid = keeper.inside if inside else keeper.outside
    gone = WorldGone(f"the process that keeps {place} alive is gone", "put the lab back: labctl reset")
    try:
        fd = os.pidfd_open(pid)
    except OSError:
        raise gone from None
    identity = identify(pid)
    if identity is None or identity.started != keeper.started:
        os.close(fd)
        raise gone
    return fd


def join_world(record: WorldRecord) -> None:
    """Join the world's first process in all namespaces; children are then in its pid namespace.

    For a caller inside there is nothing to join. Root becomes the world's uid 0, an unprivileged id of the machine.
    """
    if is_inside():
        return
    fd = open_keeper(record.root, "the world", inside=False)
    if record.kind == "host":
        # This machine is the world.
        os.close(fd)
        return
    # This is a copy of labctl: its memory, its environment and its way back to labctl are none of the world's business.
    syscalls.close_memory()
    try:
        user = syscalls.CLONE_NEWUSER if record.kind == "sandbox" else 0
        if user and os.geteuid() == 0:
            give_up_groups()
        if not user:
            # Before: from within its cgroup namespace nobody may be moved into it (cgroup v2, nsdelegate).
            cgroups.join(record.root.outside)
        syscalls.setns(fd, _ALL | (user or syscalls.CLONE_NEWCGROUP))
        if user:
            os.setresgid(0, 0, 0)
            os.setresuid(0, 0, 0)
    except OSError as error:
        raise WorldGone(f"the world cannot be entered: {error.strerror}", "put the lab back: labctl reset") from None
    finally:
        os.close(fd)


def join_place(record: WorldRecord, place: Place) -> None:
    """From inside the world, join a host's mount, uts and network namespace, and a container's network namespace.

    A container that a runtime made later has no keeper, but a name on its node (ip-netns(8)). A container's own files
    in /etc are then those that `ip netns exec` would show there.
    """
    for part, flags in ((Place(place.node), _HOST), (place, syscalls.CLONE_NEWNET)):
        fd = _open_part(record, part)
        try:
            syscalls.setns(fd, flags)
        except OSError as error:
            raise WorldGone(f"{part} cannot be entered: {error.strerror}", "put the lab back: labctl reset") from None
        finally:
            os.close(fd)
    bind_own_files(place)


def join_network(record: WorldRecord, place: Place) -> None:
    """From inside the world, join the network namespace of a place, and nothing else of it.

    Raises:
        WorldGone: there is no such place any more.
    """
    fd = _open_part(record, place)
    try:
        syscalls.setns(fd, syscalls.CLONE_NEWNET)
    except OSError as error:
        raise WorldGone(f"{place} cannot be entered: {error.strerror}", "put the lab back: labctl reset") from None
    finally:
        os.close(fd)


def _open_part(record: WorldRecord, part: Place) -> int:
    """A descriptor of what keeps a place; one with a name only is looked for where this process is: on its node."""
    keeper = record.keeper(part)
    if keeper is not None:
        return open_keeper(keeper, part, inside=True)
    if not part.container:
        raise WorldGone(f"this world has no {part}", "put the lab back: labctl reset")
    try:
        return os.open(f"{NETNS_FOLDER}/{part.container}", os.O_RDONLY)
    except OSError as error:
        raise KernelRefused(f"{part} cannot be entered: {error.strerror}", "labctl status") from None


def run_attached(record: WorldRecord, place: Place, argv: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a command at a place on this terminal; give its exit code (128 + signal where a signal ended it).

    Two forks: only a child of the one that joined is in the world's pid namespace.

    Raises:
        LabctlFailed: the world or the place could not be entered.
    """
    reader, writer = os.pipe()
    put_back = lend_terminal()
    # Until each of the three knows what to do about them: else one that comes early ends us, and not the command.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPERS)
    middle = os.fork()
    if middle == 0:
        os.close(reader)
        _run_in_middle(record, place, argv, environment, writer, mask)
    os.close(writer)
    handlers = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGQUIT)}
    handlers[signal.SIGTERM] = signal.signal(signal.SIGTERM, lambda *_: os.kill(middle, signal.SIGTERM))
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    try:
        _, status = os.waitpid(middle, 0)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    with os.fdopen(reader) as pipe:
        failure = pipe.read()
    if failure:
        what, _, hint = failure.partition("\n")
        raise LabctlFailed(what, hint)
    code = os.waitstatus_to_exitcode(status)
    if code == _KILLED:
        put_back()
    return code if code >= 0 else 128 - code


def _run_in_middle(  # noqa: PLR0913, PLR0917 (all that the fork must know)
    record: WorldRecord,
    place: Place,
    argv: Sequence[str],
    environment: Mapping[str, str],
    writer: int,
    mask: Iterable[int],
) -> None:
    try:
        join_world(record)
        child = os.fork()
        if child == 0:
            join_place(record, place)
            home = environment.get("HOME", "/")
            os.chdir(home if Path(home).is_dir() else "/")
            # Python ignores SIGPIPE, and exec would hand that on: `yes | head` must end.
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            for number in _STOPPERS:
                # What whoever called us has switched off (nohup, a job in the background) stays off.
                if signal.getsignal(number) is not signal.SIG_IGN:
                    signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            try:
                os.execvpe(argv[0], list(argv), dict(environment))
            except FileNotFoundError:
                _tell(f"{argv[0]}: command not found")
                os._exit(127)
            except PermissionError:
                _tell(f"{argv[0]}: permission denied")
                os._exit(126)
        os.close(writer)
        for number in (signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        os._exit(code if code >= 0 else 128 - code)
    except LabError as error:
        os.write(writer, f"{error.what}\n{error.hint}".encode())
    except BaseException as error:  # noqa: BLE001 (a forked child must not return into labctl's own code)
        os.write(writer, f"the command could not be started: {error}\n".encode())
    os._exit(125)


def _tell(text: str) -> None:
    os.write(2, f"{text}\n".encode())
