"""Many at once, in different containers."""

from __future__ import annotations

import base64
import shlex
from collections import Counter
from typing import TYPE_CHECKING

from labctl.cni.conformance.attachment import Attached
from labctl.cni.conformance.bench import PATH, SECONDS
from labctl.cni.conformance.call import Answer, keep
from labctl.cni.conformance.check import CannotAsk, Failed, must, should
from labctl.cni.conformance.leftovers import find_leftovers

if TYPE_CHECKING:
    from labctl.cni.conformance.attachment import Attachment
    from labctl.cni.conformance.bench import Bench
    from labctl.cni.conformance.check import Check
    from labctl.cni.conformance.leftovers import Snapshot

MANY = 20


def _all_at_once(bench: Bench, command: str, attachments: list[Attachment]) -> list[Answer]:
    """Call the plug-in for each, side by side: one script on the node, so that nothing of ours stands between them."""
    text = attachments[0].network.spell()
    lines = ["folder=$(mktemp -d) && cd $folder && cat > conf || exit 1"]
    given = []
    for number, each in enumerate(attachments):
        variables = (
            ("CNI_COMMAND", command),
            ("CNI_PATH", bench.path),
            ("CNI_CONTAINERID", each.container),
            ("CNI_NETNS", each.netns),
            ("CNI_IFNAME", each.interface),
        )
        given.append(variables)
        words = (
            "env",
            "-i",
            f"PATH={PATH}",
            *(f"{name}={value}" for name, value in variables),
            "timeout",
            "-k",
            "1",
            str(SECONDS),
            bench.plugin.path,
        )
        lines.append(f"{{ {shlex.join(words)} < conf > out.{number} 2> err.{number}; echo $? > code.{number}; }} &")
    lines.append("wait")
    lines.append(
        f"for i in $(seq 0 {len(given) - 1}); do cat code.$i; for f in out err; do base64 -w0 $f.$i; echo; done; done"
    )
    said = bench.do("\n".join(lines), text).split("\n")
    if len(said) < 3 * len(attachments):
        raise CannotAsk("the script that calls many at once did not tell what came of all")
    answers = [
        Answer(
            variables,
            text,
            int(said[3 * number]),
            keep(_decode(said[3 * number + 1])),
            keep(_decode(said[3 * number + 2])),
        )
        for number, variables in enumerate(given)
    ]
    bench.heard += answers
    return answers


def _decode(text: str) -> str:
    return base64.b64decode(text).decode("utf-8", "replace")


def _added(bench: Bench) -> tuple[list[Attached], Snapshot]:
    def work() -> tuple[list[Attached], Snapshot]:
        bench.standing()
        attachments = [bench.container(name=f"many-{number:02}") for number in range(MANY)]
        before = bench.snapshot()
        answers = _all_at_once(bench, "ADD", attachments)
        return [Attached(each, answer) for each, answer in zip(attachments, answers, strict=True)], before

    return bench.once("many added", work)


def _deleted(bench: Bench) -> list[Answer]:
    attached, _ = _added(bench)
    return bench.once("many deleted", lambda: _all_at_once(bench, "DEL", [each.attachment for each in attached]))


@must("CON-01", "3 Lifecycle & Ordering", f"{MANY} ADDs at once, of different containers, all end with 0.")
def _adds(bench: Bench) -> None:
    for each in _added(bench)[0]:
        each.answer.expect_success(f"one of {MANY} ADDs at once failed")


@must(
    "CON-02",
    "3 Lifecycle & Ordering",
    f"Of {MANY} ADDs at once, no two get the same address: what is shared is locked.",
)
def _distinct(bench: Bench) -> None:
    counted = Counter(address for each in _added(bench)[0] for address in each.addresses)
    if twice := sorted(address for address, times in counted.items() if times > 1):
        raise Failed(f"given more than once: {', '.join(twice)}")


@must(
    "CON-03",
    "3 Lifecycle & Ordering",
    f"After {MANY} ADDs at once, every container has the address that its result says.",
)
def _all_there(bench: Bench) -> None:
    for each in _added(bench)[0]:
        found = bench.view(each.attachment.netns).interface(each.attachment.interface)
        has = {address.partition("/")[0] for address in found.addresses} if found else set()
        if each.answer.code == 0 and not set(each.addresses) <= has:
            raise Failed(f"the container has {', '.join(sorted(has)) or 'no address'}: {each.answer}")


@must("CON-04", "3 Lifecycle & Ordering", f"{MANY} DELs at once all end with 0.")
def _deletes(bench: Bench) -> None:
    for answer in _deleted(bench):
        answer.expect_success(f"one of {MANY} DELs at once failed")


@should("CON-05", "3 Lifecycle & Ordering", f"After {MANY} DELs at once nothing of the containers is left.")
def _leaves_nothing(bench: Bench) -> None:
    attached, before = _added(bench)
    answers = _deleted(bench)
    containers = [each.attachment.container for each in attached]
    addresses = [address for each in attached for address in each.addresses]
    if left := find_leftovers(bench.node, before, bench.snapshot(), containers, addresses):
        raise Failed(f"left behind: {'; '.join(left)}; the last of the calls: {answers[-1]}")


CHECKS: tuple[Check, ...] = (_adds, _distinct, _all_there, _deletes, _leaves_nothing)
