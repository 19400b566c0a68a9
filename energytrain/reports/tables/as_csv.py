"""Sheets as one CSV table for programs: figures in base units, and what belongs to a figure in columns beside it."""

import csv
import io
import json
import math
from typing import Any, Dict, List, Sequence

from .sheet import Cell, Column, Sheet

# A spreadsheet takes a text that begins so for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def as_csv(sheets: Sequence[Sheet]) -> str:
    """A row for each row of each sheet, with the key of its sheet ("table") and what kind of row it is ("row").

    A column is named by its key; what belongs to a value by the key and its own name ("useful_joules_sd"). Text that a
    spreadsheet would take for a formula begins with a quotation mark.
    """
    rows: List[Dict[str, Any]] = []
    names: Dict[str, None] = {"table": None, "row": None}
    for sheet in sheets:
        for column in sheet.columns:
            names[column.key] = None
            at = sheet.column(column.key)
            for name in [name for row in sheet.rows for name in row.cells[at or 0].more]:
                names[f"{column.key}_{name}"] = None
        for row in sheet.rows:
            record: Dict[str, Any] = {"table": sheet.key, "row": row.kind}
            for column, cell in zip(sheet.columns, row.cells):
                record.update(_record(column, cell))
            rows.append(record)
    file = io.StringIO()
    writer = csv.DictWriter(file, list(names), lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows({name: _plain(value) for name, value in row.items()} for row in rows)
    return file.getvalue()


def _record(column: Column, cell: Cell) -> Dict[str, Any]:
    # A figure that is missing stays empty; of texts that have no value of their own the text is one.
    value = cell.text if cell.value is None and not column.numeric else cell.value
    return {column.key: value, **{f"{column.key}_{name}": more for name, more in cell.more.items()}}


def _plain(value: Any) -> Any:
    """A value as a field of a CSV file."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)) and all(isinstance(one, (int, float)) for one in value):
        return " ".join(map(str, value))
    if isinstance(value, (list, tuple, dict)):
        return json.dumps(value)
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value
