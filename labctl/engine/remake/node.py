"""Makes the rules, files and settings of a node again."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from labctl.engine.snapshot import BASELINE_POLICY, NETNS
from labctl.errors import KernelRefused, LabError
from labctl.model.iptables_save import spell_words
from labctl.model.lab import Place

if TYPE_CHECKING:
    from labctl.engine.remake.picture import Picture
    from labctl.engine.remake.spelled import Spelled
    from labctl.model.ports import Kernel

_MODES = {True: 0o755, False: 0o644}
_LINK = "-> "
_DRAWN = "<drawn "
_EMPTY: dict[str, Any] = {"policies": [], "rules": []}
# What iptables-save says in place of a policy for a chain that is no built-in one.
_OWN = "-"


def set_rules(kernel: Kernel, now: Picture, wanted: Picture) -> None:
    """Each table that differs, whole; and none of the backend that `iptables` is not."""
    for node, rules in wanted["rules"].items():
        there = now["rules"][node]
        tables = {name for name in {*rules, *there} if rules.get(name) != there.get(name)}
        text = "".join(_spell_table(name, there.get(name, _EMPTY), rules.get(name, _EMPTY)) for name in sorted(tables))
        if text:
            kernel.programs(Place(node)).run(("iptables-restore", "-w", "5"), text)
        if now["snapshot"]["nodes"][node]["other_iptables"] and not wanted["snapshot"]["nodes"][node]["other_iptables"]:
            empty_other_backend(kernel, node)


def empty_other_backend(kernel: Kernel, node: str) -> None:
    """Take all rules out of the backend that `iptables` is not."""
    with suppress(LabError):
        first, *lines = kernel.firewall(node).other_backend().splitlines() or [""]
        text = "".join(f"{line}\nCOMMIT\n" for line in lines if line.startswith("*"))
        if text:
            kernel.programs(Place(node)).run((f"{first.removeprefix('# ')}-restore",), text)


def _spell_table(name: str, now: dict[str, Any], wanted: dict[str, Any]) -> str:
    """A table for iptables-restore(8), which takes away the rules and chains that were in it, but leaves policies."""
    policies = {chain: BASELINE_POLICY.get((name, chain), "ACCEPT") for chain, old in now["policies"] if old != _OWN}
    policies |= dict(wanted["policies"])
    lines = [f":{chain} {policy} [0:0]" for chain, policy in policies.items()]
    lines += [f"-A {chain} {spell_words(words)}".rstrip() for chain, words in wanted["rules"]]
    return "".join(f"{line}\n" for line in (f"*{name}", *lines, "COMMIT"))


def set_files(kernel: Kernel, now: Picture, wanted: Picture, spelled: Spelled) -> None:
    """Files, folders and links of the folders that the course knows."""
    for node, body in wanted["snapshot"]["nodes"].items():
        there, want = now["snapshot"]["nodes"][node]["files"], body["files"]
        executable = frozenset(wanted["executables"][node])
        differing = {path for path in {*there, *want} if there.get(path) != want.get(path)}
        differing |= executable ^ frozenset(now["executables"][node])
        files, writer = kernel.files(node), _Writer(kernel, node, spelled)
        # The deepest first: a folder goes when it is empty.
        for path in sorted(differing & set(there), reverse=True):
            if path not in want or _kind(path, there[path]) != _kind(path, want[path]):
                with suppress(LabError, OSError):
                    files.remove(path.rstrip("/"))
        for path in sorted(differing & set(want)):
            with suppress(LabError, OSError):
                writer.write(path, want[path], executable=path in executable)


def _kind(path: str, text: str) -> str:
    if path.endswith("/"):
        return "folder"
    if text.startswith(_LINK):
        return "link"
    return "mount" if path.startswith(f"{NETNS}/") else "file"


class _Writer:
    """Writes what a snapshot says of a path."""

    def __init__(self, kernel: Kernel, node: str, spelled: Spelled) -> None:
        self._files, self._programs, self._spelled = kernel.files(node), kernel.programs(Place(node)), spelled

    def write(self, path: str, text: str, *, executable: bool) -> None:
        match _kind(path, text):
            case "folder":
                self._files.make_folder(path.rstrip("/"))
            case "link":
                self._files.link(path, self._spelled.text(text.removeprefix(_LINK)))
            case "mount":
                if pid := self._spelled.pid_of(text):
                    self._programs.run(("ip", "netns", "attach", path.rpartition("/")[2], pid))
            case _ if _DRAWN in text:
                return  # a key is drawn by its step, and in no snapshot
            case _:
                self._files.make_folder(path.rpartition("/")[0])
                self._files.write(path, self._spelled.text(text), _MODES[executable])


def set_settings(kernel: Kernel, now: Picture, wanted: Picture) -> None:
    """The sysctls that the course touches; one that this kernel does not have stays away."""
    for node, body in wanted["snapshot"]["nodes"].items():
        for name, value in body["sysctls"].items():
            if value != now["snapshot"]["nodes"][node]["sysctls"][name] and value is not None:
                with suppress(KernelRefused):
                    path = f"/proc/sys/{name.replace('.', '/')}"
                    kernel.programs(Place(node)).run(("sh", "-c", 'printf %s "$1" >"$2"', "sh", value, path))
