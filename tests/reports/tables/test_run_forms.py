"""The forms runs, phases and layers: on results made by hand and on marks that are there or gone."""

import copy

import pytest
from reports.charts.making import energy, run
from reports.emulated import four
from runs.emulated import result as made_result

from energytrain.reports.source import Source, read_sources
from energytrain.reports.tables.forms import Options, sheets


def rows_of(sheet):
    keys = [column.key for column in sheet.columns]
    return [dict(zip(keys, row.cells)) for row in sheet.rows]


def entry(epoch, accuracy, joules):
    return {
        "phase": "search" if epoch < 2 else "retrain",
        "epoch": epoch,
        "test_accuracy": accuracy,
        "validation_accuracy": None,
        "flops": 10,
        "matrix_flops": 9,
        "flops_by_precision": {"fp32": 10},
        "seconds": 1.0,
        "energy": {name: value for name, value in energy(joules).items() if name != "errors"},
    }


def test_a_row_a_run_with_its_energy_bounds_and_source():
    (sheet,) = sheets([run("one", 91.5, 100.0), run("two", None, None)], "runs")
    one, two = rows_of(sheet)
    assert one["run"].value == "one" and one["test_accuracy_percent"].value == 91.5
    assert (one["useful_joules"].value, one["useful_joules_low"].value) == (100.0, 90.0)
    assert (
        one["useful_provenance"].text == "modelled, module (tx2)" and one["useful_provenance"].more["scope"] == "module"
    )
    assert two["useful_joules"].text == "missing" and two["useful_joules"].value is None
    assert two["useful_provenance"].more["reason"] == "no meter was recording"
    assert two["test_accuracy_percent"].text == "none"


def test_energy_to_an_accuracy_is_that_of_the_first_epoch_that_has_it():
    one, two, gone = run("one", 93.0), run("two", 91.0), run("gone", 92.0)
    one.result["trajectory"] = [entry(0, 50.0, 1.0), entry(1, 91.2, 2.0), entry(2, 93.0, 3.0)]
    two.result["trajectory"] = [entry(0, 50.0, 1.0), entry(1, 90.9, 2.0)]
    (sheet,) = sheets([one, two, gone], "runs")
    found = [row["joules_to_accuracy"] for row in rows_of(sheet)]
    assert found[0].value == 2.0 and found[0].more["target_percent"] == 91.0 and "modelled" in found[0].text
    assert found[1].text == "never reached" and found[2].text == "unknown" and found[2].value is None
    assert any("91 % on" in note for note in sheet.notes)
    (sheet,) = sheets([one, two, gone], "runs", Options(target_accuracy=92.5))
    assert rows_of(sheet)[0]["joules_to_accuracy"].value == 3.0
    assert "energy to 92.5 %" in [column.title for column in sheet.columns]


def network(name, batch, modelled, measured=None):
    return {
        "network": name,
        "batch": batch,
        "images": 0,
        "images_per_second": None,
        "latency_seconds": None,
        "precision": "fp32",
        "energy_an_image": energy(measured, "measured"),
        "modelled_an_image": energy(modelled),
    }


def test_joules_an_inference_and_when_the_search_is_repaid():
    one = run("one")
    one.result["inference"] = [network("dense", 1, 2e-3), network("ticket", 1, 1e-3)]
    for row in one.result["phases"]:
        row["modelled"] = row["energy"] = energy(40.0 if row["phase"] == "search" else 7.0)
        row["modelled_seconds"] = 1.0 if row["phase"] != "prune" else None
    (row,) = rows_of(sheets([one], "runs")[0])
    assert row["joules_an_inference_dense"].value == 2e-3 and row["joules_an_inference"].value == 1e-3
    assert row["joules_an_inference"].text == "1 mJ\nmodelled, batch 1"
    assert row["inferences_until_repaid"].value == pytest.approx(40 / 1e-3)
    dense = run("dense", draw_epoch=None)
    dense.result["inference"] = [network("dense", 32, 2e-3), network("dense", 1, 4e-3, 5e-3)]
    (row,) = rows_of(sheets([dense], "runs")[0])
    assert row["joules_an_inference_dense"].value == 5e-3 and "measured" in row["joules_an_inference_dense"].text
    assert row["joules_an_inference"].text == row["inferences_until_repaid"].text == ""


def test_runs_under_unlike_conditions_carry_marks():
    one, two = run("one"), run("two")
    for source, mode in ((one, "MAXN"), (two, "MAXQ")):
        source.result["conditions"] = {
            "power mode": {"quantity": "state", "shares": {mode: 1.0}, "mean": None, "max": None, "share": None}
        }
    (sheet,) = sheets([one, two], "runs")
    assert "MAXN" in rows_of(sheet)[0]["differs"].text and "MAXQ" in rows_of(sheet)[1]["differs"].text
    assert any("power mode" in note for note in sheet.notes)


def test_flops_of_unlike_precision_stand_apart_and_what_ifs_are_marked():
    runs = [Source(r["name"], None, {**r, "trajectory": None, "inference": None}) for r in four()]
    (sheet,) = sheets(runs, "runs")
    keys = [column.key for column in sheet.columns]
    assert {"useful_flops_fp32", "useful_flops_bfp8", "useful_flops_paper_count"} <= set(keys)
    rows = rows_of(sheet)
    assert rows[0]["useful_flops_bfp8"].text == "" and rows[3]["useful_flops_bfp8"].value > 0
    assert "what-if" not in rows[1]["useful_joules"].text and rows[3]["useful_joules"].text.count("what-if") == 2
    assert rows[3]["useful_joules"].more["paper_convention_joules"] < rows[3]["useful_joules"].value
    assert rows[3]["useful_provenance"].more["what_if"] and "what-if (a)" in rows[3]["useful_provenance"].text
    assert any("not to be ranked" in note for note in sheet.notes)


def test_phases_are_rows_with_their_sum_and_what_stands_beside():
    source = run("one", joules=55.0)
    (sheet,) = sheets([source, run("two")], "phases")
    rows = [row for row in rows_of(sheet) if row["run"].value == "one"]
    named = [row["phase"].text for row in rows]
    assert named[: len(source.result["phases"])] == [row["phase"] for row in source.result["phases"]]
    assert {"useful", "evaluate", "spent in all", "dense instead"} <= set(named)
    useful = rows[named.index("useful")]
    assert useful["energy_joules"].value == 55.0 and useful["energy_provenance"].text == "modelled, module"
    first, told = rows[0], source.result["phases"][0]
    assert first["epochs"].value == told["epochs"] and first["bytes"].value == told["bytes"]
    assert first["flops_fp32"].value == told["flops_by_precision"]["fp32"]
    prune = rows[named.index("prune")]
    if not next(row for row in source.result["phases"] if row["phase"] == "prune")["flops"]:
        assert prune["energy_joules"].text == "" and prune["energy_provenance"].text == "not modelled"
    assert [row.kind for row in sheet.rows].count("total") == 2


def test_net_energy_is_shown_of_what_was_measured():
    source = run("one")
    source.result["headline"] = "measured"
    source.result["useful"]["net"] = energy(33.0, "derived")
    source.result["phases"][0]["net"] = energy(None, reason="no idle power")
    rows = rows_of(sheets([source], "phases")[0])
    useful = next(row for row in rows if row["phase"].text == "useful")
    assert useful["net_joules"].value == 33.0 and useful["net_joules"].more["provenance"] == "derived"
    assert rows[0]["net_joules"].text == "missing" and rows[0]["net_joules"].more["reason"] == "no idle power"


@pytest.fixture(scope="module")
def emulated_run(tmp_path_factory):
    """A run folder with marks: searched in 8 bits, retrained in fp32."""
    from dataclasses import replace

    from energytrain.runs.spec import RunSpec

    spec = RunSpec.from_json({**copy.deepcopy(four()[1]["spec"]), "device": "tx2", "method": "eb-lf"})
    path = tmp_path_factory.mktemp("layers") / "<b>run"
    made_result(path, replace(spec, meters=("none",)), "bfp8", "fp32")
    ((source,), _) = read_sources([path])
    return source


def test_layers_of_each_phase_with_their_sum(emulated_run):
    (sheet,) = sheets([emulated_run], "layers")
    rows, kinds = rows_of(sheet), [row.kind for row in sheet.rows]
    for phase in emulated_run.result["phases"]:
        layers = [r for r, kind in zip(rows, kinds) if kind == "run" and r["phase"].text == phase["phase"]]
        (total,) = [r for r, kind in zip(rows, kinds) if kind == "total" and r["phase"].text == phase["phase"]]
        assert sum(row["bytes"].value for row in layers) == total["bytes"].value == phase["bytes"]
        assert sum(row["joules"].value for row in layers) == pytest.approx(phase["energy"]["joules"])
        assert total["joules"].value == phase["energy"]["joules"]
        marked = ["what-if" in row["provenance"].text for row in layers]
        assert all(marked) == any(marked) == phase["emulated"]
    search = next(row for row in rows if row["layer"].text == "features.0")
    assert "bfp8" in search["forward_flops"].text and search["forward_flops"].value is None
    assert search["forward_flops"].more["bfp8"] > 0


def test_layers_of_a_run_whose_marks_are_gone_say_so():
    (sheet,) = sheets([run("kept")], "layers")
    assert sheet.rows == () and "marks of this run were not kept" in sheet.notes[0]


def test_evaluation_in_emulated_precision_is_marked():
    made = four()[3]
    made["evaluation"]["flops_by_precision"] = {"bfp8": made["evaluation"]["flops"]}
    one = Source(made["name"], None, {**made, "trajectory": None, "inference": None})
    cell = rows_of(sheets([one], "runs")[0])[0]["evaluation_joules"]
    assert cell.text.endswith("what-if") and cell.more["what_if"] and cell.value > 0


def test_inference_is_a_row_beside_the_phases_where_it_took_time():
    one, older = run("one"), run("older")
    one.result["infer"] = {**copy.deepcopy(one.result["evaluation"]), "phase": "infer"}
    older.result["infer"] = None
    rows = rows_of(sheets([one, older], "phases")[0])
    assert [row["run"].value for row in rows if row["phase"].text == "infer"] == ["one"]


def test_a_given_ticket_is_named_below_the_table():
    one, two = run("one"), run("two")
    one.result["ticket"]["given"] = True
    (note,) = [note for note in sheets([one, two], "runs")[0].notes if note.startswith("Given their ticket")]
    assert note.endswith(": one.")
