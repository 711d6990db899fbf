"""Missing tools, as the doctor sees them: who needs one, and what to type on which distribution."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from labctl.engine.course import Course, builtin_folder
from labctl.engine.diagnosis import find_fixes, list_cures
from labctl.engine.distribution import find_family, find_package, spell_install
from labctl.engine.needs import find_needs
from labctl.model.tools import TOOLS
from labctl.model.trial import Rights
from labctl.world.topology import read_lab, spread
from tests.doctor_facts import OS_RELEASE, conclude, diagnose, make_facts, refuse
from tests.lab_checkout import TOOLS as TOOLS_OF_LAB
from tests.lab_checkout import make_checkout, write_program

APT = "apt-get install -y --no-install-recommends"
MANAGERS = {"apt-get": "debian", "dnf": "fedora", "pacman": "arch", "apk": "alpine", "zypper": "leap"}


@pytest.mark.parametrize(
    ("os_release", "command"),
    [
        ("debian", f"sudo apt-get update && sudo {APT} bridge-utils iputils-ping"),
        ("ubuntu", f"sudo apt-get update && sudo {APT} bridge-utils iputils-ping"),
        ("mint", f"sudo apt-get update && sudo {APT} bridge-utils iputils-ping"),
        ("fedora", "sudo dnf install -y bridge-utils iputils"),
        ("rocky", "sudo dnf install -y bridge-utils iputils"),
        ("arch", "sudo pacman -Sy && sudo pacman -S --needed --noconfirm bridge-utils iputils"),
        ("manjaro", "sudo pacman -Sy && sudo pacman -S --needed --noconfirm bridge-utils iputils"),
        ("alpine", "sudo apk add --no-cache bridge-utils iputils"),
        ("leap", "sudo zypper --non-interactive install --no-recommends bridge-utils iputils"),
        ("nixos", "install, with the package manager of this distribution: bridge-utils iputils"),
        ("none", "install, with the package manager of this distribution: bridge-utils iputils"),
    ],
)
def test_one_command_of_this_distribution_cures_all_missing_tools(os_release: str, command: str) -> None:
    facts = make_facts("brctl", "ping", os_release=os_release)
    complaint = conclude(facts)
    assert complaint
    assert (complaint.exit_code, complaint.what) == (5, "this machine lacks brctl, ping")
    assert complaint.hint == command
    assert list_cures(facts, diagnose(facts).values()) == (("brctl, ping", command),)
    assert diagnose(facts)["tool_brctl"].cure in (command.replace(" iputils-ping", ""), command.replace(" iputils", ""))


def test_kubectl_comes_with_lab_and_is_not_needed() -> None:
    needs = find_needs(Course(builtin_folder()), read_lab(spread(None, None)))
    facts = make_facts("kubectl", "jq", steps=needs)
    check = diagnose(facts)["tool_kubectl"]
    assert (check.needed, check.state, check.cure) == (False, "missing", "./lab doctor --fix")
    assert re.fullmatch(r"steps? [\d, and]+ needs? it", check.why)
    assert ("kubectl", "./lab doctor --fix") in list_cures(facts, diagnose(facts).values())
    assert not [fix for fix in find_fixes(facts, diagnose(facts).values()) if "kubectl" in str(fix.command)]
    assert conclude(make_facts("kubectl")) is None


@pytest.mark.parametrize(
    ("rights", "command"),
    [("root", f"apt-get update && {APT} jq"), ("su", f"su -c 'apt-get update && {APT} jq'")],
)
def test_the_command_fits_what_this_user_may_do(rights: Rights, command: str) -> None:
    assert diagnose(make_facts("jq", rights=rights))["tool_jq"].cure == command


@pytest.mark.machine
@pytest.mark.parametrize("manager", MANAGERS)
def test_lab_and_doctor_name_the_same_packages(tmp_path: Path, manager: str) -> None:
    checkout = make_checkout(tmp_path)
    (checkout.programs / "id").unlink()
    write_program(checkout.programs / "id", "echo 1000")
    write_program(checkout.programs / manager, "")
    for tool in TOOLS_OF_LAB:
        (checkout.programs / tool).unlink()
    family = find_family(OS_RELEASE[MANAGERS[manager]])
    command = spell_install(family, (find_package(family, tool) for tool in TOOLS_OF_LAB), "su")
    assert f"hint: {command}\n" in checkout.run().err


def test_what_lab_installs_the_doctor_needs() -> None:
    assert set(TOOLS_OF_LAB) <= {tool.name for tool in TOOLS if tool.needed}


def test_a_missing_tool_names_the_steps_that_need_it() -> None:
    assert diagnose(make_facts("brctl"))["tool_brctl"].why == "steps 0 and 3 need it"
    assert diagnose(make_facts("jq"))["tool_jq"].why == "step 4 needs it"


def test_which_steps_need_what_is_read_off_the_course() -> None:
    needs = find_needs(Course(builtin_folder()), read_lab(spread(None, None)))
    assert {name: needs[name] for name in ("brctl", "nmap", "jq", "veth", "MASQUERADE", "bridge firewall")} == {
        "brctl": (0, 3, 9),
        "nmap": (1,),
        "jq": (4, 8, 10, 12),
        "veth": (3,),
        "MASQUERADE": (6,),
        "bridge firewall": (3, 5, 8, 9),
    }
    said = {tool.name for tool in TOOLS if tool.purpose} | set(needs)
    assert {tool.name for tool in TOOLS} <= said


def test_a_tool_where_the_world_does_not_look_is_missing() -> None:
    facts = make_facts()
    tools = tuple(replace(each, path="", elsewhere="/home/u/jq") if each.name == "jq" else each for each in facts.tools)
    check = diagnose(replace(facts, tools=tools))["tool_jq"]
    assert (check.state, check.found) == ("missing", "only /home/u/jq")


def test_what_is_optional_is_no_complaint() -> None:
    facts = make_facts("tcpdump", "curl", "gcloud")
    checks = diagnose(facts)
    assert [checks[f"tool_{name}"].state for name in ("tcpdump", "curl", "gcloud")] == ["missing"] * 3
    assert checks["tool_gcloud"].cure == "see https://cloud.google.com/sdk/docs/install"
    assert conclude(facts) is None


def test_fix_installs_all_at_once_else_one_by_one_and_loads_the_module() -> None:
    facts = refuse(make_facts("brctl", "jq", os_release="fedora"), "br_netfilter", "the module is not loaded")
    install, module = find_fixes(facts, diagnose(facts).values())
    assert install.command == ("dnf", "install", "-y", "bridge-utils", "jq")
    assert install.instead == (("dnf", "install", "-y", "bridge-utils"), ("dnf", "install", "-y", "jq"))
    assert (module.command, module.instead) == (("modprobe", "br_netfilter"), ())
