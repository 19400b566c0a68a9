"""Runs side by side: what may be compared stands in one column, what may not is marked or apart."""

import io
import re

import pytest
from reports.emulated import flops_by_hand, four
from rich.console import Console

from energytrain.reports.comparison import comparison_table
from energytrain.reports.flops import PAPER_COUNT_MEANS, written

MATRIX = ("conv", "linear")


@pytest.fixture(scope="module")
def runs():
    return four()


def shown(renderable, width=300):
    console = Console(file=io.StringIO(), width=width)
    console.print(renderable)
    return console.file.getvalue()


def row_of(text, name):
    """The line of a run and those that continue it."""
    lines = text.splitlines()
    (at,) = [number for number, line in enumerate(lines) if line.strip().startswith(name)]
    more = [line for line in lines[at + 1 :] if line.startswith(" " * 10)]
    return [lines[at], *more]


def test_runs_in_one_precision_have_one_column_and_its_name_below(runs):
    text = shown(comparison_table(runs[:2]))
    assert "All FLOPs are in fp32." in text and "useful FLOPs" in text
    assert "paper's count" not in text and "what-if" not in text and not re.search(r"\d [kMGT] fp32", text)


def test_where_precisions_differ_every_figure_names_its_own_and_one_count_is_shared(runs):
    text = shown(comparison_table(runs))
    dense, full, lower, lowest = (row_of(text, run["name"]) for run in runs)
    both = flops_by_hand(0.125, "fp32", MATRIX) + flops_by_hand(0.0625, "fp32", MATRIX)
    # The same network for as long has the same count by the paper, in whatever precision.
    assert all(f" {written(both)} " in row[0] for row in (full, lower, lowest))
    assert f"{written(flops_by_hand(0.125, 'fp32'))} fp32" in dense[0]
    assert "bfp8" not in " ".join(dense[:1] + full[:1])
    for row, widths in ((lower, [0.125]), (lowest, [0.125, 0.0625])):
        narrow = sum(flops_by_hand(width, "bfp8", MATRIX) for width in widths)
        assert f"{written(narrow)} bfp8" in row[1], "below those in fp32"
        total = narrow + sum(flops_by_hand(width, "bfp8", of="fp32") for width in widths)
        assert f" {written(total)} " not in "".join(row[:2]), "FLOPs of unlike precision were added"
    assert " ".join(PAPER_COUNT_MEANS.split()) in " ".join(text.split())


def test_the_energy_of_emulated_arithmetic_is_marked_and_has_two_figures(runs):
    text = shown(comparison_table(runs))
    assert text.count("what-if (a), modelled") == text.count("what-if (b), modelled") == 2
    assert len(re.findall(r"J what-if ", text)) == 4, "each of two runs has two figures"
    assert "Not to be ranked with other joules." in " ".join(text.split())
    assert "what-if" not in row_of(text, "eb-ff")[0]


def test_a_bill_is_one_count_already(runs):
    text = shown(comparison_table(runs, "eb-paper"))
    assert "FLOPs on the Early-Bird paper's bill" in text and "paper's count" not in text and " bfp8" not in text


@pytest.mark.parametrize("width", [80, 120, 160])
def test_narrow_terminals_lose_nothing(runs, width):
    text = shown(comparison_table(runs), width)
    assert "…" not in text and max(map(len, text.splitlines())) <= width
    if width >= 100:
        assert text.count("bfp8") == 2 and "paper's count" in " ".join(text.split())
