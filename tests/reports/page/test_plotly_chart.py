"""Charts as plotly draws them: the same values, gaps and ends, and no text that plotly could read as HTML."""

import json
import math

import pytest

from energytrain.reports.charts.chart import Axis, Chart, Heat, Series, Shade
from energytrain.reports.charts.palette import COLOURS, looks
from energytrain.reports.page.plotly_chart import figure
from energytrain.reports.page.plotly_layout import height, log_ticks
from energytrain.reports.page.plotly_values import number, text

HARM = "<a href='http://x'>&</a>"


def drawn(*series, **more):
    chart = Chart("key", "title", more.pop("x", Axis("x (s)")), more.pop("y", Axis("y (J)")), series=series, **more)
    return json.loads(json.dumps(figure(chart, looks([chart])), allow_nan=False))


def test_points_keep_their_values_gaps_and_ends():
    made = drawn(
        Series("a", "points", [1, 2, 3.5], [1.25, None, math.nan], [0.5, 1, 3], [4, 5, None], y_low=[1, None, 2])
    )
    (trace,) = made["data"]
    assert trace["x"] == [1, 2, 3.5] and trace["y"] == [1.25, None, None]
    assert trace["error_x"]["arrayminus"] == [0.5, 1, 0.5] and trace["error_x"]["array"] == [3, 3, None]
    assert trace["error_y"]["arrayminus"] == [0.25, None, None] and trace["error_y"]["array"] == [None] * 3
    assert trace["mode"] == "markers" and trace["meta"] == {"series": 0}


@pytest.mark.parametrize("value", [0.1 + 0.2, 1 / 3, 123456789.123, 1.6e-19, 48126506148564, -7.0, 0])
def test_numbers_are_kept_to_ten_digits(value):
    assert number(value) == pytest.approx(value, rel=1e-9)


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_a_gap(value):
    assert number(value) is None


def test_lines_break_at_gaps_and_show_a_point_between_two():
    (line,) = drawn(Series("a", "line", list(range(50)), [*range(20), None, 7.0, None, *range(27)]))["data"]
    assert "connectgaps" not in line and line["mode"] == "lines+markers"
    (whole,) = drawn(Series("a", "line", list(range(50)), list(range(50))))["data"]
    assert whole["mode"] == "lines"
    (steps,) = drawn(Series("a", "steps", [1, 2], [1, 2], dashed=True))["data"]
    assert steps["line"]["shape"] == "hv" and steps["line"]["dash"] == "dash"


def test_a_line_s_interval_is_a_band_with_its_gap():
    made = drawn(Series("a", "line", [1, 2, 3, 4], [1, 2, 3, 4], y_low=[0, 1, None, 3], y_high=[2, 3, None, 5]))
    band, line = made["data"]
    assert "meta" not in band and line["meta"] == {"series": 0}
    assert band["x"] == [1, 2, 2, 1, None, 4, 4, None] and band["y"] == [0, 1, 3, 2, None, 3, 5, None]
    assert made["legend"][0]["traces"] == [0, 1], "both are switched together"


def test_bars_stand_on_or_beside_one_another():
    bars = [Series(name, "bars", ["a", "b"], [1, 2], y_high=[2, 4]) for name in ("one", "two")]
    x = Axis("run", categories=("b", "a"))
    assert drawn(*bars, x=x, stacked=True)["layout"]["barmode"] == "stack"
    made = drawn(*bars, x=x)
    assert made["layout"]["barmode"] == "group" and made["layout"]["xaxis"]["categoryarray"] == ["b", "a"]
    assert made["data"][0]["error_y"]["array"] == [1, 2]


def test_points_lie_over_lines_and_keep_their_places_in_the_legend():
    made = drawn(Series("dots", "points", [1], [1]), Series("front", "steps", [1, 2], [1, 2]))
    assert [trace["meta"]["series"] for trace in made["data"]] == [1, 0]
    assert [(entry["name"], entry["traces"]) for entry in made["legend"]] == [("dots", [1]), ("front", [0])]


def test_no_text_given_to_plotly_holds_a_tag():
    series = [
        Series(HARM, "points", [1], [1], hover=[HARM + "\nsecond %{x}"]),
        Series(HARM, "bars", [HARM], [1]),
        Series("%{y}" + HARM, "line", [1, 2], [1, 2]),
    ]
    for one in series:
        made = drawn(one, x=Axis(HARM), y=Axis(HARM), shades=(Shade(0, 1, HARM),))
        assert "<a" not in json.dumps([made["data"], made["layout"]])
        assert made["legend"][0]["name"] == one.name and made["legend"][-1]["name"] == HARM, "set as text by the page"
    heat = drawn(heat=Heat((HARM,), (HARM,), [[1.0]], HARM))
    assert "<a" not in json.dumps(heat) and "%{y}" not in drawn(series[2])["data"][0]["name"][4:]
    assert text("a\nb & <") == "a<br>b &amp; &lt;"


def test_a_map_keeps_its_rows_from_the_top_and_its_gaps():
    made = drawn(heat=Heat(("r1", "r2"), ("c1", "c2", "c3"), [[1, 2, None], [math.nan, 5, 6]], "distance"))
    (heat,) = made["data"]
    assert heat["z"] == [[1, 2, None], [None, 5, 6]] and heat["y"] == ["r1", "r2"] and heat["x"] == ["c1", "c2", "c3"]
    assert made["layout"]["yaxis"]["autorange"] == "reversed"


def test_shades_stand_behind_and_gaps_apart():
    shades = (Shade(0, 5, "search"), Shade(5, 6, "no readings", gap=True), Shade(6, 9, "search"))
    made = drawn(Series("a", "line", [0, 9], [1, 1]), shades=shades, zoom=True)
    assert [(s["x0"], s["x1"]) for s in made["layout"]["shapes"]] == [(0, 5), (5, 6), (6, 9)]
    first, gap, last = (shape["fillcolor"] for shape in made["layout"]["shapes"])
    assert first == last != gap
    assert [(e["name"], e["kind"]) for e in made["legend"][1:]] == [("search", "shade"), ("no readings", "gap")]
    assert made["layout"]["xaxis"]["rangeslider"]["visible"]


def test_a_family_has_one_colour_and_each_of_its_series_another_symbol():
    first = Chart("a", "a", Axis("x"), Axis("y"), (Series("p = 30", "points", [1], [1], family="eb-ff"),))
    second = Chart(
        "b",
        "b",
        Axis("x"),
        Axis("y"),
        (
            Series("dense", "points", [1], [1]),
            *(Series(f"p = {p}", "points", [1], [1], family="eb-ff") for p in (30, 50)),
        ),
    )
    found = looks([first, second])
    assert found["eb-ff"].colour == COLOURS[0] and found["dense"].colour == COLOURS[1]
    markers = [trace["marker"] for trace in figure(second, found)["data"]]
    assert markers[1]["color"] == markers[2]["color"] != markers[0]["color"]
    assert markers[1]["symbol"] != markers[2]["symbol"]


def test_the_legend_of_many_series_names_families():
    series = [Series(f"run {i}", "line", [1, 2], [1, i], family=f"method {i % 2}") for i in range(20)]
    legend = drawn(*series)["legend"]
    assert [entry["name"] for entry in legend] == ["method 0", "method 1"]
    assert [len(entry["traces"]) for entry in legend] == [10, 10]


def test_log_axes_have_marks_on_either_side_of_the_values():
    for values in ([3.0, 4.0], [0.002, 5.0], [1.0, 1e6], [7.0]):
        ticks = log_ticks(values)
        assert ticks == sorted(ticks) and len(ticks) <= 12
        assert ticks[0] <= min(values) and ticks[-1] >= max(values)
    assert log_ticks([]) == log_ticks([-1.0, 0.0]) == []
    axis = drawn(Series("a", "points", [100.0, 2000.0], [1, 2]), x=Axis("x", log=True))["layout"]["xaxis"]
    assert axis["type"] == "log" and "1 k" in axis["ticktext"]


def test_long_names_are_shortened_on_the_axis_alone():
    name = "a-very-long-name-of-a-run-that-ends-in-s0"
    axis = drawn(Series("a", "bars", [name], [1]))["layout"]["xaxis"]
    assert axis["categoryarray"] == [name] and axis["ticktext"][0].endswith("s0") and len(axis["ticktext"][0]) <= 27


def test_charts_grow_with_their_rows():
    square = [
        Chart("k", "t", Axis("x"), Axis("y"), heat=Heat(tuple(map(str, range(n))), ("1",), [[1.0]] * n, "d"))
        for n in (2, 20, 200)
    ]
    small, middle, large = map(height, square)
    assert small < middle < large <= 640 + 130
