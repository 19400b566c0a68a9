"""A sheet on a terminal: a table where it fits, else its rows one below the other; nothing is ever cut.

Lines are laid out here and not by rich's tables, which break figures where space is short and take seconds for a
thousand rows.
"""

import textwrap
from dataclasses import replace
from itertools import zip_longest
from typing import Dict, List, Optional, Tuple

from rich.cells import cell_len, set_cell_size
from rich.console import Group, RenderableType
from rich.text import Text

from .people import Shown, shown
from .sheet import Sheet

NARROWEST_NAME = 16  # a name may be folded to this many columns, a figure never is
BETWEEN = 2
NOTES_WIDTH = 160  # of notes where there is no terminal
_STYLES: Dict[str, str] = {"total": "bold", "improvement": "bold", "published": "italic"}

Line = Tuple[str, Optional[str]]  # a text and its style


def as_terminal(sheet: Sheet, width: int) -> RenderableType:
    """For a terminal of that many columns."""
    seen = shown(sheet)
    parts: List[RenderableType] = [Text(seen.title, style="bold")] * bool(seen.title)
    alike: Tuple[str, ...] = ()
    if sum(_widest(seen)) - BETWEEN > width:
        seen, alike = _without_what_is_alike(seen)
    fits = sum(_least(seen)) - BETWEEN <= width
    lines = [] if not seen.titles else _table(sheet, seen, _widths(seen, width)) if fits else _records(seen, width)
    parts += [Text(text.rstrip(), style=style or "", no_wrap=True, overflow="ignore") for text, style in lines]
    parts += [Text(line) for line in (*alike, *seen.notes)]
    return Group(*parts)


def as_text(sheet: Sheet) -> str:
    """As plain text, for a file or a pipe: the table as wide as it is."""
    seen = shown(sheet)
    lines = [seen.title] * bool(seen.title)
    if seen.titles:
        lines += [text for text, _ in _table(sheet, seen, [width - BETWEEN for width in _widest(seen)])]
    for note in seen.notes:
        lines += textwrap.wrap(note, NOTES_WIDTH)
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _table(sheet: Sheet, seen: Shown, widths: List[int]) -> List[Line]:
    head = [(text, "bold") for text in _row(seen, seen.titles, widths)]
    lines: List[Line] = [*head, ("─" * (sum(widths) + BETWEEN * (len(widths) - 1)), None)]
    for number, (row, texts) in enumerate(zip(sheet.rows, seen.rows)):
        if row.opens and number:
            lines.append(("", None))
        lines += [(text, _STYLES.get(row.kind)) for text in _row(seen, texts, widths)]
    return lines


def _row(seen: Shown, texts: Tuple[str, ...], widths: List[int]) -> List[str]:
    """The lines of one row, its cells folded to their widths."""
    folded = [[part for line in text.split("\n") for part in _folded(line, to)] for text, to in zip(texts, widths)]
    lines = []
    for parts in zip_longest(*folded, fillvalue=""):
        cells = [
            " " * (to - cell_len(part)) + part if numeric else set_cell_size(part, to)
            for part, to, numeric in zip(parts, widths, seen.numeric)
        ]
        lines.append((" " * BETWEEN).join(cells))
    return lines


def _folded(line: str, width: int) -> List[str]:
    if cell_len(line) <= width:
        return [line]
    if cell_len(line) == len(line):
        return textwrap.wrap(line, width)
    parts: List[str] = []
    part = ""
    for sign in line:  # some are two columns wide
        if cell_len(part + sign) > width:
            parts, part = [*parts, part], ""
        part += sign
    return [*parts, part]


def _records(seen: Shown, width: int) -> List[Line]:
    """Each row as lines of "title  text", under the names that it begins with."""
    names = next((at for at, numeric in enumerate(seen.numeric) if numeric), 1) or 1
    titles = min(max(map(cell_len, seen.titles[names:]), default=0), width // 3)
    rest = max(1, width - titles - 2 * BETWEEN)
    lines: List[Line] = []
    for texts in seen.rows:
        name = ", ".join(text for text in texts[:names] if text)
        lines += [("", None), *((part, "bold") for part in _folded(name, width))]
        for title, text in zip(seen.titles[names:], texts[names:]):
            if text:
                parts = [part for line in text.split("\n") for part in _folded(line, rest)]
                for left, right in zip_longest(_folded(title, titles), parts, fillvalue=""):
                    lines.append((f"{'':{BETWEEN}}{set_cell_size(left, titles + BETWEEN)}{right}".rstrip(), None))
    return [*lines, ("", None)]


def _without_what_is_alike(seen: Shown) -> Tuple[Shown, Tuple[str, ...]]:
    """The columns of texts that say the same in every row become a line below the table."""
    if len(seen.rows) < 2:
        return seen, ()
    alike = [
        at
        for at, numeric in enumerate(seen.numeric)
        if not numeric and len({row[at] for row in seen.rows}) == 1 and "\n" not in seen.rows[0][at]
    ]
    if all(numeric or at in alike for at, numeric in enumerate(seen.numeric)):
        alike = alike[1:]
    kept = [at for at in range(len(seen.titles)) if at not in alike]
    words = [f"{seen.titles[at]}: {seen.rows[0][at]}" for at in alike]
    return (
        replace(
            seen,
            titles=tuple(seen.titles[at] for at in kept),
            numeric=tuple(seen.numeric[at] for at in kept),
            rows=tuple(tuple(row[at] for at in kept) for row in seen.rows),
        ),
        (f"In every row: {'; '.join(words)}.",) if words else (),
    )


def _least(seen: Shown) -> List[int]:
    """The width that each column needs, with the space after it: whole figures, words of titles, folded names."""
    found = []
    for at, numeric in enumerate(seen.numeric):
        title = max(map(cell_len, seen.titles[at].split()), default=0)
        lines = [line for row in seen.rows for line in row[at].split("\n")]
        if numeric:
            inside = max(map(cell_len, lines), default=0)
        else:
            words = (word for line in lines for word in line.split())
            inside = min(NARROWEST_NAME, max(map(cell_len, words), default=0))
        found.append(max(title, inside, 1) + BETWEEN)
    return found


def _widest(seen: Shown) -> List[int]:
    """The width at which nothing in a column is folded, with the space after it."""
    texts = ((title, *(row[at] for row in seen.rows)) for at, title in enumerate(seen.titles))
    return [max(cell_len(line) for text in column for line in text.split("\n")) + BETWEEN for column in texts]


def _widths(seen: Shown, width: int) -> List[int]:
    """Without what is between them: what each column needs, and the rest to those that lack least."""
    widths, widest = _least(seen), _widest(seen)
    left = width + BETWEEN - sum(widths)
    for at in sorted(range(len(widths)), key=lambda at: widest[at] - widths[at]):
        more = min(left, max(0, widest[at] - widths[at]))
        widths[at], left = widths[at] + more, left - more
    return [each - BETWEEN for each in widths]
