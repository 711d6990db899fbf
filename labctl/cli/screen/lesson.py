"""Markdown as a lesson wants it: headings at the left; code is never cut or broken, so that it can be typed."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.markdown import CodeBlock, Heading, Markdown, MarkdownElement
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

_CODE_INDENT = "    "


class _Heading(Heading):
    """A heading, underlined: it shows in a pipe and without colours too."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it."""
        del console, options
        yield Text(self.text.plain, style="bold cyan")
        yield Text("─" * self.text.cell_len, style="dim")


class _Code(CodeBlock):
    """A block of code: each line as it is, a little further in."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it."""
        del console, options
        for line in str(self.text).rstrip().splitlines():
            yield Text(_CODE_INDENT + line if line else "", style="bold", no_wrap=True, overflow="ignore")


class LessonText(Markdown):
    """A lesson."""

    elements: ClassVar[dict[str, type[MarkdownElement]]] = {
        **Markdown.elements,
        "heading_open": _Heading,
        "fence": _Code,
        "code_block": _Code,
    }

    def __init__(self, text: str) -> None:
        """Read it. Links are not made clickable: what they lead to would be lost in a pipe."""
        super().__init__(text, hyperlinks=False)
