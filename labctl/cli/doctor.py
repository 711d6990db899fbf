"""`labctl doctor`: what this machine lacks, and how to get it."""

from __future__ import annotations

import json
import os
import platform
import shlex
import sys
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from labctl.cli.session import Session, tell
from labctl.engine import diagnosis
from labctl.errors import LabError

if TYPE_CHECKING:
    from labctl.model.trial import Check, Facts

    Sections = dict[str, tuple[Check, ...]]


def doctor(
    *,
    fix: Annotated[
        bool, typer.Option("--fix", help="Install the missing tools, load br_netfilter; shows what it runs.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Answer as JSON.")] = False,
) -> None:
    """Say what this machine lacks for the lab, which steps suffer, and what to type.

    Features of the kernel are tried, in a namespace that is thrown away at once. Exit code 0 if all that is needed is
    there, 5 if something is missing, 6 if something could not be measured.

    Examples:
        labctl doctor
        labctl doctor --fix
        labctl doctor --json
    """
    session = Session()
    session.outside_only("doctor")
    facts = _examine(session)
    sections = _diagnose(facts)
    if fix and _run_fixes(facts, _all(sections)):
        facts = _examine(session)
        sections = _diagnose(facts)
    checks = _all(sections)
    complaint = diagnosis.complain(facts, checks)
    if as_json:
        print(json.dumps({"schema": 1, "ok": complaint is None, "checks": [asdict(check) for check in checks]}))
        raise typer.Exit(complaint.exit_code if complaint else 0)
    _print(sections, facts)
    if complaint:
        sys.stdout.flush()  # before what is said on stderr
        raise complaint
    print("All that the lab needs is here.")


def _examine(session: Session) -> Facts:
    """Look at everything; the parts of labctl that start programs are imported only now."""
    from labctl.engine.needs import find_needs
    from labctl.engine.refusals import SYSCTLS
    from labctl.kernel import examine, trials
    from labctl.model.tools import TOOLS
    from labctl.model.trial import Facts
    from labctl.world.sandbox import UNPRIVILEGED_ID
    from labctl.world.topology import read_lab, spread

    path = examine.system_path(os.environ)
    backend = os.environ.get("LABCTL_IPTABLES", "")
    iptables = f"iptables-{backend}" if backend in ("nft", "legacy") else "iptables"
    owner = UNPRIVILEGED_ID if os.geteuid() == 0 else os.geteuid()
    tried = (*trials.try_kernel(owner, path, iptables), examine.try_writing(session.state.home))
    steps: dict[str, tuple[int, ...]] = {}
    with suppress(LabError):  # a malformed course says nothing of this machine
        steps = find_needs(session.course, read_lab(spread(None, None)))
    return Facts(
        os_release=examine.read_os_release(),
        release=platform.release(),
        rights=examine.find_rights(path),
        python=sys.version_info[:3],
        interpreter=os.path.realpath(sys.executable),
        sysctls=examine.read_sysctls(SYSCTLS),
        trials={trial.name: trial for trial in tried},
        tools=examine.find_tools(TOOLS, path, os.environ.get("PATH", os.defpath)),
        steps=steps,
    )


def _diagnose(facts: Facts) -> Sections:
    return {
        "This machine": diagnosis.check_machine(facts),
        "The kernel, by trying": diagnosis.check_kernel(facts),
        "Tools": diagnosis.check_tools(facts),
    }


def _all(sections: Sections) -> tuple[Check, ...]:
    return tuple(check for checks in sections.values() for check in checks)


def _run_fixes(facts: Facts, checks: tuple[Check, ...]) -> bool:
    """Run what mends, and show it; tell whether anything was run."""
    fixes = diagnosis.find_fixes(facts, checks)
    if not fixes:
        tell("there is nothing that --fix could mend")
        return False
    if facts.rights == "su":
        tell("--fix needs root or sudo, and there is neither")
        return False
    for fix in fixes:
        if not _run(fix.command):
            for command in fix.instead:
                _run(command)
    return True


def _run(argv: tuple[str, ...]) -> bool:
    from labctl.kernel import examine

    path = examine.system_path(os.environ)
    command = examine.spell_out(argv, path)
    tell(f"$ {shlex.join(command)}")
    code = examine.run_visibly(command, path)
    if code != 0:
        tell(f"{argv[0]} ended with {code}")
    return code == 0


def _print(sections: Sections, facts: Facts) -> None:
    from labctl.cli.screen.checks import show_checks, show_cures
    from labctl.cli.screen.page import Screen

    screen = Screen()
    for title, checks in sections.items():
        show_checks(screen, title, checks)
    fixes = () if facts.rights == "su" else diagnosis.find_fixes(facts, _all(sections))
    show_cures(screen, diagnosis.list_cures(facts, _all(sections)), tuple(fix.command[0] for fix in fixes))
