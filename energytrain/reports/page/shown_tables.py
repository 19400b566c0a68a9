"""Sheets as the page's template needs them: texts, values to sort by, links to single runs, columns to filter by."""

from dataclasses import dataclass, replace
from typing import Any, Dict, List, Mapping, Optional, Tuple

from ..tables.people import Shown, shown
from ..tables.sheet import Sheet

# Columns by which a table can be filtered, where they hold more than one value.
FILTERED = ("method", "model", "dataset", "phase", "status")
# Columns that become a line below the table where they say the same in every row.
FOLDED = ("model", "dataset", "status")
# What the page is about stands next to the accuracy, before the table has to be scrolled.
ACCURACY = ("test_accuracy_percent", "train_accuracy_percent")
BESIDE_ACCURACY = ("useful_joules", "useful_joules_low", "useful_provenance")


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
    seen, alike = _arranged(sheet, shown(sheet))
    rows = []
    for row, texts in zip(sheet.rows, seen.rows):
        cells: List[Tuple[str, Any, Optional[str]]] = []
        for at, text, numeric in zip(seen.columns, texts, seen.numeric):
            value = row.cells[at].value
            link = links.get(str(value)) if not cells else None
            cells.append((text, value if numeric and not isinstance(value, str) else None, link))
        rows.append((f"{row.kind} opens" if row.opens else row.kind, tuple(cells)))
    heads = tuple(zip(seen.titles, seen.numeric))
    return ShownTable(id, seen.title, heads, tuple(rows), (*alike, *seen.notes), tuple(_filters(sheet, seen.columns)))


def _arranged(sheet: Sheet, seen: Shown) -> Tuple[Shown, Tuple[str, ...]]:
    """The columns in the page's order, without those to be folded, and what is said of these."""
    keys = [sheet.columns[at].key for at in seen.columns]
    many = len(seen.rows) > 1
    alike = [at for at, key in enumerate(keys) if many and key in FOLDED and len({row[at] for row in seen.rows}) == 1]
    places = [at for at in range(len(keys)) if at not in alike]
    found = next((at for at in places if keys[at] in ACCURACY), None)
    if found is not None:
        moved = [at for at in places if keys[at] in BESIDE_ACCURACY]
        places = [at for at in places if at not in moved]
        behind = places.index(found) + 1
        places[behind:behind] = moved
    words = "; ".join(f"{seen.titles[at]} {seen.rows[0][at]}" for at in alike)
    arranged = replace(
        seen,
        titles=tuple(seen.titles[at] for at in places),
        numeric=tuple(seen.numeric[at] for at in places),
        rows=tuple(tuple(row[at] for at in places) for row in seen.rows),
        columns=tuple(seen.columns[at] for at in places),
    )
    return arranged, (f"In every row: {words}.",) if words else ()


def _filters(sheet: Sheet, columns: Tuple[int, ...]) -> List[Dict[str, Any]]:
    filters = []
    for place, at in enumerate(columns):
        options = sorted({row.cells[at].text.strip() for row in sheet.rows} - {""})
        if sheet.columns[at].key in FILTERED and len(options) > 1:
            filters.append({"column": place, "title": sheet.columns[at].title, "options": options})
    return filters
