"""Reads a command line of gcloud, and says in the real client's words what is wrong with it.

Measured with Google Cloud SDK 528.0.0. What the real client knows and the lab does not is recognised, and refused in
words that name the lab.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Never

from labctl.world.gcloud.commands import (
    CHOICES,
    COMMANDS,
    EVERYWHERE,
    HELP,
    NETWORKS,
    NETWORKS_LACK,
    NEXT_HOP,
    NEXT_HOPS,
    QUIET,
    ROUTES,
    ROUTES_LACK,
    SUBNET_MODE,
    VERSION,
    Command,
    UsageRefused,
    more_help,
    usage,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

_SEARCH = "To search the help text of gcloud commands, run:\n  gcloud help -- SEARCH_TERMS\n"
_ONLY = "The lab's gcloud knows only 'gcloud compute routes' and 'gcloud compute networks'."


@dataclass
class Line:
    """A command line that was read: the command, its positional arguments, the flags' values (the last one counts)."""

    command: Command = COMMANDS[0]
    names: list[str] = field(default_factory=list)
    values: dict[str, str] = field(default_factory=dict)
    switches: set[str] = field(default_factory=set)
    surplus: list[str] = field(default_factory=list)

    @property
    def quiet(self) -> bool:
        """Whether prompts are disabled."""
        return not self.switches.isdisjoint(QUIET)

    @property
    def wants_help(self) -> bool:
        """Whether help was asked for."""
        return not self.switches.isdisjoint(HELP)

    @property
    def is_complete(self) -> bool:
        """Whether what was asked for needs no more words: help, or the version."""
        return not self.switches.isdisjoint((*HELP, *VERSION))


def read_line(argv: Sequence[str]) -> Line:
    """Read the words after `gcloud`. Help and `--version` end the reading, as in the real client.

    Raises:
        UsageRefused: the line is wrong, or asks for what the lab's gcloud does not know.
    """
    line = Line()
    rest = list(argv)
    while rest and not line.is_complete:
        word = rest.pop(0)
        if word == "--":
            for each in rest:
                _take_word(line, each)
            break
        if _is_flag(word):
            _take_flag(line, word, rest)
        else:
            _take_word(line, word)
    if not line.is_complete:
        _check(line)
    return line


def _is_flag(word: str) -> bool:
    """Tell whether argparse takes a word for a flag: not a negative number, and nothing with a space in it."""
    return len(word) > 1 and word[0] == "-" and " " not in word.partition("=")[0] and not re.fullmatch(r"-\d+", word)


def _take_word(line: Line, word: str) -> None:
    if line.command.group:
        found = [each for each in line.command.children if each.words[-1] == word]
        if not found:
            _refuse_choice(line.command, word)
        line.command = found[0]
    elif line.command.most is None or len(line.names) < line.command.most:
        line.names.append(word)
    else:
        line.surplus.append(word)


def _take_flag(line: Line, word: str, rest: list[str]) -> None:
    flag, equals, value = word.partition("=")
    if flag in (*QUIET, *HELP, *line.command.switches):
        if equals:
            name = "/".join(QUIET) if flag in QUIET else flag
            _refuse(line.command, f"argument {name}: ignored explicit argument {value!r}")
        line.switches.add(flag)
    elif flag in (*EVERYWHERE, *line.command.values):
        if not equals:
            if not rest or rest[0] == "--" or _is_flag(rest[0]):
                _refuse(line.command, f"argument {flag}: expected one argument")
            value = rest.pop(0)
        _check_value(line.command, flag, value)
        line.values[flag] = value
    else:
        line.surplus.append(word)
        if line.command.group:
            _refuse_surplus(line)


def _check_value(command: Command, flag: str, value: str) -> None:
    number = _whole_number(value)
    if flag == "--priority" and number is None:
        _refuse(command, f"argument --priority: invalid int value: {value!r}")
    if flag == "--limit" and number is None:
        _refuse(command, f"argument --limit: Value must be an integer; received: {value}")
    if flag == "--limit" and number is not None and number < 1:
        _refuse(command, f"argument --limit: Value must be greater than or equal to 1; received: {value}")
    if value not in CHOICES.get(flag, (value,)):
        choices = f"Valid choices are [{', '.join(CHOICES[flag])}].\n"
        raise UsageRefused(f"ERROR: ({command.dotted}) argument {flag}: Invalid choice: {value!r}.\n\n{choices}")


def _whole_number(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None


def _check(line: Line) -> None:
    """Check the line as a whole, in the real client's order: what is too much, then what is too little."""
    command = line.command
    if line.surplus:
        _refuse_surplus(line)
    if command.group:
        _refuse_group(command)
    if NEXT_HOP in command.values:
        given = [flag for flag in NEXT_HOPS if flag in line.values]
        if len(given) != 1:
            first = f"argument {given[0]}: " if given else ""
            _refuse(command, f"{first}Exactly one of ({' | '.join(NEXT_HOPS)}) must be specified.")
    missing = [command.names] if len(line.names) < command.least else []
    missing += [flag for flag in command.required if flag not in line.values]
    if missing:
        _refuse(command, f"argument {' '.join(missing)}: Must be specified.")
    for flag in line.values:
        if what := _lacks(line, flag):
            raise UsageRefused(f"ERROR: ({command.dotted}) argument {flag}: {what}.\n")


def _lacks(line: Line, flag: str) -> str:
    """Say why the lab's cloud cannot do what a flag of the real client asks for; empty: it can."""
    if flag in ROUTES_LACK:
        return f"the lab's vpc has only {NEXT_HOP}" if flag.startswith("--next-hop") else "the lab's vpc has no tags"
    if flag in NETWORKS_LACK or (flag, line.values[flag]) == (SUBNET_MODE, "legacy"):
        return f"the lab's networks are told only a name, --description, and {SUBNET_MODE} auto or custom"
    return ""


def _refuse(command: Command, what: str) -> Never:
    raise UsageRefused(f"ERROR: ({command.dotted}) {what}\n{usage(command) if not command.group else ''}")


def _refuse_group(group: Command) -> Never:
    kinds = (("groups", True), ("commands", False))
    text = f"ERROR: ({group.dotted}) Command name argument expected.\n\n"
    for kind, is_group in kinds:
        found = [each for each in group.children if each.group is is_group]
        if found:
            text += f"Available {kind} for {group.spelled}:\n\n"
            text += "".join(f"      {each.words[-1]:<22}  {each.summary}\n" for each in found) + "\n"
    raise UsageRefused(text + more_help(group))


def _refuse_choice(group: Command, word: str) -> Never:
    own = group.words if group.words in (ROUTES, NETWORKS) else ROUTES
    commands = next(each for each in COMMANDS if each.words == own).children
    near = sorted(commands, key=lambda each: not each.words[-1].startswith(word[:3]))
    maybe = "".join(f"  {each.spelled}\n" for each in near)
    lab = "" if group.words == own else f"{_ONLY}\n"
    raise UsageRefused(f"ERROR: ({group.dotted}) Invalid choice: {word!r}.\n{lab}Maybe you meant:\n{maybe}\n{_SEARCH}")


def _refuse_surplus(line: Line) -> Never:
    known = (*EVERYWHERE, "--quiet", "--help", *line.command.values, *line.command.switches)
    words = [word + _suggest(word, known) for word in line.surplus]
    listed = f" {words[0]} \n\n" if len(words) == 1 else "".join(f"\n  {word}" for word in words) + "\n  "
    raise UsageRefused(f"ERROR: ({line.command.dotted}) unrecognized arguments:{listed}{_SEARCH}")


def _suggest(word: str, known: Sequence[str]) -> str:
    if not word.startswith("--"):
        return ""
    import difflib

    near = difflib.get_close_matches(word.partition("=")[0], known, 1)
    return f" (did you mean '{near[0]}'?)" if near else ""
