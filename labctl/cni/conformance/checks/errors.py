"""Bad input: which code it is answered with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labctl.cni.conformance.check import Check, Failed, Level

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from labctl.cni.conformance.attachment import Attachment
    from labctl.cni.conformance.bench import Bench
    from labctl.cni.conformance.call import Answer

_SECTION = "5 Error"


@dataclass(frozen=True)
class _Case:
    """What is wrong with an ADD: a variable, a field, or the whole of standard input."""

    says: str
    codes: frozenset[int]
    level: Level = Level.MUST
    naming: str = ""
    variables: tuple[Mapping[str, str | None], ...] = ()
    fields: tuple[Mapping[str, Any], ...] = ()
    texts: tuple[str, ...] = ()


_IDS = ("", "-box", ".box", "box/1", "box 1", "bo\tx", "böx")
_INTERFACES = ("", "e" * 16, ".", "..", "eth/0", "eth:0", "eth 0", "eth\t0")
_NO_JSON = ("{", "no JSON", '{"cniVersion": "1.0.0", "name": "x"')
_NO_NAMES = ("-net", "a/b", "a b", "")
_CASES = (
    _Case(
        "CNI_COMMAND is not a known command: code 4, and the message names it.",
        frozenset({4}),
        naming="CNI_COMMAND",
        variables=({"CNI_COMMAND": "FROB"}, {"CNI_COMMAND": "add"}),
    ),
    # Without it nobody asks for anything: some plug-ins then say what they are.
    _Case(
        "CNI_COMMAND is not set: code 4, and the message names it.",
        frozenset({4}),
        Level.SHOULD,
        "CNI_COMMAND",
        variables=({"CNI_COMMAND": None},),
    ),
    *(
        _Case(
            f"{name} is not set: code 4, and the message names it.",
            frozenset({4}),
            naming=name,
            variables=({name: None},),
        )
        for name in ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME")
    ),
    _Case(
        "CNI_CONTAINERID is empty, does not begin with a letter or digit, or has more than those, _, . and -: code 4.",
        frozenset({4}),
        variables=tuple({"CNI_CONTAINERID": name} for name in _IDS),
    ),
    _Case(
        "CNI_IFNAME is none (empty, 16 characters, . or .., with / or : or white space): code 4.",
        frozenset({4}),
        variables=tuple({"CNI_IFNAME": name} for name in _INTERFACES),
    ),
    _Case("Standard input is empty: code 5 or 6.", frozenset({5, 6}), texts=("",)),
    _Case("Standard input is not JSON: code 6.", frozenset({6}), texts=_NO_JSON),
    _Case(
        "Standard input is JSON, but no object: code 6 or 7.",
        frozenset({6, 7}),
        Level.SHOULD,
        texts=("[]", "3", '"text"', "null"),
    ),
    _Case("The configuration has no name: code 7.", frozenset({7}), naming="name", fields=({"name": None},)),
    _Case(
        "The name of the network is none (section 1): code 7.",
        frozenset({7}),
        fields=tuple({"name": name} for name in _NO_NAMES),
    ),
    _Case(
        "A field is of the wrong type: code 6 or 7.",
        frozenset({6, 7}),
        Level.SHOULD,
        fields=({"name": 7}, {"cniVersion": 7}, {"ipam": "text"}),
    ),
)


def _ask(case: _Case) -> Callable[[Bench], None]:
    def ask(bench: Bench) -> None:
        for what, answer in _answers(bench, case):
            answer.expect_error(what, case.codes, case.naming)

    return ask


def _answers(bench: Bench, case: _Case) -> list[tuple[str, Answer]]:
    attachment = bench.container()
    before = bench.snapshot()
    answers = [(f"ADD with {_spell(each)}", bench.call("ADD", attachment, changed=each)) for each in case.variables]
    for each in case.fields:
        text = attachment.network.changed(**each).spell()
        answers.append((f"ADD with {_spell(each)}", bench.call("ADD", attachment, text=text)))
    answers += [(f"ADD with {text!r} on stdin", bench.call("ADD", attachment, text=text)) for text in case.texts]
    _check_untouched(bench, attachment, before, answers)
    return answers


def _check_untouched(
    bench: Bench, attachment: Attachment, before: dict[str, Any], answers: list[tuple[str, Answer]]
) -> None:
    """What was refused has made nothing."""
    if all(answer.code != 0 for _, answer in answers) and (
        bench.snapshot() != before or len(bench.view(attachment.netns).interfaces) > 1
    ):
        raise Failed(f"it was refused, and something made all the same: {answers[-1][1]}")


def _spell(changed: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {'not set' if value is None else repr(value)}" for name, value in changed.items())


CHECKS: tuple[Check, ...] = tuple(
    Check(f"ERR-{number:02}", case.level, _SECTION, case.says, _ask(case)) for number, case in enumerate(_CASES, 1)
)
