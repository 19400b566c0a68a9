"""Accuracy against cumulated cost: entries by hand, and the last one against the account of the whole run."""

import dataclasses
import json

import pytest
from runs.emulated import EPOCH_SECONDS, IMAGES, STEPS, bill, events, result, trace
from runs.script import Script

from energytrain.costs.energy_model import predict
from energytrain.devices.profile import load_profile
from energytrain.energy.primary import primary_energy
from energytrain.energy.traces.series import Series
from energytrain.runs import account as room
from energytrain.runs.account import Accountant
from energytrain.runs.result import run_result
from energytrain.runs.timeline import build_timeline
from energytrain.runs.trajectory import trajectory

TX2 = load_profile("tx2")
WATTS = 7.0


def entries(marks, traces=None, measure_epochs=None, profile=TX2):
    """(entries, account) of a run with these marks."""
    accountant = Accountant(build_timeline(marks), traces or {}, profile, measure_epochs)
    account = accountant.account()
    return trajectory(accountant, account), account


def metered(search="fp32", retrain="fp32"):
    return entries(events(search, retrain, here=True, primary=["VDD_IN"]), {1: trace(WATTS)})


def flops(network, epochs):
    items = network.training
    return epochs * sum(item.flops_per_image * IMAGES + item.flops_per_step * STEPS for item in items)


def same_as(row, entry):
    energy = row.modelled if entry["energy"]["provenance"] == "modelled" else row.measured
    assert entry["flops"] == row.ledger.flops()
    assert entry["flops_by_precision"] == row.ledger.by_precision()
    assert entry["seconds"] == pytest.approx(row.seconds)
    told = entry["energy"]
    assert (told["joules"], told["low"], told["high"]) == pytest.approx((energy.joules, energy.low, energy.high))
    assert (told["provenance"], told["scope"]) == (energy.provenance.value, energy.scope.value)


def test_each_entry_has_what_all_phases_had_cost_by_then():
    found, account = metered()
    assert [(one["phase"], one["epoch"]) for one in found] == [
        ("search", 0),
        ("search", 1),
        ("retrain", 0),
        ("retrain", 1),
        ("retrain", 2),
    ]
    dense, ticket = bill(), bill(0.03125)
    drawn = 1000  # FLOPs of drawing the mask, as the marks have them
    costs = [flops(dense, 1), flops(dense, 2), *(flops(dense, 2) + drawn + flops(ticket, n) for n in (1, 2, 3))]
    seconds = [EPOCH_SECONDS * n for n in (1, 2)] + [EPOCH_SECONDS * n + 1 for n in (3, 4, 5)]
    counted = account.useful.ledger.flops() - flops(dense, 2) - flops(ticket, 3)
    assert [one["flops"] for one in found] == [cost + (counted - drawn) * (at > 1) for at, cost in enumerate(costs)]
    assert [one["seconds"] for one in found] == pytest.approx(seconds)
    # A constant load: joules are watts times the seconds of training and pruning, and evaluations are no part of them.
    assert [one["energy"]["joules"] for one in found] == pytest.approx([WATTS * s for s in seconds], rel=1e-6)
    assert {one["energy"]["provenance"] for one in found} == {"measured"}
    assert [one["test_accuracy"] for one in found] == [60.0] * 5
    assert [one["validation_accuracy"] for one in found] == [None] * 5


@pytest.mark.parametrize("precisions", [("fp32", "fp32"), ("bfp8", "fp32"), ("bfp8", "bfp8")])
@pytest.mark.parametrize("meter", [True, False])
def test_the_last_entry_is_the_row_useful(precisions, meter):
    found, account = metered(*precisions) if meter else entries(events(*precisions))
    same_as(account.useful, found[-1])
    joules = [one["energy"]["joules"] for one in found]
    assert joules == sorted(joules) and all(one["energy"]["low"] <= one["energy"]["joules"] for one in found)
    json.dumps(found, allow_nan=False)


def test_no_joule_of_an_emulation_passes_for_the_method_s():
    """The retraining in fp32 was measured, and holds the model to what it drew, from the first entry on."""
    found, account = metered("bfp8", "fp32")
    factor = account.what_if["anchored"]["factor"]
    assert {one["energy"]["provenance"] for one in found} == {"modelled"}
    expected = factor * predict(bill(precision="bfp8").training, IMAGES, STEPS, TX2).energy.joules
    assert found[0]["energy"]["joules"] == pytest.approx(expected)
    assert abs(found[0]["energy"]["joules"] - EPOCH_SECONDS * WATTS) > 1.0, "what the emulation drew"
    assert found[-1]["energy"]["joules"] == pytest.approx(account.what_if["figures"]["same_time"]["joules"])


def test_what_came_after_the_last_evaluation_is_in_no_entry():
    marks = [mark for mark in events("fp32", "fp32") if mark.get("phase") != "retrain"]
    names = {mark["span"] for mark in marks if mark["kind"] == "start"}
    marks = [mark for mark in marks if mark["kind"] not in ("start", "end") or mark["span"] in names]
    found, account = entries(marks)
    assert len(found) == 2 and found[-1]["flops"] == flops(bill(), 2)
    assert account.useful.ledger.flops() > found[-1]["flops"], "the mask that was drawn then"


def test_an_epoch_that_a_crash_undid_is_counted_once():
    script = Script().begin()
    script.mark("phase", phase="train", bill=bill().to_json(), epochs=2, role="dense", per_epoch=[], check=[])

    def epoch(number, accuracy):
        done = {"images": IMAGES, "steps": STEPS}
        script.span(f"t{script.attempt}{number}", "train", number, "training", EPOCH_SECONDS, **done)
        script.span(f"e{script.attempt}{number}", "train", number, "evaluation", 1, **done, test_accuracy=accuracy)

    epoch(0, 10.0)
    epoch(1, 20.0)
    script.begin()
    epoch(1, 30.0)
    found, account = entries(script.mark("stop", status="done", reason="").events)
    assert [one["test_accuracy"] for one in found] == [10.0, 30.0]
    assert [one["seconds"] for one in found] == [EPOCH_SECONDS, 2 * EPOCH_SECONDS]
    same_as(account.useful, found[-1])
    assert account.lost.seconds > 0


def test_a_gap_makes_every_later_sum_missing_with_the_first_reason():
    whole = trace(WATTS)
    (series,) = whole.series.values()
    early = series.t < int(111e9)  # before the second epoch of the search, whose window they still touch
    cut = dataclasses.replace(whole, series={"VDD_IN": Series(series.channel, series.t[early], series.values[early])})
    found, account = entries(events("fp32", "fp32", here=True, primary=["VDD_IN"]), {1: cut})
    assert found[0]["energy"]["joules"] == pytest.approx(EPOCH_SECONDS * WATTS, rel=1e-3)
    assert found[0]["energy"]["coverage"] == 1.0 and found[1]["energy"]["coverage"] < 0.6
    for one in found[2:]:
        assert one["energy"]["joules"] is None and one["energy"]["provenance"] == "missing"
        assert one["energy"]["partial"] == found[1]["energy"]["joules"]
    assert account.useful.measured.joules is None
    (reason,) = {one["energy"]["reason"] for one in found[2:]}
    assert "VDD_IN" in reason and "reason" not in found[1]["energy"]


def test_without_a_profile_and_a_meter_the_work_is_known_and_the_energy_missing():
    found, account = entries(events("fp32", "fp32"), profile=None)
    assert found[-1]["flops"] == account.useful.ledger.flops()
    assert found[-1]["energy"]["joules"] is None and "no profile" in found[-1]["energy"]["reason"]


def test_epochs_that_stand_for_others_have_no_trajectory():
    assert entries(events("fp32", "fp32"), measure_epochs=1)[0] is None


def test_the_result_of_a_run_folder_has_it_and_one_of_an_older_version_none(tmp_path, paper_spec):
    found = result(tmp_path / "run", dataclasses.replace(paper_spec, method="eb-ll", device="tx2", epochs=5))
    assert found["trajectory"][-1]["energy"]["joules"] == pytest.approx(found["useful"]["energy"]["joules"])
    assert len(json.dumps(found["trajectory"], indent=1)) < 500 * len(found["trajectory"])
    (tmp_path / "run" / "events.jsonl").unlink()
    (tmp_path / "run" / "result.json").write_text(json.dumps({**found, "schema_version": 2, "trajectory": [1]}))
    assert run_result(tmp_path / "run")["trajectory"] is None


def test_no_window_is_integrated_twice(monkeypatch):
    calls = []
    monkeypatch.setattr(room, "primary_energy", lambda *window: calls.append(1) or primary_energy(*window))
    marks = events("fp32", "fp32", here=True, primary=["VDD_IN"])
    accountant = Accountant(build_timeline(marks), {1: trace(WATTS)}, TX2, None)
    account = accountant.account()
    integrated = len(calls)
    trajectory(accountant, account)
    assert len(calls) == integrated > 10
