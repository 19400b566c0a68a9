"""Energy against accuracy: the points, the Pareto front, and what may not stand beside one another."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reports.charts.making import only, run, series_of
from reports.emulated import four

from energytrain.reports.charts.energy_accuracy import energy_against_accuracy, pareto_front
from energytrain.reports.source import Source

POINTS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=12)


@given(POINTS)
def test_the_front_is_what_a_comparison_of_all_pairs_finds(points):
    def beaten(one):
        return any(o[0] <= one[0] and o[1] >= one[1] and o != one for o in points)

    front = pareto_front(points)
    assert {points[i] for i in front} == {p for p in points if not beaten(p)}
    assert len({points[i] for i in front}) == len(front), "of equal points one stays"
    assert [points[i][0] for i in front] == sorted(points[i][0] for i in front)


def test_a_point_a_run_with_the_ends_of_its_interval():
    sources = [run("a", 90.0, 100.0), run("b", 92.0, 200.0, seed=1), run("c", 91.0, 300.0, method="ns")]
    chart = only(energy_against_accuracy(sources), "energy-accuracy")
    ours = series_of(chart, "eb-ff, p = 50 %")
    assert (list(ours.x), list(ours.y)) == ([100.0, 200.0], [90.0, 92.0])
    assert list(ours.x_low) == pytest.approx([90.0, 180.0]) and list(ours.x_high) == pytest.approx([110.0, 220.0])
    assert ours.family == "eb-ff" and series_of(chart, "ns, p = 50 %").family == "ns"
    assert ours.hover[1].splitlines()[0] == "b" and "seed 1" in ours.hover[1]
    assert "200 J (180 J to 220 J), modelled, module" in ours.hover[1] and "FLOPs in fp32" in ours.hover[1]
    front = series_of(chart, "Pareto front")
    assert front.kind == "steps" and front.dashed
    assert (list(front.x), list(front.y)) == ([100.0, 200.0], [90.0, 92.0])


def test_settings_in_which_runs_of_one_method_differ_make_a_series_of_their_own():
    sources = [run("a", l1=1e-4), run("b", l1=0.0), run("c", l1=0.0, seed=1)]
    chart = only(energy_against_accuracy(sources), "energy-accuracy")
    assert len(series_of(chart, "eb-ff, p = 50 %, l1 0").x) == 2
    assert len(series_of(chart, "eb-ff, p = 50 %, l1 0.0001").x) == 1


def test_energies_of_unlike_scope_have_charts_and_fronts_of_their_own():
    wall = [run(f"wall{i}", 80.0 + i, 10.0 + i) for i in range(2)]
    for source in wall:
        source.result["useful"]["energy"]["scope"] = "wall"
    sources = [run("a", 90.0, 100.0), *wall, run("b", 91.0, 110.0)]
    charts = energy_against_accuracy(sources)
    assert [list(series_of(chart, "Pareto front").x) for chart in charts] == [[100.0, 110.0], [10.0, 11.0]]
    for chart in charts:
        assert any("of 2 kinds" in note and "wall" in note and "module" in note for note in chart.notes)


def test_runs_on_unlike_data_are_not_ranked_either():
    charts = energy_against_accuracy([run("a"), run("b", dataset="digits")])
    assert len(charts) == 2 and not any(s.name == "Pareto front" for chart in charts for s in chart.series)


def test_a_what_if_is_marked_and_apart_from_what_is_none():
    sources = [Source(result["name"], None, result) for result in four()]
    for number, source in enumerate(sources):
        source.result["accuracy"]["test"] = 90.0 + number
    charts = energy_against_accuracy(sources)
    assert ["what-if" in chart.title for chart in charts] == [False, True, True]
    plain, first, second = charts
    labels = {hover.splitlines()[0] for s in plain.series if s.kind == "points" for hover in s.hover}
    assert labels == {"dense-s0", "eb-ff-s0"}
    lowered = sources[2].result["what_if"]["figures"]
    for chart, figure in ((first, "same_time"), (second, "paper_convention")):
        points = {
            hover.splitlines()[0]: x for s in chart.series if s.kind == "points" for x, hover in zip(s.x, s.hover)
        }
        assert points.keys() == {"eb-lf-s0", "eb-ll-s0"} and points["eb-lf-s0"] == lowered[figure]["joules"]
        assert any(note.startswith("what-if: ") for note in chart.notes)


def test_who_has_no_accuracy_or_no_energy_is_named_and_never_zero():
    running, missing = run("running", None), run("missing", 95.0, None)
    running.result["status"] = "interrupted"
    chart = only(energy_against_accuracy([run("a"), running, missing]), "energy-accuracy")
    assert sum(len(series.x) for series in chart.series) == 1
    assert any("not finished (interrupted): running." in note for note in chart.notes)
    assert any("no meter was recording" in note and "missing." in note for note in chart.notes)


def test_flops_stand_where_no_run_has_energy_and_the_title_says_so():
    sources = [run("a", 90.0, None, flops=1000), run("b", 95.0, None, flops=50_000)]
    chart = only(energy_against_accuracy(sources), "flops-accuracy")
    assert "no run has a useful energy" in chart.title and "FLOPs in fp32" in chart.x.title and chart.x.log
    assert list(series_of(chart, "eb-ff, p = 50 %").x) == [1000.0, 50_000.0]
    mixed = [run("a", 90.0, None, flops=1000), run("b", 95.0, None, flops=1000)]
    mixed[1].result["useful"].update(flops=1500, matrix_flops=1200, flops_by_precision={"fp32": 500, "bfp8": 1000})
    chart = only(energy_against_accuracy(mixed), "flops-accuracy")
    assert "paper's count" in chart.x.title and list(chart.series[0].x) == [1000.0, 1200.0]


def test_nothing_finished_gives_no_chart():
    assert energy_against_accuracy([run("a", None)]) == [] and energy_against_accuracy([]) == []


def test_runs_that_were_given_their_ticket_are_named():
    sources = [run("a", 90.0, 100.0), run("b", 92.0, 200.0, seed=1)]
    sources[0].result["ticket"]["given"] = True
    (note,) = [n for n in only(energy_against_accuracy(sources), "energy-accuracy").notes if n.startswith("Given")]
    assert note.endswith(": a.")
