"""The lab as a picture (SVG): who is connected to whom, and how far each node is."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from labctl.engine.report import Outcome

if TYPE_CHECKING:
    from labctl.engine.reporting.account import Account
    from labctl.model.lab import Node

_WIDE, _HIGH, _GAP, _TOP = 230, 110, 20, 150
_MOST_NODES, _MOST_CONTAINERS = 10, 8
_COLOURS = {Outcome.DONE: "#2e7d32", Outcome.NOT_DONE: "#9e9e9e", Outcome.WRONG: "#c62828", Outcome.UNKNOWN: "#ef6c00"}


def draw_lab(account: Account) -> str:
    """Draw it; of a large lab, the first nodes."""
    nodes = account.lab.nodes[:_MOST_NODES]
    width = max(len(nodes) * (_WIDE + _GAP) + _GAP, 2 * _WIDE)
    middle = width // 2
    parts = [_box(middle - 100, 10, 200, f"internet {account.lab.internet}")]
    parts += [_line(middle, 40, middle, 70), _box(middle - 100, 70, 200, f"vpc {account.lab.gateway}")]
    for number, node in enumerate(nodes):
        left = _GAP + number * (_WIDE + _GAP)
        parts += [_line(middle, 100, left + _WIDE // 2, _TOP), _draw_node(account, node, left)]
    height = _TOP + _HIGH + _GAP
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="the lab" font-family="sans-serif" font-size="13">{"".join(parts)}</svg>'
    )


def _draw_node(account: Account, node: Node, left: int) -> str:
    own = [report for report in account.reports if report.node == node.name]
    names = [each.name for each in node.containers[:_MOST_CONTAINERS]]
    more = " …" if len(node.containers) > _MOST_CONTAINERS else ""
    texts = (f"{node.name} {node.address}", f"pods {node.pod_range}", f"containers {', '.join(names)}{more}")
    lines = [_text(left + 10, _TOP + 22 + number * 20, text) for number, text in enumerate(texts)]
    step = (_WIDE - 20) // max(len(own), 1)
    marks = [
        f'<rect x="{left + 10 + number * step}" y="{_TOP + 78}" width="{max(step - 3, 2)}" height="18" rx="3" '
        f'fill="{_COLOURS[report.outcome]}"><title>{escape(f"step {report.lesson.number}: {report.outcome}")}</title>'
        "</rect>"
        for number, report in enumerate(own)
    ]
    frame = f'<rect x="{left}" y="{_TOP}" width="{_WIDE}" height="{_HIGH}" rx="6" fill="none" stroke="#455a64"/>'
    return "".join((frame, *lines, *marks))


def _box(left: int, top: int, width: int, text: str) -> str:
    frame = f'<rect x="{left}" y="{top}" width="{width}" height="30" rx="6" fill="none" stroke="#455a64"/>'
    return frame + _text(left + 10, top + 20, text)


def _line(x1: int, y1: int, x2: int, y2: int) -> str:
    return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="#90a4ae"/>'


def _text(left: int, top: int, text: str) -> str:
    return f'<text x="{left}" y="{top}" fill="currentColor">{escape(text)}</text>'
