"""Sheets as the page's template needs them: texts, values to sort by, links to single runs, columns to filter by."""

from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Tuple

from ..tables.people import shown
from ..tables.sheet import Sheet

# Columns by which a table can be filtered, where they hold more than one value.
FILTERED = ("method", "model", "dataset", "phase", "status")


@dataclass(frozen=True)
class ShownTable:
    """heads: (title, whether numeric); rows: (class, cells), each cell (text, value of a number, id that it links to).

    filters: {"column", "title", "options"}.
    """

    id: str
    title: str
    heads: Tuple[Tuple[str, bool], ...]
    rows: Tuple[Tuple[str, Tuple[Tuple[str, Any, Optional[str]], ...]], ...]
    notes: Tuple[str, ...]
    filters: Tuple[Mapping[str, Any], ...]


def shown_table(sheet: Sheet, id: str, links: Mapping[str, str]) -> ShownTable:
    """`links`: the id of the details of a run, by its label."""
    seen = shown(sheet)
    rows = []
    for row, texts in zip(sheet.rows, seen.rows):
        cells: List[Tuple[str, Any, Optional[str]]] = []
        for at, text, numeric in zip(seen.columns, texts, seen.numeric):
            value = row.cells[at].value
            link = links.get(str(value)) if not cells else None
            cells.append((text, value if numeric and not isinstance(value, str) else None, link))
        rows.append((f"{row.kind} opens" if row.opens else row.kind, tuple(cells)))
    heads = tuple(zip(seen.titles, seen.numeric))
    return ShownTable(id, seen.title, heads, tuple(rows), seen.notes, tuple(_filters(sheet, seen.columns)))


def _filters(sheet: Sheet, columns: Tuple[int, ...]) -> List[Dict[str, Any]]:
    filters = []
    for place, at in enumerate(columns):
        options = sorted({row.cells[at].text.strip() for row in sheet.rows} - {""})
        if sheet.columns[at].key in FILTERED and len(options) > 1:
            filters.append({"column": place, "title": sheet.columns[at].title, "options": options})
    return filters
