"""The form of an error, told from every error that the other checks met."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labctl.cni.conformance.call import TIMED_OUT
from labctl.cni.conformance.check import Failed, must, should

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labctl.cni.conformance.bench import Bench
    from labctl.cni.conformance.call import Answer
    from labctl.cni.conformance.check import Check

_SIGNALLED = 128
_WELL_KNOWN = frozenset({1, 2, 3, 4, 5, 6, 7, 11, 50, 51})
_FIRST_OWN = 100
_TRACES = ("Traceback (most recent call last)", "goroutine ", "panic: ", "stack backtrace", "thread 'main' panicked")


def _errors(bench: Bench) -> Iterator[Answer]:
    """All errors so far, and at least these."""

    def work() -> None:
        bench.call("FROB")
        bench.call("ADD", bench.container(), text="{")
        bench.call("ADD", bench.container(), text=bench.network.changed(name="-").spell())

    bench.once("errors", work)
    return (each for each in bench.heard if 0 < each.code < _SIGNALLED and each.code != TIMED_OUT and not each.killed)


@should(
    "ERR-50",
    "5 Error",
    "A plug-in that fails prints a JSON object on standard output; never nothing, never something else.",
)
def _prints_json(bench: Bench) -> None:
    for answer in _errors(bench):
        if not answer.fields:
            raise Failed(f"no JSON object on standard output: {answer}")


@should("ERR-51", "5 Error", "An error has `code`, a number, and `msg`, a short text; `details`, if there, is a text.")
def _has_keys(bench: Bench) -> None:
    for answer in _errors(bench):
        fields = answer.fields
        if not fields:
            continue
        code = fields.get("code")
        if isinstance(code, bool) or not isinstance(code, int):
            raise Failed(f"code is {code!r}: {answer}")
        if not isinstance(fields.get("msg"), str) or not fields["msg"].strip():
            raise Failed(f"msg is {fields.get('msg')!r}: {answer}")
        if not isinstance(fields.get("details", ""), str):
            raise Failed(f"details is {fields['details']!r}: {answer}")


@should("ERR-52", "5 Error", "An error has `cniVersion`, the value that the configuration has.")
def _has_version(bench: Bench) -> None:
    supported = (each for each in _errors(bench) if each.fields and each.version in bench.listed)
    for answer in supported:
        if answer.fields.get("cniVersion") != answer.version:
            raise Failed(f"cniVersion is {answer.fields.get('cniVersion')!r}, expected {answer.version}: {answer}")


@must("ERR-53", "5 Error", "Codes below 100 are reserved: only well-known ones are used, and 0 is none.")
def _uses_codes(bench: Bench) -> None:
    for answer in _errors(bench):
        code = answer.fields.get("code")
        if isinstance(code, int) and code not in _WELL_KNOWN and code < _FIRST_OWN:
            raise Failed(f"the code {code} is not a well-known one: {answer}")


@should(
    "ERR-54",
    "5 Error",
    "An error is said in words, on standard output and standard error: no trace of the program's inside.",
)
def _no_trace(bench: Bench) -> None:
    for answer in _errors(bench):
        if any(trace in answer.out or trace in answer.err for trace in _TRACES):
            raise Failed(f"it printed a trace: {answer}")


@must("ERR-55", "2 Errors", "A plug-in ends by itself, and with a code of its own: no signal, no endless wait.")
def _ends(bench: Bench) -> None:
    for _ in _errors(bench):
        pass
    for answer in bench.heard:
        if (answer.code == TIMED_OUT or not 0 <= answer.code <= _SIGNALLED) and not answer.killed:
            raise Failed(f"it did not end by itself: {answer}")


CHECKS: tuple[Check, ...] = (_prints_json, _has_keys, _has_version, _uses_codes, _no_trace, _ends)
