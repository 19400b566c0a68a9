"""Sheets as one HTML file that stands alone: no script, nothing from elsewhere, light and dark."""

from html import escape
from typing import List, Sequence

from .people import shown
from .sheet import Sheet

_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 1.5rem auto; max-width: 90rem; padding: 0 1rem; }
figure { margin: 0 0 2.5rem; }
figcaption { font-weight: 600; margin-bottom: .5rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .7rem; text-align: left; vertical-align: top; white-space: pre-line; }
th { border-bottom: 2px solid; vertical-align: bottom; font-weight: 600; }
tbody tr:last-child td { border-bottom: 1px solid; }
td.number { white-space: pre; }
th.number, td.number { text-align: right; }
tr.opens td { border-top: 1px solid; }
tr.total td, tr.improvement td { font-weight: 600; }
tr.published td { font-style: italic; }
ul { padding-left: 1.2rem; max-width: 60rem; }
@media print {
  body { margin: 0; max-width: none; font-size: 9pt; }
  .wide { overflow: visible; }
  tr { break-inside: avoid; }
}
"""


def as_html(sheets: Sequence[Sheet]) -> str:
    """A whole page with a table for each sheet."""
    title = escape(shown(sheets[0]).title) if sheets else "energytrain report"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(fragment(sheet) for sheet in sheets)
        + "\n</body>\n</html>\n"
    )


def fragment(sheet: Sheet) -> str:
    """One sheet as a `figure`, all of its texts escaped."""
    seen = shown(sheet)
    lines: List[str] = [f'<figure id="{escape(sheet.key)}">', f"<figcaption>{escape(seen.title)}</figcaption>"]
    if seen.titles:
        heads = "".join(f'<th scope="col"{_side(n)}>{escape(t)}</th>' for t, n in zip(seen.titles, seen.numeric))
        lines += ['<div class="wide" tabindex="0">', "<table>", f"<thead><tr>{heads}</tr></thead>", "<tbody>"]
        for row, texts in zip(sheet.rows, seen.rows):
            cells = "".join(f"<td{_side(n)}>{escape(text)}</td>" for text, n in zip(texts, seen.numeric))
            lines.append(f'<tr class="{escape(row.kind)}{" opens" if row.opens else ""}">{cells}</tr>')
        lines += ["</tbody>", "</table>", "</div>"]
    if seen.notes:
        lines += ["<ul>", *(f"<li>{escape(note)}</li>" for note in seen.notes), "</ul>"]
    return "\n".join([*lines, "</figure>"])


def _side(numeric: bool) -> str:
    return ' class="number"' if numeric else ""
