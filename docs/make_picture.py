"""Draws docs/picture.svg from a real run: a world of its own, one step applied, then the status.

`.venv/bin/python docs/make_picture.py`; with `--print` it goes to standard output.
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from labctl.cli.screen.looks import show_status  # noqa: E402 (the path is set above)
from labctl.cli.screen.narrator import Narrator  # noqa: E402 (as above)
from labctl.cli.screen.page import Screen  # noqa: E402 (as above)
from tests.lab_under_test import LabUnderTest  # noqa: E402 (as above)

_WIDTH = 80


def draw() -> str:
    """Run it and give the SVG."""
    console = Console(record=True, width=_WIDTH, file=io.StringIO(), force_terminal=True, highlight=False)
    screen = Screen(console)
    with tempfile.TemporaryDirectory() as folder, LabUnderTest(Path(folder) / "home") as lab:
        lab.apply(range(5))
        _prompt(console, "labctl step 5 --apply")
        runner = lab.runner(probing=True)
        runner.listener = Narrator(screen)
        runner.apply(lab.lesson(5), lab.lab.nodes[:1])
        console.print()
        _prompt(console, "labctl status")
        reports = lab.survey.reports(lab.session.course.lessons(), lab.lab.nodes)
        show_status(screen, reports, tuple(node.name for node in lab.lab.nodes))
    return console.export_svg(title="labctl", unique_id="labctl")


def _prompt(console: Console, command: str) -> None:
    console.print(Text("$ ", style="bold green").append(command, style="bold"))


if __name__ == "__main__":
    if sys.argv[1:] == ["--print"]:
        sys.stdout.write(draw())
    else:
        (ROOT / "docs/picture.svg").write_text(draw(), encoding="utf-8")
