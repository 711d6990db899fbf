"""The text of a lesson: the author's Markdown, with the values of the lab in place of its tokens."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from labctl.errors import UsageError
from labctl.model.store import RESULTS_FOLDER, store_folder

if TYPE_CHECKING:
    from labctl.model.lab import Lab, Node
    from labctl.model.ports import Kernel
    from labctl.model.step import Lesson

HEADINGS = ("Why", "Before and after", "Word by word", "Without it", "Look closer", "Question", "Answer")
_TOKEN = re.compile(r"\{\{(\w+)\}\}")
_ANSWER = re.compile(r"^## Answer\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)


def read_lesson(lesson: Lesson, lab: Lab, node: Node, *, answer: bool, kernel: Kernel | None = None) -> str:
    """Read `explain.md` for one node; the answer only when asked for. What stands now is looked up through `kernel`.

    Where the lab's cloud is another, a step may tell another story: `explain.static.md`.

    Raises:
        UsageError: the file is missing, lacks a heading, or has a token that nobody knows.
    """
    path = lesson.folder / f"explain.{lab.cloud}.md"
    if not path.exists():
        path = lesson.folder / "explain.md"
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise _malformed(lesson, f"{path} cannot be read: {error.strerror}") from None
    found = tuple(re.findall(r"^## (.+)$", text, re.MULTILINE))
    if found != HEADINGS:
        raise _malformed(lesson, f"{path} has the headings {', '.join(found)}; expected {', '.join(HEADINGS)}")
    if not answer:
        text = _ANSWER.sub("", text)
    values = {"step": str(lesson.number), **tokens(lab, node)}
    if lesson.step.words is not None:
        values |= lesson.step.words(lab, node, kernel)

    def put(match: re.Match[str]) -> str:
        if match[1] not in values:
            raise _malformed(lesson, f"{path} has an unknown token {match[0]}")
        return values[match[1]]

    return _TOKEN.sub(put, text).rstrip() + "\n"


def tokens(lab: Lab, node: Node) -> dict[str, str]:
    """What a lesson may speak of. In a lab of one node, or one container, the other is the same."""
    other = next((each for each in lab.cluster if each != node), node)
    names = [each.name for each in node.containers]
    return {
        "bridge": lab.bridge,
        "network": lab.network,
        "cluster_range": str(lab.cluster_range),
        "gateway": str(lab.gateway),
        "internet": str(lab.internet),
        "node": node.name,
        "node_address": str(node.address),
        "pod_range": str(node.pod_range),
        "prefix": str(node.pod_range.prefixlen),
        "bridge_address": str(node.bridge_address),
        "bridge_cidr": node.bridge_cidr,
        "first": names[0],
        "second": names[min(1, len(names) - 1)],
        "first_address": str(node.pod_range[2]),
        "second_address": str(node.pod_range[min(3, node.pod_range.num_addresses - 2)]),
        "third_address": str(node.pod_range[min(4, node.pod_range.num_addresses - 2)]),
        "guest": lab.guest(node).name,
        "other_node": other.name,
        "other_address": str(other.address),
        "other_pod_range": str(other.pod_range),
        "other_first": other.containers[0].name,
        "other_first_address": str(other.pod_range[2]),
        "store": store_folder(lab.network),
        "results": RESULTS_FOLDER,
    }


def _malformed(lesson: Lesson, what: str) -> UsageError:
    return UsageError(f"step {lesson.number} is malformed: {what}", "how a step is written: CONTRIBUTING.md")
