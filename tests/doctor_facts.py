"""Machines that are made of facts alone, for the doctor to judge."""

from dataclasses import replace

from labctl.engine.diagnosis import check_kernel, check_machine, check_tools, complain
from labctl.engine.features import FEATURES
from labctl.errors import LabError
from labctl.model.tools import TOOLS
from labctl.model.trial import Check, Facts, FoundTool, Rights, Trial

OS_RELEASE = {
    "debian": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\n',
    "ubuntu": 'NAME="Ubuntu"\nID=ubuntu\nID_LIKE=debian\n',
    "mint": 'ID=linuxmint\nID_LIKE="ubuntu debian"\n',
    "fedora": 'NAME="Fedora Linux"\nID=fedora\n',
    "rocky": 'ID="rocky"\nID_LIKE="rhel centos fedora"\n',
    "arch": "ID=arch\n",
    "manjaro": "ID=manjaro\nID_LIKE=arch\n",
    "alpine": 'NAME="Alpine Linux"\nID=alpine\n',
    "leap": 'ID="opensuse-leap"\nID_LIKE="suse opensuse"\n',
    "nixos": "# nobody's child\nID=nixos\n",
    "none": "",
}


def make_facts(*lacks: str, os_release: str = "debian", rights: Rights = "sudo", **changes: object) -> Facts:
    """A machine that has everything, but for these tools."""
    trials = {name: Trial(name, works=True, said="works") for name in (*(each.id for each in FEATURES), "state")}
    facts = Facts(
        os_release=OS_RELEASE[os_release],
        release="6.1.0",
        rights=rights,
        python=(3, 12, 1),
        interpreter="/usr/bin/python3.12",
        sysctls={},
        trials=trials,
        tools=tuple(FoundTool(each.name, "" if each.name in lacks else f"/usr/bin/{each.name}") for each in TOOLS),
        steps={"brctl": (0, 3), "jq": (4,), "bridge firewall": (3, 5, 6)},
    )
    return replace(facts, **changes)  # type: ignore[arg-type]  # by the tests' own words


def refuse(facts: Facts, name: str, said: str = "", stage: str = "", number: int = 0) -> Facts:
    """The same machine, with one feature refused."""
    return replace(facts, trials={**facts.trials, name: Trial(name, works=False, said=said, stage=stage, errno=number)})


def diagnose(facts: Facts) -> dict[str, Check]:
    checks = (*check_machine(facts), *check_kernel(facts), *check_tools(facts))
    return {check.id: check for check in checks}


def conclude(facts: Facts) -> LabError | None:
    return complain(facts, diagnose(facts).values())
