"""The one door through which programs are started, and found."""

from __future__ import annotations

import errno
import os
import shutil
import signal
from typing import TYPE_CHECKING, NoReturn

from labctl.errors import KernelRefused, ToolMissing
from labctl.kernel import daemon
from labctl.kernel.talk import Talk, talk
from labctl.model.values import Completed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from labctl.kernel.places import Places
    from labctl.model.lab import Place
    from labctl.model.values import Listener

# Debian keeps /usr/sbin out of an ordinary user's PATH.
FOLDER = "/opt/labctl/bin"
PATH = f"{FOLDER}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENVIRONMENT = {"PATH": PATH, "HOME": "/root", "LC_ALL": "C", "LANG": "C"}
# As env(1) and timeout(1) say it of what they cannot start.
_NOT_FOUND, _NOT_RUN = 127, 126
_MOST_SECONDS = 30
_SIDE_BY_SIDE = 8

_PACKAGES = {
    "ip": "iproute2",
    "bridge": "iproute2",
    "ss": "iproute2",
    "brctl": "bridge-utils",
    "dnsmasq": "dnsmasq-base",
    "ping": "iputils-ping",
    "nft": "nftables",
    "unshare": "util-linux",
    "flock": "util-linux",
}


def find_tool(name: str) -> str | None:
    """Find a program on PATH, /usr/sbin and /sbin included."""
    return shutil.which(name) or shutil.which(name, path=PATH)


def missing(name: str) -> ToolMissing:
    """The error for a program that is not installed."""
    if name == "kubectl":
        return ToolMissing("kubectl is not installed", "./lab doctor --fix, then a new world: labctl reset")
    package = _PACKAGES.get(name.partition("-")[0], name)
    return ToolMissing(f"{name} is not installed", f"install the package {package}; labctl doctor names the command")


def become(argv: Sequence[str]) -> NoReturn:
    """Go on as another program, by its path, with the environment as it is."""
    # Python ignores SIGPIPE, and exec would hand that on.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.execv(argv[0], list(argv))


class PlacePrograms:
    """Programs at one place (port `Programs`)."""

    def __init__(self, places: Places, place: Place, marks: Mapping[str, str]) -> None:
        """Run them there; `marks` are in their environment beside what all have."""
        self._places, self._place, self._marks = places, place, marks
        self._environment = {**ENVIRONMENT, **marks}

    def look(self, argv: Sequence[str], text: str = "") -> Completed:
        """Run one that changes nothing, but not for ever."""
        return _finish_look(self.begin(argv, text), argv)

    def run(self, argv: Sequence[str], text: str = "") -> Completed:
        """Run one to its end, in a session of its own: Ctrl-C is for labctl, not for what it is in the middle of."""
        return self.begin(argv, text).finish()

    def call(
        self, argv: Sequence[str], text: str, environment: Sequence[tuple[str, str]], seconds: float
    ) -> Completed | None:
        """Run one with an environment and a time of its own."""
        self._places.go_to_start(self._place)
        try:
            return talk(argv, text, {**dict(environment), **self._marks}, seconds=seconds)
        except TimeoutError:
            return None
        except OSError as error:
            code = _NOT_FOUND if error.errno == errno.ENOENT else _NOT_RUN
            return Completed(code, "", f"{argv[0]}: {os.strerror(error.errno or 0)}\n")

    def begin(self, argv: Sequence[str], text: str = "") -> Talk:
        """Start one; whoever does must finish it."""
        self._places.go_to_start(self._place)
        try:
            return Talk(argv, text, self._environment)
        except (FileNotFoundError, PermissionError):  # not there, or nothing that may be run
            raise missing(argv[0]) from None

    def start(self, argv: Sequence[str], protocol: str, port: int) -> None:
        """Start one that goes on running, and wait until somebody listens on the port."""
        self.begin_start(argv, protocol, port)()

    def begin_start(self, argv: Sequence[str], protocol: str, port: int) -> Callable[[], None]:
        """Start one that goes on running; what is given waits, from there, until somebody listens on the port."""
        self._places.go_to_start(self._place)
        try:
            starting = daemon.Starting(argv, self._environment, protocol, port)
        except (FileNotFoundError, PermissionError):
            raise missing(argv[0]) from None

        def wait() -> None:
            self._places.go(self._place)
            starting.wait()

        return wait

    def end(self, listener: Listener) -> None:
        """End who listens."""
        daemon.end(listener)

    def attend(self, argv: Sequence[str], port: int, places: Sequence[Place]) -> None:
        """Have one stand by that starts this program for each caller."""
        from labctl.kernel.attending import attend

        try:
            attend(self._places, self._place, places, port, argv, self._environment)
        except (FileNotFoundError, PermissionError):
            raise missing(argv[0]) from None


def start_all(asks: Sequence[tuple[PlacePrograms, Sequence[str], str, int]]) -> None:
    """Start programs that go on running side by side; each is waited for, and the first that failed is told of then."""
    failed: list[KernelRefused] = []
    waits: list[Callable[[], None]] = []
    for programs, argv, protocol, port in asks:
        try:
            waits.append(programs.begin_start(argv, protocol, port))
        except KernelRefused as refused:
            failed.append(refused)
    for wait in waits:
        try:
            wait()
        except KernelRefused as refused:
            failed.append(refused)
    if failed:
        raise failed[0]


def look_all(asks: Sequence[tuple[PlacePrograms, Sequence[str], str]]) -> tuple[Completed | KernelRefused, ...]:
    """Run programs that change nothing side by side, not too many at once; why one could not be run stands for it."""
    found: list[Completed | KernelRefused] = []
    for first in range(0, len(asks), _SIDE_BY_SIDE):
        some = asks[first : first + _SIDE_BY_SIDE]
        begun = [_begin(*each) for each in some]
        found += [
            talk if isinstance(talk, KernelRefused) else _finish(talk, argv)
            for talk, (_, argv, _) in zip(begun, some, strict=True)
        ]
    return tuple(found)


def _begin(programs: PlacePrograms, argv: Sequence[str], text: str) -> Talk | KernelRefused:
    try:
        return programs.begin(argv, text)
    except KernelRefused as refused:
        return refused


def _finish(talk: Talk, argv: Sequence[str]) -> Completed | KernelRefused:
    try:
        return _finish_look(talk, argv)
    except KernelRefused as refused:
        return refused


def _finish_look(talk: Talk, argv: Sequence[str]) -> Completed:
    try:
        return talk.finish(_MOST_SECONDS)
    except TimeoutError:
        raise KernelRefused(f"{argv[0]} did not end within {_MOST_SECONDS} seconds, and was ended") from None
