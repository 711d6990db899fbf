"""Rules in the backend that `iptables` is not (of legacy, where it is nft's): packets ask them all the same."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from labctl.errors import KernelRefused
from labctl.model.iptables_save import parse_save, spell_words

if TYPE_CHECKING:
    from labctl.model.baseline import Baseline
    from labctl.model.lab import Node
    from labctl.model.ports import Kernel
    from labctl.model.values import Rule

_WAIT = ("-w", "5")


def read(kernel: Kernel, node: Node) -> str | None:
    """All that is there, as the port `Firewall` spells it; None where it cannot be looked at."""
    try:
        return kernel.firewall(node.name).other_backend()
    except KernelRefused:
        return None


def find_new_rules(kernel: Kernel, node: Node, baseline: Baseline) -> list[tuple[str, str, Rule]]:
    """Those that came since: the program, the table, and the rule."""
    text = read(kernel, node)
    if not text or baseline.other is None:
        return []
    program = text.splitlines()[0].removeprefix("# ")
    old = Counter((table, rule) for table, rules in parse_save(baseline.other).items() for rule in rules.rules)
    found = []
    for table, rules in parse_save(text).items():
        for rule in rules.rules:
            if old[table, rule]:
                old[table, rule] -= 1
            else:
                found.append((program, table, rule))
    return found


def delete(kernel: Kernel, node: Node, program: str, table: str, rule: Rule) -> None:
    """Delete one.

    Raises:
        KernelRefused: it does not go.
    """
    argv = (program, *_WAIT, "-t", table, "-D", rule.chain, *rule.words)
    done = kernel.programs(node.place).run(argv)
    if done.code != 0:
        raise KernelRefused(f"a rule of {program} does not go: {done.err.strip()}", f"what was asked: {' '.join(argv)}")


def spell(program: str, table: str, rule: Rule) -> str:
    """As it is named to a person."""
    return f"the rule -A {rule.chain} {spell_words(rule.words)} ({table} of {program})"
