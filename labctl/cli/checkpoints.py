"""What `labctl checkpoint` does: saving with a trial, reading with every check, restoring whole or not at all."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NoReturn

from labctl import __version__
from labctl.cli.progress import Ticks, record_applied, record_standing
from labctl.cli.session import tell
from labctl.cli.ticker import ticking
from labctl.engine.checkpoint import MOST_BYTES, Checkpoint, read_checkpoint
from labctl.engine.fitting import check_fits
from labctl.engine.keeping import find_unkept, restore, standing_steps
from labctl.engine.look import Survey
from labctl.engine.remake.picture import take_picture
from labctl.errors import LabError, UsageError
from labctl.world.checkpoints import read_file, write_file
from labctl.world.state import world_id
from labctl.world.topology import read_lab

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from labctl.cli.session import Session
    from labctl.engine.report import StepReport

_MOST_NAMED = 5


def save_checkpoint(session: Session, name: str, output: Path | None, *, replace: bool) -> tuple[Checkpoint, Path]:
    """Keep the state of the world that stands.

    Raises:
        UsageError: the name is none, or taken; there is no world.
        LabError: something in the lab could not be made again; it is named.
    """
    path = output or session.checkpoints.path(name)
    session.checkpoints.path(name)
    with session.locked("checkpoint save"), ticking("looking at the lab …") as show:
        if not replace and path.exists():
            raise UsageError(f"{path if output else name} exists already", "another name, or --replace")
        kept = _look(session, name)
        show("restoring it once, in a world of its own …")
        with session.own_sandbox("checkpoint").trial(kept.topology) as (world, inside):
            _refuse(restore(Survey(session.course, world.lab, inside.kernel), Ticks(show), kept))
        text = kept.spell()
        if len(text.encode()) > MOST_BYTES:
            raise LabError(f"the state is larger than {MOST_BYTES >> 20} MB", "what is so large? labctl snapshot")
        if output:
            write_file(output, text, replace=replace)
        else:
            session.checkpoints.write(name, text)
    return kept, path


def _look(session: Session, name: str) -> Checkpoint:
    world = session.sandbox.find()
    if world is None:
        raise UsageError("there is no world to save", "labctl up")
    if world.record.kind != "sandbox":
        raise LabError("what container runtimes keep in a privileged world is in no snapshot", "labctl reset --to N")
    inside = session.sandbox.enter(world)
    try:
        survey = Survey(session.course, world.lab, inside.kernel)
        picture = take_picture(inside.kernel, world.lab)
        _refuse(find_unkept(picture))
        saved = datetime.now(UTC).isoformat(timespec="seconds")
        return Checkpoint(name, saved, __version__, world.saved.topology, standing_steps(survey), picture)
    finally:
        inside.close()


def _refuse(why: Iterable[str]) -> None:
    lines = list(why)
    if lines:
        more = f"; and {len(lines) - _MOST_NAMED} more" if len(lines) > _MOST_NAMED else ""
        raise LabError(
            f"this state could not be restored: {'; '.join(lines[:_MOST_NAMED])}{more}; nothing was saved",
            "take that away, then save again; what stands: labctl snapshot",
        )


def read_kept(session: Session, name: str, source: Path | None) -> Checkpoint:
    """Read a checkpoint, with every check that needs no world.

    Raises:
        UsageError: there is none, or it cannot be used.
    """
    path = source or session.checkpoints.existing(name)
    kept = read_checkpoint(read_file(path, MOST_BYTES), str(source) if source else f"the checkpoint {name}")
    try:
        lab = read_lab(kept.topology)
    except UsageError as error:
        raise UsageError(f"{path}: {error.what}; nothing was changed", "labctl checkpoint list") from None
    except (TypeError, ValueError, AttributeError, KeyError, RecursionError) as error:
        what = f"{path}: its plan is not of the form ({type(error).__name__}); nothing was changed"
        raise UsageError(what, "labctl checkpoint list") from None
    check_fits(kept, lab, session.course.numbers, str(path))
    return kept


def restore_checkpoint(session: Session, name: str, source: Path | None) -> tuple[Checkpoint, tuple[StepReport, ...]]:
    """Make a new world as it was saved; only when it is the same does it take the place of the one that stands.

    Raises:
        UsageError: there is none, it cannot be used, or is of another plan than the world that stands.
        LabError: it did not come out the same.
    """
    kept = read_kept(session, name, source)
    with session.locked("checkpoint restore"), ticking("making a world …") as show:
        world = session.sandbox.find()
        if world is not None:
            _check_same(world.record.kind, same=read_lab(kept.topology) == world.lab)
        journal = session.journal
        with session.own_sandbox("checkpoint").successor(kept.topology) as (new, inside):
            survey = Survey(session.course, new.lab, inside.kernel)
            left = _restore(survey, show_steps := Ticks(show), kept)
            if left:
                _fail(left, stood=world is not None)
            show_steps.say("looking at it …")
            reports = survey.reports(survey.course.lessons(), new.lab.nodes)
        session.note_up(new)
        record_applied(journal, world_id(new), kept.made, "checkpoint")
        record_standing(journal, world_id(new), reports)
    if world is None:
        tell("made the lab's world (labctl down takes it away)")
    return kept, reports


def _check_same(kind: str, *, same: bool) -> None:
    if kind != "sandbox":
        raise UsageError("a privileged world stands; a checkpoint is of a sandbox", "take it away first: labctl down")
    if not same:
        raise UsageError(
            "the world that stands is of another plan than the checkpoint (nodes, addresses, containers); "
            "nothing was changed",
            "take it away first: labctl down",
        )


def _restore(survey: Survey, listener: Ticks, kept: Checkpoint) -> tuple[str, ...]:
    try:
        return restore(survey, listener, kept)
    except LabError as error:
        return (error.what,)


def _fail(left: tuple[str, ...], *, stood: bool) -> NoReturn:
    more = f"; and {len(left) - _MOST_NAMED} more" if len(left) > _MOST_NAMED else ""
    as_before = "the lab is as it was before" if stood else "no world was made"
    raise LabError(
        f"it could not be made the same as it was saved: {'; '.join(left[:_MOST_NAMED])}{more}; {as_before}",
        "what this machine lacks: labctl doctor; or: labctl reset --to N",
    )
