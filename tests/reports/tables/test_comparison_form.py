"""Runs side by side: what may be compared stands in one column, what may not is marked or apart."""

import io
import re

import pytest
from reports.emulated import flops_by_hand, four
from rich.console import Console

from energytrain.reports.flops import PAPER_COUNT, PAPER_COUNT_MEANS, written
from energytrain.reports.tables.as_terminal import as_terminal
from energytrain.reports.tables.comparison_form import comparison_sheet

MATRIX = ("conv", "linear")


@pytest.fixture(scope="module")
def runs():
    return four()


def shown(sheet, width=300):
    console = Console(file=io.StringIO(), width=width)
    console.print(as_terminal(sheet, width))
    return console.file.getvalue()


def row_of(sheet, name):
    """The texts of a run's cells, by the titles of their columns."""
    (row,) = [row for row in sheet.rows if row.cells[0].text == name]
    return {column.title: cell.text for column, cell in zip(sheet.columns, row.cells)}


def test_runs_in_one_precision_have_one_column_and_its_name_below(runs):
    text = shown(comparison_sheet(runs[:2]))
    assert "All FLOPs are in fp32." in text and "useful FLOPs, fp32" in text
    assert "paper's count" not in text and "what-if" not in text and not re.search(r"\d [kMGT] fp32", text)


def test_where_precisions_differ_each_has_a_column_and_one_count_is_shared(runs):
    sheet = comparison_sheet(runs)
    dense, full, lower, lowest = (row_of(sheet, run["name"]) for run in runs)
    both = flops_by_hand(0.125, "fp32", MATRIX) + flops_by_hand(0.0625, "fp32", MATRIX)
    # The same network for as long has the same count by the paper, in whatever precision.
    assert all(row[PAPER_COUNT] == written(both) for row in (full, lower, lowest))
    assert dense["useful FLOPs, fp32"] == written(flops_by_hand(0.125, "fp32"))
    assert dense["useful FLOPs, bfp8"] == full["useful FLOPs, bfp8"] == ""
    for row, widths in ((lower, [0.125]), (lowest, [0.125, 0.0625])):
        narrow = sum(flops_by_hand(width, "bfp8", MATRIX) for width in widths)
        assert row["useful FLOPs, bfp8"] == written(narrow)
        total = narrow + sum(flops_by_hand(width, "bfp8", of="fp32") for width in widths)
        assert written(total) not in row.values(), "FLOPs of unlike precision were added"
    assert " ".join(PAPER_COUNT_MEANS.split()) in " ".join(shown(sheet).split())


def test_the_energy_of_emulated_arithmetic_is_marked_and_has_two_figures(runs):
    sheet = comparison_sheet(runs)
    text = shown(sheet)
    assert text.count("what-if (a), modelled") == text.count("what-if (b), modelled") == 2
    assert len(re.findall(r"J what-if ", text)) == 4, "each of two runs has two figures"
    assert "Not to be ranked with other joules." in " ".join(text.split())
    assert not any("what-if" in cell for cell in row_of(sheet, runs[1]["name"]).values())


def test_a_bill_is_one_count_already(runs):
    text = shown(comparison_sheet(runs, "eb-paper"))
    assert "FLOPs on the Early-Bird paper's bill" in text and "paper's count" not in text and " bfp8" not in text


@pytest.mark.parametrize("width", [80, 120, 160])
def test_narrow_terminals_lose_nothing(runs, width):
    text = shown(comparison_sheet(runs), width)
    assert "…" not in text and max(map(len, text.splitlines())) <= width
    assert "bfp8" in text and "paper's count" in " ".join(text.split())
