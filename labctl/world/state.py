"""Where labctl keeps what outlives a command: which world stands, its topology, the lock, the journal's folder.

::

    $LABCTL_HOME, or $XDG_STATE_HOME/labctl, or ~/.local/state/labctl
    ├── world.json        the processes that keep the world alive, and its topology
    ├── journal.sqlite    a second name (hard link) of shared/journal.sqlite: `rm -rf /` inside takes only the other
    └── shared/           the one place that is seen inside the world too, as /opt/labctl/shared
        ├── journal.sqlite
        └── lock
"""

from __future__ import annotations

import fcntl
import os
import sys
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TextIO

from labctl.errors import KernelRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from labctl.model.lab import Lab
    from labctl.model.world import WorldRecord
    from labctl.world.topology import Document

INSIDE = Path("/opt/labctl")
SHARED_INSIDE = INSIDE / "shared"
# Not in root's own home: two who became root in two ways must find the same world, and the same lock.
HOST_HOME = Path("/var/lib/labctl")
_SCHEMA = 1
_MAGIC = b"SQLite format 3\0"
_ELSEWHERE = "name another folder: LABCTL_HOME=DIR labctl …"


@dataclass(frozen=True)
class Saved:
    """A world as it was saved: who keeps it, and the plan it was made by.

    `node` is which node of the plan this machine is, where it is one; `cloud` then says who keeps the routes.
    """

    record: WorldRecord
    topology: Document
    node: str = ""
    cloud: str = ""

    @property
    def lab(self) -> Lab:
        """The lab of that plan, as it is seen from here."""
        from labctl.world.topology import localise, read_lab

        lab = read_lab(self.topology)
        return localise(lab, self.node, self.cloud) if self.node else lab


class HasRecord(Protocol):
    """A world, or what was saved of one."""

    @property
    def record(self) -> WorldRecord:
        """Who keeps it alive."""


def world_id(world: HasRecord) -> str:
    """What the journal calls a world: no other one has the same."""
    record = world.record
    return f"{record.boot}/{record.root.started}/{record.root.outside}"


class State:
    """One home, and so one world."""

    def __init__(self, home: Path, *, inside: bool) -> None:
        """Use this folder; `inside` says that we look from within the world, where only its marker is seen."""
        self.home, self.inside = home, inside
        self.shared = SHARED_INSIDE if inside else home / "shared"
        self._world = INSIDE / "world.json" if inside else home / "world.json"

    @property
    def mark(self) -> str:
        """What a world of this home bears, so that it can be found without its record."""
        return str(self.home.resolve())

    @classmethod
    def find(cls, environment: Mapping[str, str], *, inside: bool, host: bool = False) -> State:
        """Find the home that the environment names; that of a world that is this machine is root's."""
        if named := environment.get("LABCTL_HOME"):
            return cls(Path(named).absolute(), inside=inside)
        if host:
            return cls(HOST_HOME, inside=inside)
        base = Path(environment.get("XDG_STATE_HOME") or "")
        if not base.is_absolute():
            # The XDG specification: a relative path is to be ignored.
            base = Path(environment.get("HOME") or "~").expanduser() / ".local/state"
        return cls(base / "labctl", inside=inside)

    def prepare(self, owner: int | None = None) -> None:
        """Make the folders; `owner` is the id that must be able to write from inside.

        Raises:
            KernelRefused: the folder cannot be written.
        """
        if self.inside:
            return
        with _writing(self.home):
            self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.shared.mkdir(exist_ok=True, mode=0o700)
            if owner is not None and os.geteuid() == 0:
                for path in (self.shared, *self.shared.iterdir()):
                    os.chown(path, owner, owner, follow_symlinks=False)

    def load(self) -> Saved | None:
        """Read which world was made; None if there is none.

        Raises:
            KernelRefused: the file is there but cannot be understood.
        """
        try:
            return _parse(self._world.read_bytes())
        except FileNotFoundError:
            return None
        except PermissionError:
            raise KernelRefused(f"{self._world} belongs to somebody else", _ELSEWHERE) from None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise KernelRefused(
                f"{self._world} cannot be read: {type(error).__name__} {error}", "start afresh: labctl down"
            ) from None

    def text_of(self, saved: Saved) -> str:
        """Spell a saved world as the file does."""
        import json

        return json.dumps({"schema": _SCHEMA, **asdict(saved)}) + "\n"

    def save(self, saved: Saved) -> None:
        """Write which world stands, whole or not at all.

        Raises:
            KernelRefused: the folder cannot be written.
        """
        beside = self._world.with_suffix(".new")
        with _writing(self.home):
            try:
                beside.write_text(self.text_of(saved), encoding="utf-8")
                beside.replace(self._world)
            except OSError:
                beside.unlink(missing_ok=True)
                raise

    def forget(self) -> None:
        """Forget the world; the journal stays."""
        with _writing(self.home):
            self._world.unlink(missing_ok=True)

    @contextmanager
    def lock(self, purpose: str, tell: Callable[[str], None]) -> Iterator[None]:
        """Hold the one lock; it dies with its holder (flock(2)). `tell` hears whom we wait for."""
        with self._locked_file(tell) as file:
            with suppress(OSError):
                file.seek(0)
                file.truncate()
                file.write(f"labctl {purpose} (pid {os.getpid()})\n")
                file.flush()
            yield

    def _locked_file(self, tell: Callable[[str], None]) -> TextIO:
        """Open and lock the lock's file; once more if it was deleted inside while we waited for it."""
        path = self.shared / "lock"
        while True:
            with _writing(self.home):
                _clear(path)
                file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600), "r+")
                self._give_to_world(path)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                tell(f"waiting for another labctl: {file.read().strip() or 'it does not say which'}")
                fcntl.flock(file, fcntl.LOCK_EX)
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file.fileno()), path.lstat()):
                    return file
            file.close()

    def _give_to_world(self, path: Path) -> None:
        """Let whoever may write the shared folder from inside write a file in it that root made."""
        owner = self.shared.stat()
        if os.geteuid() == 0 and path.lstat().st_uid != owner.st_uid:
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)

    def open_journal_file(self) -> Path:
        """Give the journal's path, with both of its names in place.

        Raises:
            KernelRefused: the folder cannot be written, or something odd has the name.
        """
        path, safe = self.shared / "journal.sqlite", self.home / "journal.sqlite"
        if self.inside:
            return path
        with _writing(self.home):
            beside = tuple(path.with_name(path.name + end) for end in ("-wal", "-shm"))
            for name in (path, *beside):
                _clear(name)
            if safe.exists() and not _is_database(safe):
                broken = safe.replace(self.home / "journal.broken")
                _say(f"the journal was no journal any more; it is now {broken}")
                _remove(path, *beside)
            if not safe.exists():
                path.touch(mode=0o600)
                self._give_to_world(path)
                safe.hardlink_to(path)
            elif not path.exists() or not safe.samefile(path):
                # What stands in its place now was begun inside, after the deletion.
                _say("the journal was deleted inside the world; its second name brings it back")
                _remove(path, *(beside if path.exists() else ()))
                path.hardlink_to(safe)
        return path


def _parse(text: bytes) -> Saved:
    """Read what `text_of` spelled; one of several errors if it is anything else."""
    # Imported here: most of what an explanation would cost otherwise, and it needs neither.
    import json

    from labctl.model.world import Keeper, WorldRecord

    data = json.loads(text)
    if data["schema"] != _SCHEMA:
        raise ValueError("schema")
    record = data["record"]
    keepers = tuple((place, Keeper(**keeper)) for place, keeper in record["keepers"])
    root = Keeper(**record["root"])
    known = WorldRecord(record["kind"], record["boot"], root, keepers)
    return Saved(known, data["topology"], data.get("node", ""), data.get("cloud", ""))


def _say(text: str) -> None:
    sys.stderr.write(f"labctl: {text}\n")


def _clear(path: Path) -> None:
    """Remove what is no file: a link planted from inside would let root's labctl write wherever it points."""
    if path.is_symlink() or (path.exists() and not path.is_file()):
        if path.is_dir() and not path.is_symlink():
            import shutil

            shutil.rmtree(path)
        else:
            path.unlink()


def _remove(*paths: Path) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _is_database(path: Path) -> bool:
    """SQLite's file format, section 1.3; an empty file is a database too."""
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) in (b"", _MAGIC)


@contextmanager
def _writing(home: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise KernelRefused(f"labctl cannot keep its state in {home}: {error.strerror}", _ELSEWHERE) from None
