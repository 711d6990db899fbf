"""labnet hears nothing of its caller's environment but CNI_*, and imports nothing that it does not need."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.cni_runtime import LABNET, Runtime, network

if TYPE_CHECKING:
    from tests.lab_under_test import LabUnderTest

pytestmark = [pytest.mark.machine, pytest.mark.anybody]

HEAVY = (
    "asyncio", "dataclasses", "email", "fastjsonschema", "inspect", "logging", "nmap", "pathlib",
    "pyroute2", "rich", "socket", "subprocess", "tempfile", "threading", "typer",
)  # fmt: skip  # names that a call must not import


def test_the_environment_and_the_folder_of_the_caller_have_no_say(lab: LabUnderTest) -> None:
    runtime = Runtime(lab)
    trap = "raise SystemExit('imported')"
    folder = runtime.type(
        f"""
        folder=$(mktemp -d); cd $folder
        for name in json os re ipaddress labctl sitecustomize usercustomize; do echo "{trap}" >$name.py; done
        for tool in ip iptables iptables-save python3; do printf '#!/bin/sh\\nexit 9\\n' >$tool; chmod +x $tool; done
        echo $folder
        """
    ).strip()
    caller = {
        "PYTHONPATH": folder,
        "PYTHONHOME": folder,
        "PYTHONSTARTUP": f"{folder}/json.py",
        "PYTHONINSPECT": "1",
        "PYTHONVERBOSE": "1",
        "PYTHONWARNINGS": "error",
        "PYTHONUSERBASE": folder,
        "PATH": folder,
        "LC_ALL": "tr_TR.UTF-8",
        "HOME": folder,
        "IFS": "/",
        "BASH_ENV": f"{folder}/json.py",
    }
    for variables in (caller, {}, {"PATH": ""}):
        told = runtime.variables("ADD", "a") | {"CNI_NETNS": runtime.netns("a")}
        spelled = " ".join(f"{name}='{value}'" for name, value in {**variables, **told}.items())
        script = f"cd {folder}; exec env -i {spelled} {LABNET}"
        done = runtime.run("sh", "-c", script, text=json.dumps(network()))
        assert (done.code, done.err) == (0, ""), done
        result = json.loads(done.out)
        assert runtime.call("CHECK", "a", network(prevResult=result)).code == 0
        assert runtime.call("DEL").code == 0


def test_its_interpreter_is_absolute_and_isolated(lab: LabUnderTest) -> None:
    first = Runtime(lab).type(f"head -n1 {LABNET}").split()
    assert first[0].startswith("#!/")
    assert first[1:] == ["-ISB"]


@pytest.mark.parametrize("command", ["VERSION", "ADD", "CHECK", "DEL"])
def test_it_imports_nothing_heavy(lab: LabUnderTest, command: str) -> None:
    runtime = Runtime(lab)
    configuration = network()
    if command in ("CHECK", "DEL"):
        configuration["prevResult"] = runtime.add().said
    variables = runtime.variables(command, "a") | {"CNI_NETNS": runtime.netns("a")}
    spelled = (f"{name}={value}" for name, value in variables.items())
    interpreter = runtime.type(f"head -n1 {LABNET}").split()[0].removeprefix("#!")
    argv = ("env", "-i", *spelled, interpreter, "-ISB", "-X", "importtime", LABNET)
    done = runtime.run(*argv, text=json.dumps(configuration))
    assert done.code == 0, done
    imported = {line.rpartition("|")[2].strip() for line in done.err.splitlines() if line.startswith("import time:")}
    assert "labctl.cni.plugin" in imported
    assert not imported & set(HEAVY), imported & set(HEAVY)
    if command == "VERSION":
        assert not any(each.startswith(("labctl.kernel", "labctl.resources", "ipaddress")) for each in imported)
