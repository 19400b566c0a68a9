"""A sheet as a LaTeX table, for a paper: booktabs rules, no other package."""

import re
from typing import Dict, List

from .people import shown
from .sheet import Sheet

_ESCAPES: Dict[str, str] = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "{''}",
    "\ufffd": "?",
    "`": r"{\textasciigrave}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "°": r"$^\circ$",
    "†": r"$^\dagger$",
}


def escaped(text: str) -> str:
    """Text as LaTeX prints it unchanged, in one line.

    >>> escaped("50 % of a_b & $x$")
    '50 \\\\% of a\\\\_b \\\\& \\\\$x\\\\$'
    """
    found = "".join(_ESCAPES.get(c, c if c.isprintable() else " ") for c in text)
    found = re.sub(r"-(?=-)", "-{}", found)  # two of them would become a dash
    found = re.sub(r"(?<![\w.{}-])-(?=\d)", "$-$", found)
    return "{}" + found if found[:1] in ("[", "*") else found  # which a line break before them would take as its own


def as_latex(sheet: Sheet) -> str:
    """A `table` with its title as the caption, and its notes below. Needs \\usepackage{booktabs}."""
    seen = shown(sheet)
    lines: List[str] = [
        "% needs \\usepackage{booktabs}; of old LaTeX also \\usepackage[utf8]{inputenc} and \\usepackage{textcomp}",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escaped(seen.title)}}}",
    ]
    if seen.titles:
        lines += [
            rf"\begin{{tabular}}{{@{{}}{''.join('r' if numeric else 'l' for numeric in seen.numeric)}@{{}}}}",
            r"\toprule",
            " & ".join(escaped(title) for title in seen.titles) + r" \\",
            r"\midrule",
        ]
        for number, (row, texts) in enumerate(zip(sheet.rows, seen.rows)):
            if row.opens and number:
                lines.append(r"\midrule")
            cells = [_cell(text, numeric, row.kind) for text, numeric in zip(texts, seen.numeric)]
            lines.append(" & ".join(cells) + r" \\")
        lines += [r"\bottomrule", r"\end{tabular}"]
    if seen.notes:
        lines += ["", r"\medskip", r"\begin{minipage}{\linewidth}\footnotesize"]
        lines += [escaped(note) + r"\par" for note in seen.notes]
        lines.append(r"\end{minipage}")
    return "\n".join([*lines, r"\end{table}"]) + "\n"


def _cell(text: str, numeric: bool, kind: str) -> str:
    face = {"total": r"\bfseries ", "improvement": r"\bfseries ", "published": r"\itshape "}.get(kind, "")
    parts = [face + escaped(line) if line else "" for line in text.split("\n")]
    if len(parts) == 1:
        return parts[0]
    side, lines = "r" if numeric else "l", r" \\ ".join(parts)
    return rf"\begin{{tabular}}[t]{{@{{}}{side}@{{}}}}{lines}\end{{tabular}}"
