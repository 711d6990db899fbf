"""A report as one HTML file that needs nothing beside it: no script, nothing fetched, all text escaped."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from labctl.engine.report import Outcome
from labctl.engine.reporting.account import LOOKED_UP, NO_WORLD, TOLD, clean, spell_outcome, spell_time
from labctl.engine.reporting.picture import draw_lab

if TYPE_CHECKING:
    from labctl.engine.reporting.account import Account, Row

_STYLE = """
body { font: 15px/1.45 sans-serif; max-width: 70em; margin: 2em auto; padding: 0 1em; color: #1c2529; background: #fff }
table { border-collapse: collapse; width: 100% } th, td { text-align: left; padding: .3em .6em; vertical-align: top }
th { border-bottom: 2px solid #90a4ae } td { border-bottom: 1px solid #cfd8dc }
caption { text-align: left; padding: .4em }
svg { max-width: 100%; height: auto } .told { background: #f5f5f5 } .done { color: #2e7d32 } .wrong { color: #c62828 }
.not_done { color: #616161 } .unknown { color: #c75000 } ul { margin: .2em 0; padding-left: 1.2em }
"""
# Nothing of it may run or be fetched, whatever a name or an error says.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def spell_page(account: Account) -> str:
    """The whole report."""
    who = escape(account.who or "nobody named")
    seed = f" · plan drawn from the seed {escape(account.seed)}" if account.seed else ""
    proof = escape(LOOKED_UP if account.up else NO_WORLD)
    rows = list(account.rows())
    return clean(f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">
<meta name="viewport" content="width=device-width">
<title>labctl report: {who}</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>{who}</h1>
<p>Made {spell_time(account.made)} UTC by labctl {escape(account.version)}{seed}.
{account.done} of {len(account.reports)} hold now.</p>
{draw_lab(account) if account.up else ""}
<h2>What holds now</h2>
<table>
<caption>{proof}</caption>
<tr><th>Step</th><th>On</th><th>Now</th><th>Why</th></tr>
{"".join(_now(row) for row in rows)}</table>
<h2>What the journal tells</h2>
<table class="told">
<caption>{escape(TOLD)}</caption>
<tr><th>Step</th><th>On</th><th>First held (UTC)</th><th>By</th><th>Tries</th><th>Help</th></tr>
{"".join(_past(row) for row in rows)}</table>
</body>
</html>
""")


def _now(row: Row) -> str:
    causes = row.now.causes() if row.now and row.now.outcome is not Outcome.DONE else ()
    why = "".join(f"<li>{escape(cause)}</li>" for cause in causes)
    style = str(row.now.outcome) if row.now else ""
    return (
        f"<tr><td>{row.step} {escape(row.title)}</td><td>{escape(row.node)}</td>"
        f'<td class="{style}">{escape(spell_outcome(row))}</td><td>{f"<ul>{why}</ul>" if why else ""}</td></tr>\n'
    )


def _past(row: Row) -> str:
    return (
        f"<tr><td>{row.step} {escape(row.title)}</td><td>{escape(row.node)}</td>"
        f"<td>{escape(spell_time(row.past.first_held))}</td><td>{escape(row.past.by or '–')}</td>"
        f"<td>{row.past.attempts}</td><td>{escape(', '.join(row.past.hints) or '–')}</td></tr>\n"
    )
