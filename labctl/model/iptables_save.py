r"""The text of `iptables-save`, read and written: pure, so that the kernel's side and the resources share it.

The format is that of iptables-save(8): `*table`, `:CHAIN POLICY [packets:bytes]`, `-A CHAIN words…`, `COMMIT`. A word
with anything unusual in it stands in double quotes, where `"`, `\` and `'` have a backslash before them and a newline
stands as it is (xtables_save_string; shlex keeps the backslash of `\'` and so cannot read it).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from labctl.model.values import Rule, Ruleset

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_PIECE = re.compile(r"""^\#[^\n]* | "(?:[^"\\]|\\.)*" | [^\s"]+ | \n""", re.MULTILINE | re.DOTALL | re.VERBOSE)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_PLAIN = re.compile(r"[\w!./:,+@%=\[\]-]+", re.ASCII)
_INCOMPATIBLE = re.compile(r"^# Table `(\w+)' is incompatible", re.MULTILINE)


def _lines(text: str) -> Iterator[tuple[str, ...]]:
    words: list[str] = []
    for piece in _PIECE.findall(f"{text}\n"):
        if piece == "\n":
            yield tuple(words)
            words = []
        elif piece.startswith('"'):
            words.append(_ESCAPED.sub(r"\1", piece[1:-1]))
        elif not piece.startswith("#"):
            words.append(piece)


def parse_save(text: str) -> dict[str, Ruleset]:
    """Read what `iptables-save` printed: a `Ruleset` for each table that is in it, by the table's name."""
    policies: dict[str, list[tuple[str, str]]] = {}
    rules: dict[str, list[Rule]] = {}
    table = ""
    for line in _lines(text):
        match line:
            case (first, *_) if first.startswith("*"):
                table = first[1:]
                policies[table], rules[table] = [], []
            case (first, policy, *_) if first.startswith(":"):
                policies[table].append((first[1:], policy))
            case ("-A", chain, *words):
                rules[table].append(Rule(chain, tuple(words)))
    return {name: Ruleset(tuple(policies[name]), tuple(rules[name])) for name in policies}


def split_save(text: str) -> dict[str, dict[str, list[str]]]:
    """Read it without looking into the rules, which may be 70,000: table, chain, and what stands after `-A CHAIN `.

    Two rules are the same if their lines are; `read_words` reads one.
    """
    tables: dict[str, dict[str, list[str]]] = {}
    chains: dict[str, list[str]] = {}
    for line in text.split("\n"):
        if line.startswith("-A "):
            _, chain, *rest = line.split(" ", 2)
            chains[chain].append(rest[0] if rest else "")
        elif line.startswith(":"):
            chains[line[1:].partition(" ")[0]] = []
        elif line.startswith("*"):
            chains = tables[line[1:]] = {}
        elif line and line != "COMMIT" and not line.startswith("#"):
            return _split_slowly(text)
    return tables


def _split_slowly(text: str) -> dict[str, dict[str, list[str]]]:
    """The same where a comment has a line end in it."""
    tables: dict[str, dict[str, list[str]]] = {}
    for name, ruleset in parse_save(text).items():
        chains = tables[name] = {chain: [] for chain, _ in ruleset.policies}
        for rule in ruleset.rules:
            chains[rule.chain].append(spell_words(rule.words))
    return tables


def read_words(line: str) -> tuple[str, ...]:
    """Read the words of one rule."""
    return tuple(word for words in _lines(line) for word in words)


def unreadable_tables(text: str) -> frozenset[str]:
    """Name the tables that iptables-nft-save left out, because `nft` put something in that iptables cannot say."""
    return frozenset(_INCOMPATIBLE.findall(text))


def spell_words(words: Sequence[str]) -> str:
    """Spell a rule's words as one line, as `iptables-save` does."""
    return " ".join(word if _PLAIN.fullmatch(word) else _quote(word) for word in words)


def _quote(word: str) -> str:
    return '"' + re.sub(r"""(["'\\])""", r"\\\1", word) + '"'


def holds_something(ruleset: Ruleset) -> bool:
    """Tell whether a table has a rule, a chain of the user's own or a policy that is not ACCEPT."""
    return bool(ruleset.rules) or any(policy != "ACCEPT" for _, policy in ruleset.policies)


def render_save(tables: Mapping[str, Ruleset]) -> str:
    """Spell tables as `iptables-save` does, without its dates, its counters, and tables that hold nothing."""
    lines: list[str] = []
    for name, ruleset in sorted(tables.items()):
        if holds_something(ruleset):
            lines.append(f"*{name}")
            lines += [f":{chain} {policy} [0:0]" for chain, policy in ruleset.policies]
            lines += [f"-A {rule.chain} {spell_words(rule.words)}".rstrip() for rule in ruleset.rules]
            lines.append("COMMIT")
    return "".join(f"{line}\n" for line in lines)
