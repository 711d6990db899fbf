"""What came of all checks, for programs: JSON and JUnit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from labctl.cni.conformance.check import Level, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from labctl.cni.conformance.check import Check, Verdict

SCHEMA = 1
_JUNIT = {Outcome.FAIL: "failure", Outcome.UNKNOWN: "error", Outcome.NOT_APPLICABLE: "skipped"}


def as_document(plugin: str, verdicts: Iterable[Verdict]) -> dict[str, Any]:
    """The answer of --json."""
    return {
        "schema": SCHEMA,
        "plugin": plugin,
        "checks": [
            {
                "id": each.check.id,
                "section": each.check.section,
                "level": each.check.level.value,
                "says": each.check.says,
                "outcome": each.outcome.value,
                "why": each.why,
            }
            for each in verdicts
        ],
    }


def as_junit(plugin: str, verdicts: Sequence[Verdict]) -> str:
    """A JUnit document. A SHOULD that fails is told, and is no failure there: whoever reads it stops at failures."""
    suite = ET.Element("testsuite", name=f"labctl cni conformance {plugin}", tests=str(len(verdicts)))
    counted = {"failure": 0, "error": 0, "skipped": 0}
    for each in verdicts:
        case = ET.SubElement(
            suite,
            "testcase",
            classname=f"{each.check.level} {each.check.section}",
            name=f"{each.check.id} {each.check.says}",
        )
        kind = _JUNIT.get(each.outcome)
        if kind == "failure" and each.check.level is Level.SHOULD:
            ET.SubElement(case, "system-out").text = _printable(f"a SHOULD fails: {each.why}")
        elif kind:
            counted[kind] += 1
            part = ET.SubElement(case, kind, message=_printable(each.why.partition("\n")[0]))
            part.text = _printable(each.why)
    suite.set("failures", str(counted["failure"]))
    suite.set("errors", str(counted["error"]))
    suite.set("skipped", str(counted["skipped"]))
    ET.indent(suite)
    return ET.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _printable(text: str) -> str:
    """XML has no control characters; a plug-in may print any."""
    return "".join(each if each.isprintable() or each in "\n\t" else "\N{REPLACEMENT CHARACTER}" for each in text)


def as_table(checks: Iterable[Check]) -> str:
    """The checks as a table of Markdown (docs/conformance.md)."""
    rows = [f"| {each.id} | {each.level} | {each.section} | {each.says.replace('|', '&#124;')} |" for each in checks]
    return "\n".join(("| check | level | section | what the plug-in must or should do |", "|---|---|---|---|", *rows))
