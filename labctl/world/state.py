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
import json
import os
import sys
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from labctl.errors import KernelRefused
from labctl.model.world import Keeper, WorldRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from labctl.world.topology import Document

INSIDE = Path("/opt/labctl")
SHARED_INSIDE = INSIDE / "shared"
_SCHEMA = 1


@dataclass(frozen=True)
class Saved:
    """A world as it was saved: who keeps it, and the plan it was made by."""

    record: WorldRecord
    topology: Document


class State:
    """One home, and so one world."""

    def __init__(self, home: Path, *, inside: bool) -> None:
        """Use this folder; `inside` says that we look from within the world, where only its marker is seen."""
        self.home, self.inside = home, inside
        self.shared = SHARED_INSIDE if inside else home / "shared"
        self._world = INSIDE / "world.json" if inside else home / "world.json"

    @classmethod
    def find(cls, environment: Mapping[str, str], *, inside: bool) -> State:
        """Find the home that the environment names."""
        if named := environment.get("LABCTL_HOME"):
            return cls(Path(named).absolute(), inside=inside)
        base = environment.get("XDG_STATE_HOME") or Path(environment.get("HOME") or "~").expanduser() / ".local/state"
        return cls(Path(base) / "labctl", inside=inside)

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
            data = json.loads(self._world.read_text(encoding="utf-8"))
            if data["schema"] != _SCHEMA:
                raise ValueError("schema")
            record = data["record"]
            keepers = tuple((place, Keeper(**keeper)) for place, keeper in record["keepers"])
            root = Keeper(**record["root"])
            return Saved(WorldRecord(record["kind"], record["boot"], root, keepers), data["topology"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise KernelRefused(
                f"{self._world} cannot be read: {type(error).__name__} {error}", "start afresh: labctl down"
            ) from None

    def text_of(self, saved: Saved) -> str:
        """Spell a saved world as the file does."""
        return json.dumps({"schema": _SCHEMA, "record": asdict(saved.record), "topology": saved.topology}) + "\n"

    def save(self, saved: Saved) -> None:
        """Write which world stands, whole or not at all.

        Raises:
            KernelRefused: the folder cannot be written.
        """
        beside = self._world.with_suffix(".new")
        with _writing(self.home):
            beside.write_text(self.text_of(saved), encoding="utf-8")
            beside.replace(self._world)

    def forget(self) -> None:
        """Forget the world; the journal stays."""
        with _writing(self.home):
            self._world.unlink(missing_ok=True)

    @contextmanager
    def lock(self, purpose: str, tell: Callable[[str], None]) -> Iterator[None]:
        """Hold the one lock; it dies with its holder (flock(2)). `tell` hears whom we wait for."""
        path = self.shared / "lock"
        with _writing(self.home):
            file = path.open("a+", encoding="utf-8")
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                tell(f"waiting for another labctl: {file.read().strip() or 'it does not say which'}")
                fcntl.flock(file, fcntl.LOCK_EX)
            with suppress(OSError):
                file.seek(0)
                file.truncate()
                file.write(f"labctl {purpose} (pid {os.getpid()})\n")
                file.flush()
            yield

    def open_journal_file(self) -> Path:
        """Give the journal's path, with both of its names in place.

        Raises:
            KernelRefused: the folder cannot be written, or something odd has the name.
        """
        path, safe = self.shared / "journal.sqlite", self.home / "journal.sqlite"
        if self.inside:
            return path
        with _writing(self.home):
            for name in (path, *(path.with_name(path.name + end) for end in ("-wal", "-shm"))):
                # A link planted from inside would let root's labctl write wherever it points.
                if name.is_symlink() or (name.exists() and not name.is_file()):
                    name.unlink()
            if not safe.exists() and not path.exists():
                path.touch(mode=0o600)
                owner = self.shared.stat()
                with suppress(PermissionError):
                    os.chown(path, owner.st_uid, owner.st_gid)
            if not path.exists():
                print("labctl: the journal was deleted inside the world; its second name brings it back", file=sys.stderr)
                path.hardlink_to(safe)
            elif not safe.exists() or not safe.samefile(path):
                safe.unlink(missing_ok=True)
                safe.hardlink_to(path)
        return path


@contextmanager
def _writing(home: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise KernelRefused(
            f"labctl cannot keep its state in {home}: {error.strerror}", "name another folder: LABCTL_HOME=DIR labctl …"
        ) from None
