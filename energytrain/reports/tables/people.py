"""What people read of a sheet: columns that belong together joined, those that nobody fills left out."""

from dataclasses import dataclass
from itertools import zip_longest
from typing import List, Sequence, Tuple

from .sheet import Cell, Column, Sheet


@dataclass(frozen=True)
class Shown:
    """Texts by row and column; a text may have several lines. `numeric` columns are set to the right.

    No text holds a control character or one that turns the direction of writing.
    """

    title: str
    titles: Tuple[str, ...]
    numeric: Tuple[bool, ...]
    rows: Tuple[Tuple[str, ...], ...]
    notes: Tuple[str, ...]
    columns: Tuple[int, ...]  # which of the sheet's each one is, the first of those that are joined


def shown(sheet: Sheet) -> Shown:
    """The columns of `sheet` in which any row has a text; all rows."""
    groups: List[List[int]] = []
    for at, column in enumerate(sheet.columns):
        if column.joins and groups:
            groups[-1].append(at)
        else:
            groups.append([at])
    kept = [group for group in groups if any(row.cells[at].text for row in sheet.rows for at in group)]
    return Shown(
        title=_clean(sheet.title),
        titles=tuple(_clean(sheet.columns[group[0]].title) for group in kept),
        numeric=tuple(sheet.columns[group[0]].numeric for group in kept),
        rows=tuple(tuple(_clean(_joined(sheet.columns, row.cells, group)) for group in kept) for row in sheet.rows),
        notes=tuple(map(_clean, sheet.notes)),
        columns=tuple(group[0] for group in kept),
    )


def _joined(columns: Sequence[Column], cells: Sequence[Cell], group: Sequence[int]) -> str:
    """The texts of some columns, line by line; what is empty brings no characters between."""
    lines = cells[group[0]].text.split("\n")
    for at in group[1:]:
        more = cells[at].text.split("\n")
        lines = [
            f"{one}{columns[at].joins}{other}" if one and other else one or other
            for one, other in zip_longest(lines, more, fillvalue="")
        ]
    return "\n".join(lines)


def _clean(text: str) -> str:
    return "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in text)


def one_line(text: str) -> str:
    """A name as it may stand in a title, a cell or a sentence: without line breaks and other control characters.

    >>> one_line("two\\nlines")
    'two lines'
    """
    return _clean(" ".join(text.split()))
