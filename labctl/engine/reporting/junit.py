"""A report as JUnit XML: a suite for each node, a case for each step; what the journal tells is its output."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from labctl.engine.report import Outcome
from labctl.engine.reporting.account import TOLD, clean, spell_time

if TYPE_CHECKING:
    from labctl.engine.report import StepReport
    from labctl.engine.reporting.account import Account, Row


def spell_junit(account: Account) -> str:
    """The whole report."""
    top = Element("testsuites", name=clean(f"labctl report: {account.who or 'nobody named'}"))
    rows = [row for row in account.rows() if row.now is not None]
    for node in dict.fromkeys(row.node for row in rows):
        own = [row for row in rows if row.node == node]
        outcomes = [row.now.outcome for row in own if row.now]
        suite = SubElement(
            top,
            "testsuite",
            name=clean(f"labctl {node}"),
            tests=str(len(own)),
            failures=str(sum(each in (Outcome.NOT_DONE, Outcome.WRONG) for each in outcomes)),
            errors=str(outcomes.count(Outcome.UNKNOWN)),
            skipped="0",
            timestamp=account.made[:19],
            time="0",
        )
        properties = SubElement(suite, "properties")
        for name, value in (("who", account.who), ("seed", account.seed), ("labctl", account.version)):
            SubElement(properties, "property", name=name, value=clean(value))
        for row in own:
            _add_case(suite, row)
    indent(top)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{tostring(top, encoding="unicode")}\n'


def _add_case(suite: Element, row: Row) -> None:
    title = clean(f"step {row.step}: {row.title}")
    case = SubElement(suite, "testcase", classname=clean(f"labctl.{row.node}"), name=title, time="0")
    if row.now is not None and row.now.outcome is not Outcome.DONE:
        kind = "error" if row.now.outcome is Outcome.UNKNOWN else "failure"
        causes = row.now.causes() or ("",)
        found = SubElement(case, kind, type=str(row.now.outcome), message=clean(causes[0]))
        found.text = clean(_spell(row.now))
    told = SubElement(case, "system-out")
    told.text = clean(
        f"{TOLD}\nfirst held: {spell_time(row.past.first_held)}; by: {row.past.by or '–'}; "
        f"tries: {row.past.attempts}; help: {', '.join(row.past.hints) or '–'}"
    )


def _spell(report: StepReport) -> str:
    return "\n".join(report.causes())
