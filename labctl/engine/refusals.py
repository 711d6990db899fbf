"""Why the kernel refuses a namespace, and the ways out. The reasons are those of user_namespaces(7), namespaces(7)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from labctl.engine.distribution import spell_as_root
from labctl.model.trial import UNREADABLE

if TYPE_CHECKING:
    from labctl.model.trial import Facts, Trial

CLONE = "kernel.unprivileged_userns_clone"
APPARMOR = "kernel.apparmor_restrict_unprivileged_userns"
LIMITS = tuple(f"user.max_{kind}_namespaces" for kind in ("user", "mnt", "pid", "ipc", "uts", "net"))
SYSCTLS = (CLONE, APPARMOR, *LIMITS)
OR = "\n# or\n"
# What a kernel allows by itself depends on the machine's memory; this is more than any lab needs.
_ENOUGH = 15000
_OUTSIDE = "run labctl outside of the container"
_ORDINARY = "run labctl as an ordinary user there, or outside of the container"
_DOCKER = "docker run --security-opt seccomp=unconfined --security-opt systempaths=unconfined …"
_PRIVILEGED = ("labctl", "up", "--privileged")


def explain_refusal(trial: Trial, facts: Facts) -> tuple[str, str]:
    """Say why a namespace was refused, and what to type (several ways are separated by `OR`)."""
    match trial.errno:
        case errno.ENOSPC | errno.EUSERS:
            return _explain_limit(trial, facts)
        case errno.EPERM | errno.EACCES:
            return _explain_policy(trial, facts)
        case errno.EINVAL | errno.ENOSYS:
            why = f"this kernel ({facts.release}) is built without them (CONFIG_USER_NS)"
            return why, spell_as_root((_PRIVILEGED,), facts.rights)
    return "", ""


def _explain_policy(trial: Trial, facts: Facts) -> tuple[str, str]:
    """Who forbids it: one of two settings, which mean ordinary users only, or a container."""
    if facts.rights != "root":
        if facts.sysctls.get(CLONE) == "0":
            return f"{CLONE} is 0: only root may make them (old Debian)", _set(CLONE, 1, facts)
        # Ubuntu 23.10 lets only root read it, later ones everybody.
        if (value := facts.sysctls.get(APPARMOR)) in ("1", UNREADABLE):
            guess = "is" if value == "1" else "is, it seems,"
            why = f"{APPARMOR} {guess} 1: AppArmor (Ubuntu) keeps ordinary users from them"
            return why, _set(APPARMOR, 0, facts) + OR + _allow_in_apparmor(facts)
    if trial.stage in ("setgroups", "uid_map"):
        return "this is root of a container that owns too few user ids (/proc/self/uid_map)", _ORDINARY
    return "a container's security policy, or a chroot, forbids them", _OUTSIDE + OR + _DOCKER


def _explain_limit(trial: Trial, facts: Facts) -> tuple[str, str]:
    kind = trial.stage if trial.name == "namespaces" else "user"
    limit = f"user.max_{kind}_namespaces"
    value = facts.sysctls.get(limit, "")
    if value == "0":
        return f"{limit} is 0: nobody may make them", _set(limit, _ENOUGH, facts)
    if value.isdecimal() and int(value) < _ENOUGH:
        return f"{limit} is {value}: no more may be made", _set(limit, _ENOUGH, facts)
    return "a limit of the surrounding container is used up", _OUTSIDE


def _set(name: str, value: int, facts: Facts) -> str:
    return spell_as_root((("sysctl", "-w", f"{name}={value}"),), facts.rights)


def _allow_in_apparmor(facts: Facts) -> str:
    """Give this Python alone the right, by a profile of AppArmor 4 that confines it in nothing else."""
    path = "/etc/apparmor.d/labctl-python"
    lines = (
        "abi <abi/4.0>,",
        "include <tunables/global>",
        f"profile labctl-python {facts.interpreter} flags=(unconfined) {{",
        "  userns,",
        "}",
    )
    profile = "".join(f"{line}\\n" for line in lines)
    return spell_as_root((("sh", "-c", f'printf "{profile}" > {path} && apparmor_parser -r {path}'),), facts.rights)
