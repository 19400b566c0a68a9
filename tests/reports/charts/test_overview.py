"""Costs by phase, by draw epoch, of inference, and accuracy over cost: the charts equal the runs' own figures."""

import copy

import pytest
from reports.charts.making import energy, only, run, series_of
from reports.emulated import COMMITTED, four

from energytrain.reports.charts.catalog import overview
from energytrain.reports.charts.draw_epochs import draw_epoch_charts
from energytrain.reports.charts.inference import inference_charts
from energytrain.reports.charts.phase_costs import energy_by_phase, flops_by_phase
from energytrain.reports.charts.trajectories import accuracy_by_cost
from energytrain.reports.source import Source, read_sources


@pytest.fixture(scope="module")
def kept():
    """The runs that are committed, of which only the results were kept."""
    sources, skipped = read_sources(sorted(path.parent for path in COMMITTED.glob("*/run.json")))
    assert len(sources) >= 5 and not skipped
    return sources


def bars(chart):
    """{run: {phase: value}} of what has a value."""
    found = {}
    for series in chart.series:
        for name, value in zip(series.x, series.y):
            if value is not None:
                found.setdefault(name, {})[series.name] = value
    return found


def test_the_bars_of_a_run_are_its_rows_and_those_of_its_phases_add_up_to_useful(kept):
    chart = only(energy_by_phase(kept), "energy-by-phase")
    assert chart.stacked and chart.x.categories == tuple(source.label for source in kept)
    shown = bars(chart)
    for source in kept:
        rows = {row["phase"]: row["energy"]["joules"] for row in source.result["phases"]}
        mine = {phase: joules for phase, joules in shown[source.label].items() if phase in rows}
        assert mine == {phase: joules for phase, joules in rows.items() if joules is not None}
        assert sum(mine.values()) == pytest.approx(source.result["useful"]["energy"]["joules"])
        assert shown[source.label]["evaluation"] == source.result["evaluation"]["energy"]["joules"]
    assert any(note.startswith("Not in the bars") and "prune" in note for note in chart.notes)
    flops = bars(only(flops_by_phase(kept), "flops-by-phase"))
    for source in kept:
        assert flops[source.label]["evaluation"] == source.result["evaluation"]["flops"]
        phases = {row["phase"] for row in source.result["phases"]}
        assert sum(v for p, v in flops[source.label].items() if p in phases) == source.result["useful"]["flops"]


def test_phases_stand_in_the_order_of_their_runs():
    dense, snip = run("dense", draw_epoch=None), run("snip")
    for source, names in ((dense, ["train"]), (snip, ["prune", "train"])):
        row = source.result["phases"][0]
        source.result["phases"] = [{**copy.deepcopy(row), "phase": name} for name in names]
    names = [series.name for series in only(energy_by_phase([dense, run("eb"), snip]), "energy").series]
    assert names.index("train") > names.index("search") and names[-1] == "evaluation"
    assert names.index("search") < names.index("retrain")


def test_many_runs_have_a_bar_for_each_variant_with_means_over_its_runs():
    sources = [run(f"eb-{seed}", seed=seed) for seed in range(40)]
    sources += [run(f"dense-{seed}", method="dense", draw_epoch=None, seed=seed) for seed in range(30)]
    for seed, source in enumerate(sources[:40]):
        phases = copy.deepcopy(source.result["phases"])
        phases[0]["energy"], phases[1]["energy"] = energy(100.0 + seed), energy(None if seed == 3 else 5.0)
        source.result["phases"] = phases
        # A crash that some runs had cost the others nothing.
        source.result["lost"] = {
            **phases[0],
            "energy": energy(8.0),
            "seconds": 1.0 if seed % 4 == 0 else 0.0,
            "flops": 0,
        }
    sources[-1].result["status"] = "running"
    chart = only(energy_by_phase(sources), "energy")
    assert chart.x.categories == ("eb-ff, p = 50 %", "dense") and chart.x.title == "variant"
    shown = bars(chart)["eb-ff, p = 50 %"]
    assert shown["search"] == pytest.approx(119.5) and shown["lost"] == pytest.approx(2.0)
    assert "prune" not in shown, "of one run it is not known, so there is no mean"
    assert any("means over the finished runs of a variant, 69 runs" in note for note in chart.notes)
    assert any("not finished: dense-29" in note for note in chart.notes)
    assert "the mean of 40 runs (100 J to 139 J)" in series_of(chart, "search").hover[0]
    flops = bars(only(flops_by_phase(sources), "flops"))
    alone = bars(only(flops_by_phase(sources[:1]), "flops"))["eb-0"]
    assert flops["eb-ff, p = 50 %"]["search"] == pytest.approx(alone["search"])
    assert len(only(energy_by_phase(sources[:59]), "energy").x.categories) == 59


def test_flops_of_several_precisions_stand_in_the_papers_count():
    chart = only(flops_by_phase([Source(r["name"], None, r) for r in four()]), "flops-by-phase")
    assert "paper's count" in chart.y.title and any("paper's count" in note for note in chart.notes)
    searched = series_of(chart, "search")
    assert dict(zip(searched.x, searched.y))["eb-lf-s0"] == four()[2]["phases"][0]["matrix_flops"]


def test_draw_epochs_that_were_asked_for_are_joined_by_medians():
    sources = [run(f"e{e}s{s}", 80.0 + e + s, draw_epoch=e, seed=s, flops=1000 * e) for e in (2, 4) for s in (0, 1, 5)]
    for source in sources:
        source.result["spec"]["draw_epoch"] = source.result["ticket"]["draw_epoch"]
    dense = [run(f"d{s}", 90.0 + s, method="dense", draw_epoch=None, flops=9000) for s in (0, 1, 8)]
    accuracy, flops = draw_epoch_charts([*sources, *dense])
    points, line = series_of(accuracy, "eb-ff, p = 50 %"), series_of(accuracy, "eb-ff, p = 50 %, median")
    assert sorted(zip(points.x, points.y)) == sorted((e, 80.0 + e + s) for e in (2, 4) for s in (0, 1, 5))
    assert (list(line.x), list(line.y)) == ([2, 4], [83.0, 85.0])
    level = series_of(accuracy, "dense, median of 3")
    assert list(level.y) == [91.0, 91.0] and level.dashed
    assert set(series_of(flops, "eb-ff, p = 50 %").y) == {2000.0, 4000.0}


def test_draw_epochs_of_searches_are_points_and_one_epoch_alone_is_no_chart():
    sources = [run("a", draw_epoch=3), run("b", draw_epoch=5)]
    accuracy, _ = draw_epoch_charts(sources)
    assert [series.kind for series in accuracy.series] == ["points"] and list(accuracy.series[0].x) == [3, 5]
    assert draw_epoch_charts([run("a", draw_epoch=3), run("b", draw_epoch=3)]) == []
    sources[1].result["phases"] = sources[1].result["phases"][:2]  # pruned and never trained again
    assert draw_epoch_charts(sources) == []


def used(network, batch, joules=None):
    return {
        "network": network,
        "batch": batch,
        "images": 320,
        "images_per_second": 100.0 * batch,
        "latency_seconds": {"median": 0.01 * batch, "p95": 0.02 * batch},
        "energy_an_image": energy(joules, "measured", "chip", "no meter"),
        "modelled_an_image": energy(0.5, "modelled", "module"),
    }


def test_inference_by_network_and_batch_measured_and_modelled_apart():
    first, second = run("a"), run("b")
    first.result["inference"] = [used("dense", 1, 0.25), used("ticket", 1, 0.125), used("ticket", 32, 0.0625)]
    second.result["inference"] = [used("ticket", 1)]
    charts = inference_charts([first, second])
    latency = only(charts, "inference-latency")
    ticket = series_of(latency, "ticket, batch 1")
    assert (list(ticket.x), list(ticket.y), list(ticket.y_high)) == (["a", "b"], [0.01, 0.01], [0.02, 0.02])
    assert list(series_of(only(charts, "inference-rate"), "ticket, batch 32").y) == [3200.0]
    measured, modelled = [chart for chart in charts if chart.key == "inference-energy"]
    if "modelled" in measured.title:
        measured, modelled = modelled, measured
    assert list(series_of(measured, "ticket, batch 1").x) == ["a"]
    assert list(series_of(measured, "ticket, batch 1").y) == [0.125] and "measured, chip" in measured.title
    assert list(series_of(modelled, "ticket, batch 1").x) == ["a", "b"]
    assert any("no meter" in note and "b" in note for note in modelled.notes)


def entry(joules, accuracy, flops=10):
    told = energy(joules)
    return {
        "phase": "search",
        "epoch": 0,
        "test_accuracy": accuracy,
        "flops": flops,
        "matrix_flops": flops - 1,
        "flops_by_precision": {"fp32": flops},
        "energy": told,
    }


def test_accuracy_over_cumulated_energy_leaves_out_what_is_missing():
    source = run("a")
    source.result["trajectory"] = [entry(10.0, 50.0), entry(None, 55.0), entry(30.0, 60.0), entry(40.0, None)]
    chart = only(accuracy_by_cost([source, run("old")]), "accuracy-by-energy")
    assert [(s.name, list(s.x), list(s.y)) for s in chart.series] == [("a", [10.0, 30.0], [50.0, 60.0])]
    assert any(note.endswith("missing: a.") for note in chart.notes)


def test_accuracy_over_flops_where_no_run_has_energy():
    source = run("a", 60.0, None)
    source.result["trajectory"] = [entry(None, 50.0, 10), entry(None, 60.0, 30)]
    chart = only(accuracy_by_cost([source]), "accuracy-by-flops")
    assert list(chart.series[0].x) == [10.0, 30.0] and "FLOPs in fp32" in chart.x.title


def test_long_trajectories_are_thinned_and_keep_their_best():
    sources = [run(f"r{i}") for i in range(50)]
    for source in sources:
        source.result["trajectory"] = [entry(float(i), 99.0 if i == 777 else 50.0) for i in range(1, 1001)]
    chart = only(accuracy_by_cost(sources), "accuracy-by-energy")
    assert sum(len(series.x) for series in chart.series) <= 20_000
    assert all((777.0, 99.0) in list(zip(series.x, series.y)) for series in chart.series)
    assert any("left out of the drawing" in note for note in chart.notes)


def test_the_overview_has_unique_keys_and_no_empty_chart(kept):
    charts = overview([*kept, run("other", dataset="digits")])
    keys = [chart.key for chart in charts]
    assert len(set(keys)) == len(keys) and "energy-accuracy" in keys and "energy-accuracy-2" in keys
    assert all(chart.series and all(len(series.x) for series in chart.series) for chart in charts)
    assert overview([]) == []


def test_a_run_without_energy_is_named_beside_the_lines_of_others():
    known, unknown = run("a"), run("b", joules=None)
    for source in (known, unknown):
        source.result["trajectory"] = [entry(10.0 if source is known else None, 50.0)]
    chart = only(accuracy_by_cost([known, unknown]), "accuracy-by-energy")
    assert [series.name for series in chart.series] == ["a"]
    assert any(note.startswith("Left out, since the useful energy is missing") and "b" in note for note in chart.notes)
