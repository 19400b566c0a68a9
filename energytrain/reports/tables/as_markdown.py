"""A sheet as a Markdown table (GitHub's dialect), with its title and notes."""

import re
from typing import List

from .people import shown
from .sheet import Sheet

# What Markdown or the HTML in it would take for markup.
_MARKUP = re.compile(r"([\\`*_\[\]<>#|~$])")


def escaped(text: str) -> str:
    """Text as Markdown shows it unchanged, in one line; line breaks become `<br>`.

    >>> escaped("<b>a|b_c</b>")
    '&lt;b&gt;a\\\\|b\\\\_c&lt;/b&gt;'
    """
    return "<br>".join(_line(line) for line in text.splitlines())


def _line(text: str) -> str:
    text = text.replace("&", "&amp;")
    text = _MARKUP.sub(lambda found: {"<": "&lt;", ">": "&gt;"}.get(found.group(1), "\\" + found.group(1)), text)
    # A leading list mark or number would begin a list, and bare addresses would become links.
    text = re.sub(r"^(\s*)([-+=])(?=\s|$|[-=])", r"\1\\\2", text)
    text = re.sub(r"^(\s*\d+)([.)])(?=\s|$)", r"\1\\\2", text)
    return text.replace("://", r"\://").replace("www.", r"www\.").replace("@", r"\@")


def as_markdown(sheet: Sheet) -> str:
    """Title, table and notes, each a paragraph."""
    seen = shown(sheet)
    parts: List[str] = [f"**{escaped(seen.title)}**"]
    if seen.titles:
        lines = [
            _row([escaped(title) for title in seen.titles]),
            _row(["---:" if numeric else "---" for numeric in seen.numeric]),
            *(_row([_cell(text, row.kind) for text in texts]) for row, texts in zip(sheet.rows, seen.rows)),
        ]
        parts.append("\n".join(lines))
    if seen.notes:
        parts.append("\n".join(f"- {escaped(note)}" for note in seen.notes))
    return "\n\n".join(parts) + "\n"


def _cell(text: str, kind: str) -> str:
    found = escaped(text)
    mark = {"total": "**", "improvement": "**", "published": "*"}.get(kind, "")
    return (
        "<br>".join(f"{mark}{line}{mark}" if line.strip() else line for line in found.split("<br>")) if mark else found
    )


def _row(cells: List[str]) -> str:
    return f"| {' | '.join(cells)} |"
