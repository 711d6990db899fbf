"""Letters for a terminal or pipe that knows only some: what it cannot write is spelled with plain ones."""

from __future__ import annotations

import codecs

_NAME = "labctl-plain"
# One for one where pictures are drawn with them: their columns must stay where they are.
_PLAIN = str.maketrans(
    {
        **dict.fromkeys("─━═╌┄┈╴╶", "-"),
        **dict.fromkeys("│┃║╎┆┊╵╷▌", "|"),
        **dict.fromkeys("┌┐└┘├┤┬┴┼╔╗╚╝╠╣╦╩╬╭╮╰╯┏┓┗┛┝┥┠┨┯┷╪", "+"),
        **dict.fromkeys("→►▶▸➜", ">"),
        **dict.fromkeys("←◄◀◂", "<"),
        **dict.fromkeys("↑▲△", "^"),
        **dict.fromkeys("↓▼▽", "v"),
        **dict.fromkeys("•·●○◦■□▪", "*"),
        **dict.fromkeys("–—\N{MINUS SIGN}", "-"),
        **dict.fromkeys("“”„«»", '"'),
        **dict.fromkeys("\N{LEFT SINGLE QUOTATION MARK}\N{RIGHT SINGLE QUOTATION MARK}", "'"),
        "↔": "-",
        "…": "...",
        "×": "x",
        "≤": "<=",
        "≥": ">=",
        "≠": "!=",
        "✓": "ok",
        "✗": "NO",
        "\N{NO-BREAK SPACE}": " ",
    }
)


def spell_plainly() -> str:
    """Make the error handler known to Python's codecs, and give its name."""
    codecs.register_error(_NAME, _replace)
    return _NAME


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    plain = error.object[error.start : error.end].translate(_PLAIN)
    return plain.encode(error.encoding, "replace").decode(error.encoding), error.end
