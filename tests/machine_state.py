"""The machine outside of every lab, as far as a lab could change it: law 9 compares it before and after."""

from __future__ import annotations

import json
import os
import subprocess
from difflib import unified_diff
from pathlib import Path

# What counts, and moves by itself.
_RESTLESS = (
    "fs/dentry-state",
    "fs/file-nr",
    "fs/inode-nr",
    "fs/inode-state",
    "fs/quota",
    "kernel/ns_last_pid",
    "kernel/pty/nr",
    "kernel/random",
    "kernel/threads-max",
    "net/netfilter/nf_conntrack_count",
    "net/netfilter/nf_conntrack_max",
    "net/ipv4/tcp_mem",
    "net/ipv4/udp_mem",
    "vm/stat_refresh",
)
_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def machine_state() -> dict[str, object]:
    """Links, addresses, routes, rules, sysctls, named namespaces, mounts and cgroups of the machine. Looks only."""
    return {
        "links": _ip("link"),
        "addresses": _ip("address"),
        "routes": _ip("route", "show", "table", "all"),
        "rules": _ip("rule"),
        # Not iptables-save: asking the legacy backend makes its tables, and that would be a change.
        "firewall": _run("nft", "-s", "list", "ruleset"),
        "legacy_tables": _read(Path("/proc/net/ip_tables_names")),
        "sysctls": _sysctls(),
        "named_namespaces": sorted(each.name for each in Path("/run").glob("netns/*")),
        "mounts": sorted(line.split(maxsplit=3)[3] for line in Path("/proc/self/mountinfo").read_text().splitlines()),
        "cgroups": _cgroups(),
        "lab_cgroups": sorted(str(each) for root in _cgroup_roots() for each in root.glob("labctl*")),
    }


def foreign_processes() -> dict[int, str]:
    """Processes in a pid namespace that is not ours: those of a lab, if one is left over. The dead do not count.

    A dead one is gone as soon as the machine's init has waited for it, which no lab can make it do.
    """
    ours = Path("/proc/self/ns/pid").stat().st_ino
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                if state not in "ZX" and (entry / "ns/pid").stat().st_ino != ours:
                    found[int(entry.name)] = _read(entry / "cmdline").replace("\0", " ")
            except OSError:
                continue
    return found


def differences(before: dict[str, object], after: dict[str, object]) -> list[str]:
    """Say in what two states of the machine differ, as the lines of a diff; empty only if they are equal."""
    lines: list[str] = []
    for part in sorted(before.keys() | after.keys()):
        was, now = before.get(part), after.get(part)
        if was != now:
            old, new = (json.dumps(each, indent=1, sort_keys=True).splitlines() for each in (was, now))
            lines += unified_diff(old, new, f"{part} before", f"{part} after", n=2, lineterm="") or [part]
    return lines


def _cgroups() -> list[str]:
    """The control groups below our own. The others' come and go with other programs."""
    own = {line.split(":", 2)[2] for line in _read(Path("/proc/self/cgroup")).splitlines()}
    folders = {Path(f"{root}{path}") for root in _cgroup_roots() for path in own if path != "/"}
    return sorted({found for folder in folders for found, _, _ in os.walk(folder)})


def _cgroup_roots() -> list[Path]:
    return [Path("/sys/fs/cgroup"), *Path("/sys/fs/cgroup").glob("*")]


def _ip(*arguments: str) -> object:
    text = _run("ip", "-json", *arguments)
    return [_without_counters(each) for each in json.loads(text or "[]")]


def _without_counters(item: dict[str, object]) -> dict[str, object]:
    moving = ("valid_life_time", "preferred_life_time", "stats64", "operstate")
    kept = {key: value for key, value in item.items() if key not in moving}
    infos = kept.get("addr_info")
    if isinstance(infos, list):
        kept["addr_info"] = [_without_counters(each) for each in infos]
    return kept


def _sysctls() -> dict[str, str]:
    found = {}
    for folder, _, names in os.walk("/proc/sys"):
        for name in names:
            key = os.path.relpath(f"{folder}/{name}", "/proc/sys")
            if not key.startswith(_RESTLESS):
                found[key] = _read(Path(folder, name))
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _run(*argv: str) -> str:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, env={"PATH": _PATH})
    except FileNotFoundError:
        return ""
    return done.stdout
