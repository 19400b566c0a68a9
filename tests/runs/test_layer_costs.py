"""What layers cost: their sums are the phase's own figures, and energy is attributed by modelled shares."""

import copy

import pytest
from runs.emulated import IMAGES, STEPS, bill, events, trace

from energytrain.costs.energy_model import item_cost, item_joules, predict
from energytrain.devices.profile import load_profile
from energytrain.runs.account import Accountant
from energytrain.runs.layer_costs import PASSES, layer_costs
from energytrain.runs.timeline import build_timeline

TX2 = load_profile("tx2")
TICKET = {
    "phase": "prune",
    "unit": "channels",
    "draw_epoch": 2,
    "kept": 3,
    "total": 6,
    "widths": {"features.1": [3, 4], "features.4": [1, 2]},
}


def rows_of(search="fp32", retrain="fp32", watts=None, profile=TX2, ticket=None):
    """(layers, phases) of a run with two epochs of search and three of retraining."""
    marks = events(search, retrain, here=watts is not None, primary=["VDD_IN"] if watts else [])
    if ticket is not None:
        at = next(n for n, event in enumerate(marks) if event["kind"] == "phase" and event["phase"] == "retrain")
        marks.insert(at, {"kind": "ticket", "t": marks[at]["t"], "attempt": 1, **ticket})
    timeline = build_timeline(marks)
    accountant = Accountant(timeline, {1: trace(watts)} if watts else {}, profile, None)
    account = accountant.account()
    phases = [row.to_json(account.headline) for row in account.phases]
    return layer_costs(timeline, phases, profile), phases


def of_phase(rows, phase):
    return [row for row in rows if row["phase"] == phase]


@pytest.mark.parametrize("search, retrain", [("fp32", "fp32"), ("bfp8", "fp32"), ("bfp8", "bfp8")])
def test_layers_add_up_to_their_phase(search, retrain):
    rows, phases = rows_of(search, retrain)
    for phase in phases:
        layers = of_phase(rows, phase["phase"])
        done = {}
        for row in layers:
            for precision, flops in row["flops_by_precision"].items():
                done[precision] = done.get(precision, 0) + flops
            assert sum(n for name in PASSES for n in row["flops"][name].values()) == sum(
                row["flops_by_precision"].values()
            )
        assert done == {name: flops for name, flops in phase["flops_by_precision"].items() if flops}
        assert sum(row["bytes"] for row in layers) == phase["bytes"]
        assert sum(row["share"] for row in layers) == pytest.approx(1)
        assert sum(row["modelled_joules"] for row in layers) == pytest.approx(phase["modelled"]["joules"])
        assert sum(row["joules"] for row in layers) == pytest.approx(phase["energy"]["joules"])


def test_a_layer_by_hand():
    rows, _ = rows_of()
    (row,) = [row for row in of_phase(rows, "search") if row["layer"] == "features.0"]
    items = [item for item in bill().training if item.layer == "features.0"]
    assert {item.stage for item in items} == {"forward", "weight_grad"} and {item.kind for item in items} == {"conv"}
    for item in items:
        done = 2 * (item.flops_per_image * IMAGES + item.flops_per_step * STEPS)
        assert row["flops"][item.stage] == {"fp32": done}
    assert row["flops"]["input_grad"] == {} and row["kind"] == "conv"
    joules = sum(item_cost(item, 2 * IMAGES, 2 * STEPS, TX2)[1] for item in items)
    assert row["modelled_joules"] == pytest.approx(joules) == pytest.approx(row["joules"])
    assert row["provenance"] == "modelled"


def test_what_was_measured_is_attributed_by_the_modelled_shares():
    rows, phases = rows_of(watts=7.0)
    search = of_phase(rows, "search")
    assert phases[0]["energy"]["provenance"] == "measured"
    assert phases[0]["energy"]["joules"] != pytest.approx(phases[0]["modelled"]["joules"])
    for row in search:
        assert row["provenance"] == "attributed"
        assert row["joules"] == pytest.approx(phases[0]["energy"]["joules"] * row["share"])
        assert row["modelled_joules"] == pytest.approx(phases[0]["modelled"]["joules"] * row["share"])


def test_without_a_profile_there_is_work_and_a_reason_but_no_joules():
    rows, _ = rows_of(watts=7.0, profile=None)
    assert rows and all(row["joules"] is None and row["share"] is None for row in rows)
    assert all("no profile" in row["reason"] and row["provenance"] == "missing" for row in rows)
    assert sum(row["bytes"] for row in rows) > 0


def test_missing_joules_of_a_phase_are_missing_in_its_layers():
    marks = events("fp32", "fp32")
    timeline = build_timeline(marks)
    account = Accountant(timeline, {}, TX2, None).account()
    phases = [row.to_json("measured") for row in account.phases]
    rows = layer_costs(timeline, phases, TX2)
    assert all(row["joules"] is None and row["modelled_joules"] > 0 for row in rows)
    assert {row["provenance"] for row in rows} == {"missing"} and all(row["reason"] for row in rows)


def test_few_measured_epochs_are_scaled_as_the_phase_is():
    _, phases = rows_of()
    planned = copy.deepcopy(phases)
    planned[0].update(extrapolated=True, planned_epochs=20, epochs=2)
    rows = layer_costs(build_timeline(events("fp32", "fp32")), planned, TX2)
    whole, _ = rows_of()
    for scaled, row in zip(of_phase(rows, "search"), of_phase(whole, "search")):
        assert scaled["bytes"] == 10 * row["bytes"]
        assert sum(scaled["flops_by_precision"].values()) == 10 * sum(row["flops_by_precision"].values())


def test_kept_channels_are_the_tickets_after_pruning_and_all_before():
    rows, _ = rows_of(ticket=TICKET)
    found = {(row["phase"], row["layer"]): (row["kept"], row["total"], row["unit"]) for row in rows}
    assert found[("search", "features.1")] == (4, 4, "channels")
    assert found[("retrain", "features.1")] == (3, 4, "channels")
    assert found[("retrain", "features.4")] == (1, 2, "channels")
    assert found[("retrain", "features.0")] == (None, None, None)


def test_masked_weights_are_named_by_their_layer():
    ticket = {**TICKET, "unit": "weights", "widths": {"features.0.weight": [5, 10]}}
    rows, _ = rows_of(ticket=ticket)
    found = {(row["phase"], row["layer"]): (row["kept"], row["total"], row["unit"]) for row in rows}
    assert found[("retrain", "features.0")] == (5, 10, "weights")


@pytest.mark.parametrize("precision", ["fp32", "bfp8"])
def test_joules_of_items_add_up_to_the_prediction(precision):
    items = bill(precision=precision).training
    each = item_joules(items, IMAGES, STEPS, TX2)
    assert len(each) == len(items) and all(joules >= 0 for joules in each)
    assert sum(each) == pytest.approx(predict(items, IMAGES, STEPS, TX2).energy.joules)
