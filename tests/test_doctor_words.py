"""What the kernel refuses, as the doctor sees it: what it is due to, who suffers, and what to type."""

import errno
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from labctl.engine.diagnosis import find_fixes, list_cures
from labctl.engine.refusals import APPARMOR, CLONE, OR
from labctl.model.trial import UNREADABLE, Trial
from tests.doctor_facts import conclude, diagnose, make_facts, refuse
from tests.lab_checkout import write_program


def test_a_machine_that_has_everything_has_nothing_to_type() -> None:
    facts = make_facts()
    assert conclude(facts) is None
    assert list_cures(facts, diagnose(facts).values()) == ()
    assert find_fixes(facts, diagnose(facts).values()) == ()


def test_a_missing_br_netfilter_is_named_with_its_steps_and_hinders_nobody() -> None:
    facts = refuse(make_facts(), "br_netfilter", "the module is not loaded")
    check = diagnose(facts)["br_netfilter"]
    assert (check.state, check.needed, check.cure) == ("missing", False, "sudo modprobe br_netfilter")
    assert check.why.endswith("steps 3, 5 and 6 need it")
    assert conclude(facts) is None


@pytest.mark.parametrize(
    ("number", "stage", "sysctls", "named", "cure"),
    [
        (errno.EPERM, "unshare", {CLONE: "0"}, f"{CLONE} is 0", f"sudo sysctl -w {CLONE}=1"),
        (errno.EPERM, "unshare", {APPARMOR: "1"}, f"{APPARMOR} is 1", f"sudo sysctl -w {APPARMOR}=0"),
        (errno.EPERM, "chroot", {APPARMOR: "1"}, "AppArmor (Ubuntu)", f"sudo sysctl -w {APPARMOR}=0"),
        (errno.EACCES, "unshare", {APPARMOR: UNREADABLE}, "is, it seems, 1", f"sudo sysctl -w {APPARMOR}=0"),
        (errno.EPERM, "unshare", {APPARMOR: "0", CLONE: "1"}, "a container's security", "run labctl outside"),
        (errno.EPERM, "uid_map", {}, "root of a container", "run labctl as an ordinary user there"),
        (errno.ENOSPC, "unshare", {"user.max_user_namespaces": "0"}, "user.max_user_namespaces is 0", "sudo sysctl -w"),
        (errno.ENOSPC, "unshare", {"user.max_user_namespaces": "9"}, "is 9: no more", "sudo sysctl -w"),
        (errno.EUSERS, "unshare", {"user.max_user_namespaces": "63000"}, "surrounding container", "run labctl outside"),
        (errno.EINVAL, "unshare", {}, "CONFIG_USER_NS", "sudo labctl up --privileged"),
    ],
)
def test_who_forbids_user_namespaces_is_named(
    number: int, stage: str, sysctls: dict[str, str], named: str, cure: str
) -> None:
    facts = refuse(make_facts(sysctls=sysctls), "user_namespace", "refused", stage, number)
    complaint = conclude(facts)
    assert complaint
    assert (complaint.exit_code, complaint.hint.startswith(cure)) == (5, True)
    assert named in complaint.what
    assert diagnose(facts)["user_namespace"].found == f"{stage}: refused"


def test_settings_for_ordinary_users_are_not_blamed_for_what_root_meets() -> None:
    facts = make_facts(rights="root", sysctls={APPARMOR: "1", CLONE: "0"})
    complaint = conclude(refuse(facts, "user_namespace", "refused", "unshare", errno.EPERM))
    assert complaint
    assert "container" in complaint.what


@pytest.mark.machine
def test_the_second_way_out_of_apparmor_writes_a_profile_for_this_python(tmp_path: Path) -> None:
    facts = make_facts(rights="su", sysctls={APPARMOR: "1"})
    check = diagnose(refuse(facts, "user_namespace", "refused", "unshare", errno.EPERM))["user_namespace"]
    # `su -c` takes what `sh -c` takes. It is run where /etc is the test's own.
    command = check.cure.split(OR)[1].replace("su -c ", "sh -c ", 1)
    write_program(tmp_path / "apparmor_parser", 'cat "$2"')
    script = f'mount -t tmpfs none /etc && mkdir /etc/apparmor.d && PATH={tmp_path}:$PATH && eval "$1"'
    argv = ("unshare", "--map-root-user", "--mount", "sh", "-c", script, "sh", command)
    ran = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines() == [
        "abi <abi/4.0>,",
        "include <tunables/global>",
        "profile labctl-python /usr/bin/python3.12 flags=(unconfined) {",
        "  userns,",
        "}",
    ]


def test_an_old_kernel_is_named() -> None:
    facts = refuse(make_facts(release="5.10.0"), "mount_setattr", "Function not implemented", "", errno.ENOSYS)
    check = diagnose(facts)["mount_setattr"]
    assert check.why.startswith("this kernel is 5.10.0")
    assert check.cure == "boot a kernel of Linux 5.12 or newer"


def test_where_one_backend_of_iptables_is_refused_the_other_is_the_way_out() -> None:
    facts = refuse(refuse(make_facts(), "iptables", "no"), "iptables_nft", "no")
    assert diagnose(facts)["iptables"].cure == "LABCTL_IPTABLES=legacy labctl up"


def test_what_could_not_be_tried_is_unknown_and_says_why() -> None:
    facts = make_facts()
    trials = {name: trial for name, trial in facts.trials.items() if name != "bridge"}
    broken = replace(facts, trials={**trials, "trials": Trial("trials", None, "no answer for 30 seconds")})
    complaint = conclude(broken)
    assert complaint
    assert (complaint.exit_code, diagnose(broken)["bridge"].why) == (6, "no answer for 30 seconds")


def test_what_is_missing_weighs_more_than_what_is_unknown() -> None:
    facts = make_facts("ip")
    untried = {name: Trial(name, None, "ip is not installed") for name in ("bridge", "veth")}
    complaint = conclude(replace(facts, trials={**facts.trials, **untried}))
    assert complaint
    assert (complaint.exit_code, complaint.what) == (5, "this machine lacks ip")
