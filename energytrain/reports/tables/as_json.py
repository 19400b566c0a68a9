"""Sheets as JSON: what people read beside what programs read."""

import json
import math
from typing import Any, Dict, Sequence

from .sheet import Sheet


def as_json(sheets: Sequence[Sheet]) -> str:
    """{"tables": [...]}, each table with its columns and, by their keys, the cells of its rows: text, value and what
    belongs to it. A value that is missing, or infinite, is null."""
    return json.dumps({"tables": [_table(sheet) for sheet in sheets]}, indent=1, allow_nan=False) + "\n"


def _table(sheet: Sheet) -> Dict[str, Any]:
    return {
        "key": sheet.key,
        "title": sheet.title,
        "columns": [{"key": c.key, "title": c.title, "numeric": c.numeric} for c in sheet.columns],
        "rows": [
            {
                "kind": row.kind,
                "cells": {
                    column.key: _finite({"value": cell.value, "text": cell.text, **cell.more})
                    for column, cell in zip(sheet.columns, row.cells)
                },
            }
            for row in sheet.rows
        ],
        "notes": list(sheet.notes),
    }


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (list, tuple)):
        return [_finite(one) for one in value]
    return {name: _finite(one) for name, one in value.items()} if isinstance(value, dict) else value
