"""The charts of the page in its grid of two columns, and their notes."""

import pytest

from energytrain.reports.charts.chart import Axis, Chart, Heat, Series
from energytrain.reports.page.drawn_charts import drawn_charts


def chart(kind, *notes):
    heat = Heat(("a",), ("b",), [[1.0]], "share") if kind == "heat" else None
    many = 20 if kind == "many series" else 1
    series = (
        ()
        if heat
        else tuple(Series(f"s{at}", "line" if kind == "lines" else "points", [1.0], [2.0]) for at in range(many))
    )
    names = tuple(f"run {at}" for at in range(30)) if kind == "names" else None
    return Chart(kind, kind, Axis("x", categories=names), Axis("y"), series, heat, notes=notes, zoom=kind == "zoom")


@pytest.mark.parametrize(
    "kinds, wide",
    [
        (["plain", "plain"], [False, False]),
        (["plain"], [True]),
        (["plain", "plain", "plain"], [True, False, False]),
        (["heat", "plain", "plain"], [False, False, True]),
        (["heat"], [False]),
        (["plain", "plain", "lines"], [False, False, True]),
        (["zoom", "plain", "names", "plain", "plain"], [True, True, True, False, False]),
        (["many series", "plain", "plain"], [True, False, False]),
    ],
)
def test_no_chart_stands_alone_in_a_row_and_large_ones_are_wide(kinds, wide):
    assert [one.wide for one in drawn_charts([chart(kind) for kind in kinds], "chart", 3)] == wide


def test_the_first_one_is_wide_where_it_opens_the_page():
    assert [one.wide for one in drawn_charts([chart("plain")] * 3, "chart", 3, opens=True)] == [True, False, False]


def test_a_note_that_stood_above_is_apart():
    first, second = drawn_charts([chart("plain", "a", "b"), chart("plain", "b", "c")], "chart", 3)
    assert (first.id, first.notes, first.again) == ("chart-1", ("a", "b"), ())
    assert (second.id, second.notes, second.again) == ("chart-2", ("c",), ("b",))
