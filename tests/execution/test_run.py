"""Whole runs, small ones: every method ends in a trained network, its ledger is what was planned for it."""

import json
import shutil

import pytest
import torch
from execution.small import SMALL, Recorder, run_small
from safetensors.torch import load_file

from energytrain.data.catalog import info, load
from energytrain.errors import RunFailed, UsageError
from energytrain.execution.model_file import load_model
from energytrain.execution.resolve import resolve
from energytrain.execution.run import execute
from energytrain.methods.planned_ledger import planned_ledger
from energytrain.pruning.ticket import Ticket
from energytrain.runs.load import load_runs
from energytrain.runs.result import run_result
from energytrain.runs.spec import RunSpec
from energytrain.training.evaluate import evaluate

PRUNING = ["eb-ff", "eb-reinit", "random-ticket"]


@pytest.fixture(scope="module")
def runs_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def eb(runs_dir):
    return run_small(runs_dir, method="eb-ff", name="eb")


def spec_and_data(outcome):
    spec = RunSpec.from_json(outcome.result["spec"])
    return spec, info(spec.dataset, limit=spec.limit, validation=spec.validation)


@pytest.mark.parametrize("method", PRUNING)
def test_a_pruning_method_s_ledger_is_the_planned_one_to_the_flop(method, runs_dir):
    outcome = run_small(runs_dir, method=method)
    assert outcome.exit_status == 0 and outcome.result["status"] == "done"
    ticket = Ticket.load(outcome.folder / "ticket.json")
    planned = planned_ledger(*spec_and_data(outcome), ticket)
    for row in outcome.result["phases"]:
        assert row["flops"] == planned.flops(phase=row["phase"]), row["phase"]
    assert outcome.result["useful"]["flops"] == planned.flops() > 0
    assert ticket.draw_epoch == 2  # the first epoch that has a distance, at eps 1 and a queue of 1


def test_a_dense_run_s_ledger_is_the_planned_one_to_the_flop(runs_dir):
    outcome = run_small(runs_dir, method="dense", validation=0.25)
    assert outcome.result["useful"]["flops"] == planned_ledger(*spec_and_data(outcome)).flops() > 0
    assert outcome.result["dense"] is None
    assert outcome.result["accuracy"]["validation"] is not None


def test_the_ticket_s_network_is_smaller_and_loads_as_it_was_tested(eb):
    network = eb.result["network"]
    assert network["after"]["parameters"] < network["before"]["parameters"]
    assert network["after"]["macs"] < network["before"]["macs"]
    model = load_model(eb.folder)
    assert sum(p.numel() for p in model.parameters()) == network["after"]["parameters"]
    test = load("digits", limit=256).test
    stats = evaluate(model, test.batches(0, 64))
    assert 100 * stats.accuracy == pytest.approx(eb.result["accuracy"]["test"], abs=1e-9)


def test_what_dense_training_would_have_cost_is_a_whole_dense_schedule(eb, runs_dir):
    dense = run_small(runs_dir, method="dense")
    assert eb.result["dense"]["flops"] == dense.result["useful"]["flops"]
    assert eb.result["dense"]["energy"]["joules"] == pytest.approx(dense.result["useful"]["energy"]["joules"])


def test_without_a_meter_energy_is_modelled_and_bounded_by_a_factor_of_two_at_least(eb):
    energy = eb.result["useful"]["energy"]
    assert energy["provenance"] == "modelled" and eb.result["headline"] == "modelled"
    assert 0 < energy["low"] <= energy["joules"] / 2 and energy["high"] >= 2 * energy["joules"]
    assert eb.result["useful"]["measured"]["joules"] is None
    assert eb.result["useful"]["measured"]["reason"]


def test_the_same_command_finds_the_run_done(eb, runs_dir):
    before = {p: p.stat().st_mtime_ns for p in eb.folder.rglob("*") if p.is_file()}
    again = run_small(runs_dir, method="eb-ff", name="eb")
    assert again.found_done and again.result["useful"] == eb.result["useful"]
    assert {p: p.stat().st_mtime_ns for p in eb.folder.rglob("*") if p.is_file()} == before


def test_another_specification_never_touches_a_run(eb, runs_dir):
    before = (eb.folder / "run.json").read_bytes()
    with pytest.raises(UsageError, match="differs in epochs"):
        run_small(runs_dir, method="eb-ff", name="eb", epochs=7)
    assert (eb.folder / "run.json").read_bytes() == before


def test_fresh_keeps_the_run_where_the_new_one_cannot_start(runs_dir):
    kept = run_small(runs_dir, method="dense", epochs=1, name="kept")
    with pytest.raises(UsageError):
        run_small(runs_dir, method="dense", epochs=1, name="kept", fresh=True, init="pretrained")
    assert run_result(kept.folder)["useful"] == kept.result["useful"] and (kept.folder / "model.safetensors").exists()


def test_wrong_input_leaves_no_folder_behind(runs_dir):
    with pytest.raises(UsageError):
        run_small(runs_dir, method="dense", epochs=1, name="never", shortcut="projection")
    assert not (runs_dir / "never").exists()


def test_a_damaged_cache_is_made_again(runs_dir):
    outcome = run_small(runs_dir, method="dense", epochs=1, name="cached")
    (outcome.folder / "result.json").write_text("{")
    assert run_result(outcome.folder) == outcome.result


def test_a_budget_that_is_spent_starts_no_epoch_and_one_without_joules_is_refused(runs_dir):
    part = run_small(runs_dir, method="dense", name="poor", budget="1min")
    assert part.exit_status == 0
    stopped = run_small(runs_dir, method="dense", name="poorer", epochs=7, budget="0.000001J")
    again = run_small(runs_dir, method="dense", name="poorer", epochs=7, budget="0.000001J")
    assert stopped.exit_status == again.exit_status == 130
    assert again.result["phases"][0]["epochs"] == stopped.result["phases"][0]["epochs"] == 1
    with pytest.raises(UsageError, match="a budget in joules cannot be kept"):
        run_small(runs_dir, method="dense", device="jetson", budget="1J", name="unknown")


def test_fresh_starts_again(runs_dir):
    first = run_small(runs_dir, method="dense", epochs=1, name="again")
    second = run_small(runs_dir, method="dense", epochs=2, name="again", fresh=True)
    assert first.result["phases"][0]["epochs"] == 1 and second.result["phases"][0]["epochs"] == 2


def test_seeds_differ_and_repeat_to_the_bit(runs_dir):
    def weights(**options):
        outcome = run_small(runs_dir, method="dense", epochs=1, **options)
        return load_file(str(outcome.folder / "model.safetensors"))

    one, same, other = weights(seed=1, name="s1"), weights(seed=1, name="s1-again"), weights(seed=2, name="s2")
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


def test_a_random_ticket_keeps_as_many_channels_a_layer_and_others(eb, runs_dir):
    outcome = run_small(runs_dir, method="random-ticket")
    ours, theirs = Ticket.load(outcome.folder / "ticket.json"), Ticket.load(eb.folder / "ticket.json")
    assert ours.kept_counts == theirs.kept_counts
    assert ours.kept != theirs.kept and ours.criterion == "random"


def test_a_ticket_from_elsewhere_is_retrained_without_a_search(eb, runs_dir):
    outcome = run_small(runs_dir, method="eb-ff", ticket=str(eb.folder), name="given")
    assert [row["phase"] for row in outcome.result["phases"]] == ["prune", "retrain"]
    assert outcome.result["network"]["before"]["parameters"] == eb.result["network"]["before"]["parameters"]
    assert outcome.result["ticket"]["given"] and outcome.result["network"]["after"] == eb.result["network"]["after"]
    retrained = [r for r in eb.result["phases"] if r["phase"] == "retrain"][0]
    assert outcome.result["useful"]["flops"] == retrained["flops"]
    there = outcome.result["ticket"]["elsewhere"]
    search = [r for r in eb.result["phases"] if r["phase"] == "search"][0]
    assert (there["run"], there["flops"], there["energy"]) == ("eb", search["flops"], search["energy"])
    assert outcome.result["dense"]["flops"] == eb.result["dense"]["flops"]


@pytest.mark.parametrize(
    "spoil, words",
    [
        (lambda folder: (folder / "ticket.json").write_text("{"), "cannot read the ticket"),
        (lambda folder: (folder / "ticket.safetensors").unlink(), "has no weights beside it"),
    ],
)
def test_a_ticket_that_cannot_be_used_is_refused_before_anything_is_written(spoil, words, eb, tmp_path):
    shutil.copytree(eb.folder, tmp_path / "given")
    spoil(tmp_path / "given")
    with pytest.raises(UsageError, match=words):
        run_small(tmp_path / "runs", method="eb-ff", ticket=str(tmp_path / "given" / "ticket.json"))
    with pytest.raises(UsageError, match="does not fit"):
        run_small(tmp_path / "runs", method="eb-reinit", ticket=str(eb.folder), width=0.125)
    assert not (tmp_path / "runs").exists()


def test_the_controls_cost_what_the_ticket_cost(eb, runs_dir):
    small = run_small(runs_dir, method="small-dense", like=str(eb.folder))
    assert small.result["network"]["after"]["macs"] == pytest.approx(eb.result["network"]["after"]["macs"], rel=0.15)
    short = run_small(runs_dir, method="dense-short", like="eb")
    epoch = eb.result["dense"]["flops"] / eb.result["dense"]["epochs"]
    assert eb.result["useful"]["flops"] - epoch < short.result["useful"]["flops"] <= eb.result["useful"]["flops"]


def test_measured_epochs_are_extrapolated_and_said_to_be(runs_dir):
    options = dict(method="eb-ff", epochs=40, measure_epochs=2, draw_epoch=10)
    outcome = run_small(runs_dir, **options)
    rows = {row["phase"]: row for row in outcome.result["phases"]}
    assert (rows["search"]["epochs"], rows["search"]["planned_epochs"]) == (2, 10)
    assert (rows["retrain"]["epochs"], rows["retrain"]["planned_epochs"]) == (2, 30)
    ticket = Ticket.load(outcome.folder / "ticket.json")
    planned = planned_ledger(*spec_and_data(outcome), ticket)
    assert rows["search"]["flops"] == planned.flops(phase="search")
    assert rows["retrain"]["flops"] == planned.flops(phase="retrain")
    assert outcome.result["accuracy"]["test"] is None
    assert outcome.result["dense"]["flops"] == run_small(runs_dir, method="dense", epochs=40).result["useful"]["flops"]
    search = rows["search"]
    assert outcome.result["dense"]["seconds"] == pytest.approx(search["seconds"] / 10 * 40)


def test_a_loss_that_is_not_finite_fails_and_keeps_what_was_measured(runs_dir):
    with pytest.raises(RunFailed, match="no longer finite"):
        run_small(runs_dir, method="dense", lr=1e6, epochs=4, name="nan")
    result = run_result(runs_dir / "nan")
    assert result["status"] == "failed"
    assert result["spent"]["seconds"] > 0 and result["spent"]["energy"]["joules"] is not None
    assert result["accuracy"]["test"] is None


def test_a_budget_stops_inside_and_a_larger_one_continues(runs_dir):
    whole = run_small(runs_dir, method="dense", name="whole")
    joules = whole.result["useful"]["energy"]["joules"]
    part = run_small(runs_dir, method="dense", name="part", budget=f"{0.6 * joules:.3f}J")
    assert part.exit_status == 130 and part.result["status"] == "budget"
    assert 0 < part.result["useful"]["energy"]["joules"] <= 0.6 * joules
    rest = run_small(runs_dir, method="dense", name="part")
    assert rest.exit_status == 0 and rest.result["useful"]["flops"] == whole.result["useful"]["flops"]
    one, two = (load_file(str(o.folder / "model.safetensors")) for o in (whole, rest))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_the_listener_hears_every_epoch_with_its_cost(tmp_path):
    spec, settings = resolve({**SMALL, "runs_dir": str(tmp_path), "method": "eb-ff"})
    listener = Recorder()
    execute(spec, settings, listener)
    assert [(r.phase, r.epoch) for r in listener.epochs] == [("search", 0), ("search", 1)] + [
        ("retrain", e) for e in range(2, 6)
    ]
    joules = [r.joules for r in listener.epochs]
    assert joules == sorted(joules) and joules[0] > 0
    assert {r.provenance for r in listener.epochs} == {"modelled"}
    assert listener.epochs[0].distance is None and listener.epochs[1].distance is not None
    assert any("modelled" in text for text in listener.messages)


def test_the_device_that_is_not_here_is_modelled_in_plain_words(tmp_path):
    spec, settings = resolve({**SMALL, "runs_dir": str(tmp_path), "device": "tx2", "epochs": 2})
    listener = Recorder()
    outcome = execute(spec, settings, listener)
    assert any("no tx2 is here" in text and "MODELLED" in text for text in listener.messages)
    assert outcome.result["device"]["here"] is False and outcome.result["headline"] == "modelled"
    assert outcome.result["useful"]["energy"]["provenance"] == "modelled"


def test_runs_load_as_tables_with_units(eb):
    tables = load_runs(eb.folder)
    row = tables.runs.iloc[0]
    assert row["useful_joules"] == eb.result["useful"]["energy"]["joules"]
    assert row["useful_provenance"] == "modelled" and row["draw_epoch"] == 2
    assert list(tables.phases["phase"]) == ["search", "prune", "retrain"]
    assert len(tables.epochs) == 6 and tables.epochs["test_accuracy"].notna().all()


def test_nothing_in_a_run_folder_is_a_pickle(eb):
    for path in eb.folder.rglob("*"):
        assert path.suffix in ("", ".json", ".jsonl", ".safetensors", ".arrows", ".lock"), path
        if path.suffix == ".json":
            json.loads(path.read_text())


def test_a_last_batch_of_one_image_is_left_out_and_not_on_the_bill(runs_dir):
    outcome = run_small(runs_dir, method="dense", epochs=1, limit=129, batch_size=64)
    assert outcome.result["phases"][0]["images"] == 128
    assert outcome.result["useful"]["flops"] == planned_ledger(*spec_and_data(outcome)).flops()
