"""Tables on terminals of any width: nothing is cut, figures are not broken, names are no markup."""

import io

import pytest
from rich.console import Console

from energytrain.reports.tables.as_terminal import as_terminal, as_text
from energytrain.reports.tables.people import one_line
from energytrain.reports.tables.sheet import Cell, Column, Row, Sheet

NAMES = ("eb-ff-vgg16-cifar10-p0.5-s0", "[bold red]dense[/bold red]", "a\nb\x1b[31m")
FIGURES = ("0.9049 ± 0.0298 / 0.02549 ± 0.00084", "1.263 kJ", "missing")
SOURCE = "modelled, module (tx2)"


def sheet(sources=(SOURCE, SOURCE, SOURCE)):
    columns = (
        Column("run", "run", False),
        Column("model", "model", False),
        Column("energy", "useful energy"),
        Column("seconds", "useful time"),
        Column("provenance", "provenance", False),
    )
    rows = [
        Row((Cell(one_line(name)), Cell("vgg16"), Cell(figure), Cell("10 min 05 s"), Cell(source)), "run", at == 2)
        for at, (name, figure, source) in enumerate(zip(NAMES, FIGURES, sources))
    ]
    return Sheet("t", "A title of some length", columns, tuple(rows), ("A note that is longer than a line of it.",))


def drawn(one, width):
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    console.print(as_terminal(one, width))
    return console.file.getvalue()


@pytest.mark.parametrize("width", [40, 50, 60, 80, 100, 120, 200])
def test_nothing_is_cut_at_any_width(width):
    text = drawn(sheet(), width)
    assert max(map(len, text.splitlines())) <= width and "…" not in text
    squeezed = "".join(text.split())
    for word in (*FIGURES, SOURCE, *map(one_line, NAMES), "10 min 05 s"):
        assert "".join(word.split()) in squeezed or word in NAMES, word
    assert squeezed.count("10min05s") == 3


@pytest.mark.parametrize("width", [60, 80, 100, 120, 200])
def test_figures_stay_in_one_line(width):
    text = drawn(sheet(), width)
    assert all(any(figure in line for line in text.splitlines()) for figure in FIGURES)


def test_narrow_terminals_get_a_block_a_row_and_say_once_what_is_alike():
    text = drawn(sheet(), 60)
    assert "In every row: model: vgg16; provenance: modelled, module (tx2)." in " ".join(text.split())
    assert text.count("vgg16") == 2  # there, and in a name
    wide = drawn(sheet(), 200)
    assert wide.count(SOURCE) == 3 and "In every row" not in wide
    mixed = drawn(sheet((SOURCE, SOURCE, "measured, wall (tx2)")), 60)
    assert mixed.count("modelled, module") == 2 and "measured, wall" in mixed


def test_names_are_text_and_no_markup():
    text = drawn(sheet(), 200)
    assert "[bold red]dense[/bold red]" in text and "\x1b" not in text


def test_a_pipe_gets_a_line_a_row_however_wide():
    many = sheet()
    columns = (*many.columns, *(Column(f"more{n}", f"column {n}") for n in range(30)))
    rows = tuple(Row((*row.cells, *(Cell("12.3 kJ to 14 kJ") for _ in range(30)))) for row in many.rows)
    lines = as_text(Sheet("t", "T", columns, rows)).splitlines()
    assert len([line for line in lines if "12.3 kJ" in line]) == 3
    assert all(line.count("12.3 kJ to 14 kJ") in (0, 30) for line in lines)
