"""Sheets as text in one of the formats."""

from typing import List, Sequence

from .as_csv import as_csv
from .as_html import as_html
from .as_json import as_json
from .as_latex import as_latex
from .as_markdown import as_markdown
from .as_terminal import as_text
from .people import one_line
from .sheet import Sheet

FORMATS = ("terminal", "markdown", "csv", "json", "latex", "html")


def written(sheets: Sequence[Sheet], format: str) -> str:
    """The text of all sheets; "terminal" here is plain text, as wide as its tables are."""
    if format == "csv":
        return as_csv(sheets)
    if format == "json":
        return as_json(sheets)
    if format == "html":
        return as_html(sheets)
    one = {"markdown": as_markdown, "latex": as_latex, "terminal": as_text}[format]
    return "\n".join(one(sheet) for sheet in sheets)


def notes_apart(sheets: Sequence[Sheet], format: str) -> List[str]:
    """Notes that the format has no place for."""
    return [one_line(note) for sheet in sheets for note in sheet.notes] if format == "csv" else []
