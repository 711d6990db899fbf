"""The packet filter of one node, through the node's own `iptables`, whichever backend that is.

All tables are read with one `iptables-save`, which costs a few milliseconds; what was read is kept until this object
changes something or is told to `forget`. Changes go through `iptables -w`, which waits for the lock of others (of the
legacy backend; that of nft has none), but not for ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from labctl.errors import Busy, KernelRefused, ToolMissing
from labctl.model.iptables_save import parse_save, render_save, unreadable_tables
from labctl.model.values import Ruleset

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labctl.model.ports import Runs
    from labctl.model.values import Completed

_NOT_THERE = 1  # `iptables -C` and `-D` exit with 1 for a rule that is not there, with 2 to 4 for everything else
_WAIT = ("-w", "5")  # seconds; without a number it waits until the other one is done, or for ever
_LOCK = "/run/xtables.lock"


class IptablesFirewall:
    """Port `Firewall` on top of programs that run on the node. Every method may raise KernelRefused or ToolMissing."""

    def __init__(self, programs: Runs, family: int = 4) -> None:
        """`programs` runs argv on the node, in its network and mount namespace; `family` is that of IP, 4 or 6."""
        self._programs = programs
        self._name = "iptables" if family == 4 else "ip6tables"  # noqa: PLR2004 (what it is called)
        self._saved: str | None = None
        self._tables: dict[str, Ruleset] = {}
        self._other: str | None = None

    def forget(self) -> None:
        """Ask the kernel again at the next look, also which backend `iptables` is."""
        self._saved = None
        self._other = None

    def table(self, name: str) -> Ruleset:
        """Read one table; a table that the kernel has not made yet is an empty `Ruleset`.

        Raises:
            KernelRefused: iptables-save was refused, or `nft` put something into the table that iptables cannot say.
        """
        if self._saved is None:
            saved = self._ask(f"{self._name}-save").out
            self._tables = parse_save(saved)
            self._saved = saved
        if name in unreadable_tables(self._saved):
            raise _unreadable(name)
        return self._tables.get(name, Ruleset())

    def saved(self) -> str:
        """All tables as iptables-save prints them.

        Raises:
            KernelRefused: it was refused, or a table holds what iptables cannot say.
        """
        saved = self._ask(f"{self._name}-save").out
        if unreadable := unreadable_tables(saved):
            raise _unreadable(min(unreadable))
        return saved

    def append(self, table: str, chain: str, words: Sequence[str]) -> None:
        """Append a rule at the end of a chain (`-A`)."""
        self._change("-t", table, "-A", chain, *words)

    def insert(self, table: str, chain: str, words: Sequence[str]) -> None:
        """Insert a rule at the head of a chain (`-I`)."""
        self._change("-t", table, "-I", chain, *words)

    def delete(self, table: str, chain: str, words: Sequence[str]) -> None:
        """Delete the first rule of a chain that says this (`-D`); gone already is success."""
        try:
            self._change("-t", table, "-D", chain, *words)
        except KernelRefused as refused:
            # -D says in words only whether the rule was missing; -C says it with its exit code, in any spelling.
            if isinstance(refused, ToolMissing) or not self._is_missing(table, chain, words):
                raise

    def restore(self, text: str) -> None:
        """Have `iptables-restore --noflush` do all of it: a table, whole or not at all, after the other."""
        self._saved = None
        argv = (f"{self._name}-restore", *_WAIT, "--noflush")
        done = self._programs.run(argv, text)
        if done.code != 0:
            _refuse_busy(done)
            raise KernelRefused(_first_line(done) or f"{argv[0]} exited with {done.code}", f"what was asked: {argv[0]}")

    def has(self, table: str, chain: str, words: Sequence[str]) -> bool:
        """Ask for one rule (`-C`), in any spelling; it can be asked for where the table cannot be read.

        Raises:
            Busy: somebody else holds the lock.
        """
        return self._check(table, chain, words).code == 0

    def set_policy(self, chain: str, policy: str) -> None:
        """Set the policy of a built-in chain of the filter table (`-P`)."""
        self._change("-t", "filter", "-P", chain, policy)

    def other_backend(self) -> str:
        """Say what the backend holds that `iptables` is not; remembered until `forget`.

        The first line names it (`# iptables-legacy` or `# iptables-nft`), the rest is `iptables-save` text without
        dates and counters. Empty if it holds nothing, or if there is no tool to ask it with.
        """
        if self._other is None:
            self._other = self._look_at_other()
        return self._other

    def _look_at_other(self) -> str:
        name = f"{self._name}-legacy" if "nf_tables" in self._ask(self._name, "-V").out else f"{self._name}-nft"
        if name.endswith("-legacy") and not self._legacy_is_in_use():
            return ""
        try:
            tables = parse_save(self._ask(f"{name}-save").out)
        except ToolMissing:
            return ""
        text = render_save(tables)
        return f"# {name}\n{text}" if text else ""

    def _legacy_is_in_use(self) -> bool:
        # A mere `iptables-legacy -S` makes the table that it asks for, and looking must write nothing.
        # The file is missing where the kernel's module is not loaded.
        names = self._programs.run(("cat", f"/proc/net/{self._name.replace('tables', '_tables')}_names"))
        return names.code == 0 and bool(names.out.strip())

    def _is_missing(self, table: str, chain: str, words: Sequence[str]) -> bool:
        return self._check(table, chain, words).code == _NOT_THERE

    def _check(self, table: str, chain: str, words: Sequence[str]) -> Completed:
        done = self._programs.run((self._name, *_WAIT, "-t", table, "-C", chain, *words))
        _refuse_busy(done)
        return done

    def _change(self, *words: str) -> None:
        self._saved = None
        self._ask(self._name, *_WAIT, *words)

    def _ask(self, *argv: str) -> Completed:
        done = self._programs.run(argv)
        if done.code != 0:
            _refuse_busy(done)
            raise KernelRefused(_first_line(done) or f"{argv[0]} exited with {done.code}", _hint(done, argv))
        return done


def _unreadable(table: str) -> KernelRefused:
    return KernelRefused(
        f"the table {table} holds what nft put there and iptables cannot read", f"nft list table ip {table}"
    )


def _refuse_busy(done: Completed) -> None:
    """Raise Busy if somebody else held the lock for too long: iptables says so in words, its code 4 means more."""
    if done.code != 0 and "holding the xtables lock" in done.err:
        raise Busy(f"another program holds the lock of iptables, {_LOCK}", f"fuser -v {_LOCK} names it; then again")


def _first_line(done: Completed) -> str:
    """Pick what iptables complains of: neither its notices about the other backend nor a bare `iptables v1.8.9: `."""
    lines = (line.strip() for line in done.err.splitlines())
    return next((line for line in lines if line and not line.startswith("#") and not line.endswith(":")), "")


def _hint(done: Completed, argv: tuple[str, ...]) -> str:
    if "Permission denied" in done.err:
        return "labctl doctor"
    return f"what was asked: {' '.join(argv)}"
