"""VERSION, and an ADD in each version that the plug-in lists."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from labctl.cni.conformance.check import Failed, NotApplicable, must
from labctl.cni.conformance.network import NEWEST_FIRST

if TYPE_CHECKING:
    from collections.abc import Callable

    from labctl.cni.conformance.bench import Bench
    from labctl.cni.conformance.call import Answer
    from labctl.cni.conformance.check import Check

_WITH_FAMILY = ("0.3.1", "0.4.0")


def _ask(bench: Bench, version: str) -> Answer:
    return bench.call("VERSION", text=f'{{"cniVersion": "{version}"}}', changed={"CNI_PATH": None})


@must("VER-01", "2 VERSION", "VERSION needs no variable but CNI_COMMAND, ends with 0 and prints a JSON object.")
def _answers(bench: Bench) -> None:
    answer = _ask(bench, "1.0.0").expect_success("VERSION failed")
    if not answer.fields:
        raise Failed(f"no JSON object on standard output: {answer}")


def _is_version(text: object) -> bool:
    return isinstance(text, str) and re.fullmatch(r"\d+\.\d+\.\d+", text) is not None


@must("VER-02", "5 Version", "The object has `supportedVersions`, a list of versions of the specification.")
def _lists(bench: Bench) -> None:
    answer = _ask(bench, "1.0.0")
    listed = answer.fields.get("supportedVersions")
    if not isinstance(listed, list) or not listed or not all(_is_version(each) for each in listed):
        raise Failed(f"supportedVersions is {listed!r}: {answer}")


@must("VER-03", "5 Version", "The object's `cniVersion` is the value of `cniVersion` specified on input.")
def _echoes(bench: Bench) -> None:
    _answers.ask(bench)
    for version in reversed(NEWEST_FIRST):
        answer = _ask(bench, version)
        if answer.fields.get("cniVersion") != version:
            raise Failed(f"cniVersion is {answer.fields.get('cniVersion')!r}, expected {version}: {answer}")


@must(
    "VER-04",
    "2 VERSION",
    "VERSION is a question: dummy values in the other variables, which runtimes send, change nothing.",
)
def _ignores(bench: Bench) -> None:
    before = bench.snapshot()
    dummies: dict[str, str | None] = {"CNI_CONTAINERID": "dummy", "CNI_NETNS": "dummy", "CNI_IFNAME": "dummy"}
    answer = bench.call("VERSION", text='{"cniVersion": "1.0.0"}', changed=dummies).expect_success("VERSION failed")
    if not answer.fields.get("supportedVersions"):
        raise Failed(f"no supportedVersions: {answer}")
    if bench.snapshot() != before:
        raise Failed(f"VERSION changed something on the node: {answer}")


def _speaks(version: str) -> Callable[[Bench], None]:
    def ask(bench: Bench) -> None:
        if lacking := bench.lacks(version):
            raise NotApplicable(lacking)
        bench.standing()
        attachment = bench.container(bench.network.changed(cniVersion=version))
        answer = bench.call("ADD", attachment).expect_success(f"ADD failed in version {version}")
        attached = bench.keep(attachment, answer)
        if answer.fields.get("cniVersion") != version:
            raise Failed(
                f"the result's cniVersion is {answer.fields.get('cniVersion')!r}, expected {version}: {answer}"
            )
        ips = answer.fields.get("ips")
        for entry in ips if isinstance(ips, list) else ():
            _check_family(entry, version, answer)
        bench.delete(attached).expect_success(f"DEL failed in version {version}")

    return ask


def _check_family(entry: object, version: str, answer: Answer) -> None:
    """Until 0.4.0 each address tells its family; 1.0.0 has removed that."""
    if not isinstance(entry, dict):
        raise Failed(f"ips has {entry!r}, expected objects: {answer}")
    family = entry.get("version")
    if version not in _WITH_FAMILY:
        if family is not None:
            raise Failed(f"ips has a `version`, which {version} has no more: {answer}")
        return
    try:
        expected = str(ipaddress.ip_interface(str(entry.get("address"))).version)
    except ValueError:
        raise Failed(f"ips has the address {entry.get('address')!r}: {answer}") from None
    if family != expected:
        raise Failed(f"ips has `version` {family!r}, expected {expected!r}: {answer}")


_VERSIONS = tuple(
    must(
        f"VER-{number:02}",
        "5 Success",
        f"A configuration of version {version}, if listed, gets a result of it, in its form; DEL takes it.",
    )(_speaks(version))
    for number, version in enumerate(reversed(NEWEST_FIRST), 5)
)


@must("VER-09", "5 Error", "A configuration of a version that is not supported is refused with code 1.")
def _refuses(bench: Bench) -> None:
    attachment = bench.container(bench.network.changed(cniVersion="9.9.9"))
    before = bench.snapshot()
    answer = bench.call("ADD", attachment).expect_error("ADD with cniVersion 9.9.9", {1})
    if bench.view(attachment.netns).interface(attachment.interface) or bench.snapshot() != before:
        raise Failed(f"it was refused, and something made all the same: {answer}")


CHECKS: tuple[Check, ...] = (_answers, _lists, _echoes, _ignores, *_VERSIONS, _refuses)
