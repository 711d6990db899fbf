"""What a machine lacks for the lab, which steps suffer, and what to type: from facts alone, nothing is looked up."""

from __future__ import annotations

import errno
from dataclasses import replace
from typing import TYPE_CHECKING

from labctl.engine.distribution import Fix, find_family, find_install_fixes, find_package, spell_as_root, spell_install
from labctl.engine.features import FEATURES, Feature
from labctl.engine.refusals import explain_refusal
from labctl.errors import CannotTell, KernelRefused, LabError
from labctl.model.tools import TOOLS, Tool
from labctl.model.trial import Check

if TYPE_CHECKING:
    from collections.abc import Iterable

    from labctl.model.trial import Facts, FoundTool, Trial

_OLDEST_PYTHON = (3, 11)
_MODULE = "br_netfilter"


def check_machine(facts: Facts) -> tuple[Check, ...]:
    """Python and the state folder."""
    return _check_python(facts), _check_state(facts.trials["state"])


def check_kernel(facts: Facts) -> tuple[Check, ...]:
    """Every feature of the kernel that was tried, or should have been."""
    return tuple(_check_feature(feature, facts) for feature in FEATURES)


def check_tools(facts: Facts) -> tuple[Check, ...]:
    """Every program."""
    found = {each.name: each for each in facts.tools}
    return tuple(_check_tool(tool, found[tool.name], facts) for tool in TOOLS)


def find_fixes(facts: Facts, checks: Iterable[Check]) -> tuple[Fix, ...]:
    """What `--fix` runs as root: it installs the tools that are missing, and loads br_netfilter."""
    checks = tuple(checks)
    family = find_family(facts.os_release)
    packages = [find_package(family, tool.name) for tool in _missing_tools(checks)]
    unloaded = any(check.id == _MODULE and check.state == "missing" for check in checks)
    modules = (Fix(("modprobe", _MODULE)),) if unloaded else ()
    return (*find_install_fixes(family, packages), *modules)


def list_cures(facts: Facts, checks: Iterable[Check]) -> tuple[tuple[str, str], ...]:
    """For what, and what to type; one command for all the tools that packages bring."""
    checks = tuple(checks)
    names = [tool.name for tool in _missing_tools(checks) if tool.packaged]
    alone = {_spell_tools(facts, (name,)) for name in names}
    cures = [(check.title, check.cure) for check in checks if check.cure and check.cure not in alone]
    return (*cures, (", ".join(names), _spell_tools(facts, names))) if names else tuple(cures)


def complain(facts: Facts, checks: Iterable[Check]) -> LabError | None:
    """The error that all this amounts to: something needed is missing, or something could not be measured."""
    checks = tuple(checks)
    lacks = [check for check in checks if check.needed and check.state == "missing"]
    unknown = [check.title for check in checks if check.state == "unknown"]
    if lacks:
        first, tools = lacks[0], [tool.name for tool in _missing_tools(lacks)]
        reason = "" if first.title in tools else f" ({first.why.partition(';')[0]})"
        hint = first.cure.partition("\n")[0]
        if first.title in tools:
            hint = _spell_tools(facts, tools)
        return KernelRefused(f"this machine lacks {', '.join(check.title for check in lacks)}{reason}", hint)
    if unknown:
        why = next(check.why for check in checks if check.state == "unknown")
        return CannotTell(f"could not be tried: {', '.join(unknown)} ({why})", "try again: labctl doctor")
    return None


def _missing_tools(checks: Iterable[Check]) -> tuple[Tool, ...]:
    missing = {check.id for check in checks if check.state == "missing"}
    return tuple(tool for tool in TOOLS if _id(tool) in missing)


def _spell_tools(facts: Facts, names: Iterable[str]) -> str:
    family = find_family(facts.os_release)
    return spell_install(family, (find_package(family, name) for name in names), facts.rights)


def _check_python(facts: Facts) -> Check:
    found = f"{'.'.join(map(str, facts.python))} {facts.interpreter}"
    check = Check("python", "Python 3.11 or newer", needed=True, state="ok", found=found)
    if facts.python >= _OLDEST_PYTHON:
        return check
    return replace(check, state="missing", why="labctl is written for it", cure="./lab doctor")


def _check_state(trial: Trial) -> Check:
    check = Check("state", "a folder for the state", needed=True, state="ok", found=trial.said)
    if trial.works:
        return check
    why = f"{trial.stage} cannot be written: no world could be remembered"
    return replace(check, state="missing", why=why, cure="LABCTL_HOME=FOLDER labctl doctor")


def _check_feature(feature: Feature, facts: Facts) -> Check:
    trial = facts.trials.get(feature.id)
    check = Check(feature.id, feature.title, feature.needed, "ok", trial.said if trial else "")
    if trial and trial.works:
        return check
    if trial is None or (trial.works is None and not feature.tool):
        return replace(check, state="unknown", found="not tried", why=trial.said if trial else _why_not_tried(facts))
    reason, cure = _explain(feature, trial, facts)
    found = f"{trial.stage}: {trial.said}" if trial.stage else trial.said
    why = "; ".join(filter(None, (reason, feature.suffers, _spell_steps(feature.need, facts))))
    return replace(check, state="missing", found=found, why=why, cure=cure)


def _why_not_tried(facts: Facts) -> str:
    if broken := facts.trials.get("trials"):
        return broken.said
    refused = next((each.title for each in FEATURES if _is_refused(facts.trials.get(each.id))), "what was not reached")
    return f"needs {refused}"


def _is_refused(trial: Trial | None) -> bool:
    return trial is not None and not trial.works


def _explain(feature: Feature, trial: Trial, facts: Facts) -> tuple[str, str]:
    """Say why a feature is missing, beyond the kernel's own words, and what to type."""
    if trial.works is None:
        return "", _spell_tools(facts, (feature.tool,))
    if feature.id == "mount_setattr" and trial.errno == errno.ENOSYS:
        return f"this kernel is {facts.release}", "boot a kernel of Linux 5.12 or newer"
    if feature.id == "iptables" and (other := _find_other_backend(facts)):
        return f"the {other} backend works", f"LABCTL_IPTABLES={other} labctl up"
    if feature.modules:
        several = ("-a",) if len(feature.modules) > 1 else ()
        return "", spell_as_root((("modprobe", *several, *feature.modules),), facts.rights)
    return explain_refusal(trial, facts)


def _find_other_backend(facts: Facts) -> str:
    backends = ("nft", "legacy")
    trials = {each: facts.trials.get(f"iptables_{each}") for each in backends}
    return next((each for each, trial in trials.items() if trial and trial.works), "")


def _check_tool(tool: Tool, found: FoundTool, facts: Facts) -> Check:
    check = Check(_id(tool), tool.name, tool.needed, "ok", f"{found.version} {found.path}".strip())
    if found.path:
        return check
    lack = f"only {found.elsewhere}" if found.elsewhere else "not installed"
    where = "the lab's world does not look there" if found.elsewhere else ""
    why = "; ".join(filter(None, (where, tool.purpose or _spell_steps(tool.name, facts))))
    return replace(check, state="missing", found=lack, why=why, cure=_spell_cure(tool, facts))


def _spell_cure(tool: Tool, facts: Facts) -> str:
    if tool.wheel:
        return "./lab doctor --fix"
    return f"see {tool.page}" if tool.page else _spell_tools(facts, (tool.name,))


def _id(tool: Tool) -> str:
    return f"tool_{tool.name}"


def _spell_steps(need: str, facts: Facts) -> str:
    """Name the steps that need something: `steps 0 and 3 need it`."""
    numbers = [str(number) for number in facts.steps.get(need, ())]
    if len(numbers) > 1:
        return f"steps {', '.join(numbers[:-1])} and {numbers[-1]} need it"
    return f"step {numbers[0]} needs it" if numbers else ""
