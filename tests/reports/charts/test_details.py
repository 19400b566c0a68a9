"""The charts of one run, whose load is known: power, phases, gaps, masks, layers and learning."""

import math

import numpy as np
import pytest
from reports.charts.making import only, run, series_of
from reports.charts.metered import CHANNELS, FAILED, HERTZ, PEAK, UNREAD, metered_run, readings, watts

from energytrain.energy.traces.series import Series as Readings
from energytrain.reports.charts.catalog import details
from energytrain.reports.charts.masks import mask_charts
from energytrain.reports.charts.power import gaps_of, power_of
from energytrain.reports.source import read_sources
from energytrain.runs.masks import encode

BEGIN = {1: 2.0, 2: 28.0}  # seconds at which the attempts begin


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    sources, skipped = read_sources([metered_run(tmp_path_factory.mktemp("runs"))])
    assert not skipped
    return sources[0]


@pytest.fixture(scope="module")
def charts(source):
    return {chart.key: chart for chart in details(source)}


def test_the_keys_are_unique_and_there_is_no_empty_chart(source, charts):
    assert len(charts) == len(details(source))
    assert all(chart.heat or all(len(series.x) for series in chart.series) for chart in charts.values())


@pytest.mark.parametrize("attempt", [1, 2])
def test_power_is_every_reading_with_gaps_where_there_was_none(charts, attempt):
    chart = charts["power" if attempt == 1 else "power-2"]
    assert chart.zoom and f"attempt {attempt}" in chart.title
    line = series_of(chart, "gpu power (chip)")
    end = max(chart.shades[-1].end, chart.shades[-2].end, line.x[-1]) + BEGIN[attempt]
    known = {round(t - BEGIN[attempt], 4): v for t, v in readings(BEGIN[attempt], end + 1) if v is not None}
    shown = {x: y for x, y in zip(line.x, line.y) if y is not None}
    assert len(shown) > 100 and all(shown[x] == pytest.approx(known[x], abs=1e-3) for x in shown)
    assert not line.dashed and series_of(chart, "rail (rail)").dashed
    gap = UNREAD if attempt == 1 else FAILED
    inside = [y for x, y in zip(line.x, line.y) if gap[0] < x + BEGIN[attempt] < gap[1]]
    assert inside and all(y is None for y in inside), "the line breaks"


def test_the_peak_stays_and_a_counter_shows_the_mean_power_between_its_updates(charts):
    line = series_of(charts["power"], "gpu power (chip)")
    assert dict(zip(line.x, line.y))[PEAK - BEGIN[1]] == 400.0
    counter = series_of(charts["power"], "gpu counter (chip)")
    known = [(x + BEGIN[1], y) for x, y in zip(counter.x, counter.y) if y is not None]
    assert len(known) > 300 and list(counter.y).count(None) == 1, "one gap, none where the counter wraps"
    for second, value in known:
        assert value == pytest.approx(watts(second), abs=0.05)


def test_phases_and_gaps_are_shades_in_seconds_since_the_attempt_began(charts):
    shades = [(s.name, round(s.start, 2), round(s.end, 2)) for s in charts["power"].shades]
    assert shades[0] == ("setup", 0.0, 1.0) and ("search", 1.0, 15.0) in shades and ("prune", 15.0, 16.0) in shades
    gap = [s for s in charts["power"].shades if s.gap]
    assert [(round(s.start, 2), round(s.end, 2)) for s in gap] == [(UNREAD[0] - 2, UNREAD[1] - 2)]
    (failed,) = [s for s in charts["power-2"].shades if s.gap]
    assert failed.start == pytest.approx(FAILED[0] - 1 / HERTZ - 28.0) and failed.end == pytest.approx(4 + 1 / HERTZ)
    notes = " ".join(charts["power"].notes)
    assert "Measured, chip" in notes and "One stretch without readings, 3 s" in notes and "Dashed" in notes


def test_a_channel_that_never_answered_is_left_out_and_named():
    dead = Readings(CHANNELS[0], np.arange(5) * 10**9, np.full(5, np.nan))
    assert gaps_of(dead, 0) == [(0.0, 4.0)] and not np.isfinite(power_of(dead, 0)[1]).any()
    still = Readings(CHANNELS[1], np.arange(5) * 10**9, np.full(5, 3.0))
    assert len(power_of(still, 0)[0]) == 0


def test_a_garbled_reading_is_a_gap():
    channel = CHANNELS[0].__class__(**{**CHANNELS[0].__dict__, "max_watts": 250.0})
    garbled = Readings(channel, np.arange(9) * 50_000_000, np.array([100.0] * 4 + [1e6] + [100.0] * 4))
    assert np.nanmax(power_of(garbled, 0)[1]) == 100.0


def test_a_counter_that_is_reset_has_no_power_at_that_moment():
    values = np.array([10.0, 20, 30, 5, 15, 25, 35, 45, 55, 65])
    channel = CHANNELS[1].__class__(**{**CHANNELS[1].__dict__, "wraps_at": None})
    t, power = power_of(Readings(channel, np.arange(10) * 100_000_000, values), 0)
    assert math.isnan(power[list(t.round(2)).index(0.25)]) and np.nanmax(power) == pytest.approx(100.0)


def test_learning_shows_each_epoch_once_and_not_what_a_crash_undid(charts):
    accuracy = charts["learning-accuracy"]
    test = series_of(accuracy, "test")
    assert (list(test.x), list(test.y)) == ([1, 2, 3, 4], [15.0, 30.0, 45.0, 60.0])
    assert [(s.start, s.end, s.name) for s in accuracy.shades] == [(0.5, 2.5, "search"), (2.5, 4.5, "retrain")]
    assert list(series_of(charts["learning-loss"], "training").y) == [2.0, 1.75, 1.5, 1.25]


def test_kept_channels_and_the_drawing(source, charts):
    chart = charts["kept-by-layer"]
    assert list(series_of(chart, "kept").y) == [10, 20] and list(series_of(chart, "dense").y) == [16, 32]
    assert "30 of 48 channels" in chart.notes[0]
    distance = charts["mask-distance"]
    assert (list(distance.series[0].x), list(distance.series[0].y)) == ([2], [0.2])
    assert set(series_of(distance, "ticket drawn after epoch 2").x) == {2}
    eps = source.result["spec"]["eps"]
    assert set(series_of(distance, f"eps = {eps:g}").y) == {eps}
    assert "mask-distance-matrix" not in charts, "this run kept no masks"


def test_energy_by_layer_adds_up_to_the_phases_and_is_called_attributed(source, charts):
    chart = charts["energy-by-layer"]
    assert "attributed" in chart.title and "attributed, chip" in chart.notes[0]
    rows = {row["phase"]: row["energy"]["joules"] for row in source.result["phases"]}
    assert {series.name for series in chart.series} == {"search", "retrain"}
    for series in chart.series:
        assert sum(series.y) == pytest.approx(rows[series.name])


def masked_run(folder, masks):
    """The metered run with a mask after each epoch of its search."""
    path = metered_run(folder, "masked")
    lines, number = [], 0
    for line in (path / "events.jsonl").read_text().splitlines():
        if '"distance"' in line:
            line = f'{line[:-1]}, "mask": "{encode([np.array(masks[number])])}", "channels": {len(masks[number])}}}'
            number += 1
        lines.append(line)
    (path / "events.jsonl").write_text("\n".join(lines) + "\n")
    return read_sources([path])[0][0]


def test_the_matrix_is_the_hamming_distance_of_each_two_masks(tmp_path):
    masks = [[True, True, False, False, True], [True, False, False, True, True]]
    chart = only(mask_charts(masked_run(tmp_path, masks)), "mask-distance-matrix")
    assert chart.heat.values == [[0.0, 0.4], [0.4, 0.0]] and chart.heat.rows == ("1", "2")
    assert chart.heat.marked == "2" and chart.heat.mark == "ticket drawn after epoch 2"


def test_a_run_whose_marks_are_gone_has_the_charts_of_its_result():
    keys = [chart.key for chart in details(run("kept"))]
    assert keys == ["mask-distance", "kept-by-layer"]
