"""`labctl report`: who got how far."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labctl.cli.session import Session
from labctl.errors import UsageError
from labctl.world.state import world_id
from labctl.world.topology import plan_id

if TYPE_CHECKING:
    from labctl.engine.report import StepReport
    from labctl.engine.reporting.account import Account
    from labctl.world.sandbox import World

_FORMATS = ("text", "json", "junit", "html")
_MOST_LETTERS = 200
_NO_WORLD = 1


def report(
    form: Annotated[
        str,
        typer.Option(
            "--format", metavar="text|json|junit|html", help="In which form.", autocompletion=lambda: list(_FORMATS)
        ),
    ] = "text",
    who: Annotated[str, typer.Option("--who", metavar="NAME", help="Whose it is; not given: the seed.")] = "",
    output: Annotated[Path | None, typer.Option("--output", metavar="FILE", help="Write it there.")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="As --format json.")] = False,
) -> None:
    """Say who got how far: what holds now, and what the journal tells.

    What holds now is looked up. When it first held, by hand or by the tool, after how many tries and with which help,
    the learner's own journal tells, and a learner can change that.

    Examples:
        labctl report
        labctl report --who anna --format html --output anna.html
        labctl report --format junit --output report.xml
    """
    if as_json and form not in ("text", "json"):
        raise UsageError(f"--json and --format {form} exclude each other", f"labctl report --format {form}")
    if form not in _FORMATS:
        raise UsageError(f"--format {form} is none of {', '.join(_FORMATS)}", "labctl report --format html")
    if len(who) > _MOST_LETTERS or not who.isprintable():
        raise UsageError(f"--who is no name: at most {_MOST_LETTERS} letters that can be printed", "--who anna")
    account = _account(Session(), who)
    text = _spell(account, "json" if as_json else form)
    if output is None:
        print(text, end="")
    else:
        from labctl.world.checkpoints import write_file

        write_file(output, text, replace=True)
    raise typer.Exit(0 if account.up else _NO_WORLD)


def _account(session: Session, who: str) -> Account:
    from datetime import UTC, datetime

    from labctl import __version__
    from labctl.engine.reporting.account import Account
    from labctl.engine.reporting.history import read_histories

    world = session.sandbox.find()
    reports = _look(session, world) if world else ()
    saved = session.state.load()
    seed = str(saved.topology.get("seed", "")) if saved else ""
    return Account(
        who=who or seed,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        version=__version__,
        seed=seed,
        lab=session.lab,
        up=world is not None,
        reports=reports,
        titles={lesson.number: lesson.title for lesson in session.course.lessons()},
        histories=read_histories(
            session.journal.of_plan(plan_id(saved.topology) if saved else session.journal.last_plan())
        ),
    )


def _look(session: Session, world: World) -> tuple[StepReport, ...]:
    from labctl.cli.progress import record_standing
    from labctl.cli.ticker import ticking

    with session.survey("report") as survey, ticking("looking at every step …"):
        reports = survey.reports(survey.course.lessons(), survey.lab.nodes, ask_untouched=False)
        record_standing(session.journal, world_id(world), reports)
    return reports


def _spell(account: Account, form: str) -> str:
    match form:
        case "json":
            return json.dumps(account.as_json(), indent=1) + "\n"
        case "junit":
            from labctl.engine.reporting.junit import spell_junit

            return spell_junit(account)
        case "html":
            from labctl.engine.reporting.page import spell_page

            return spell_page(account)
    from labctl.engine.reporting.text import spell_text

    return spell_text(account)
