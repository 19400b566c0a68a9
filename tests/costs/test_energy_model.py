"""The energy model: by hand for one item, its bounds, sums over phases, and what it must never need."""

import dataclasses
import subprocess
import sys

import pytest

from energytrain.costs.energy_model import MODEL_VERSION, item_cost, parts_of, predict
from energytrain.costs.fp32_twin import fp32_twin
from energytrain.costs.unit_energies import unit_ratio
from energytrain.devices.profile import load_profile, profile_names
from energytrain.quantities.energy import Provenance, Scope, total
from energytrain.quantities.ledger import PRECISIONS, WorkItem


@pytest.fixture()
def profile():
    """Round numbers: 100 FLOP/s at half efficiency, 10 B/s at full, 2 W, 0.1 J a FLOP, 1 J a byte."""
    return dataclasses.replace(
        load_profile("tx2"),
        name="toy",
        peak_flops={"fp32": 100.0, "bf16": 200.0},
        efficiency={**dict.fromkeys(load_profile("tx2").efficiency, 0.5), "memory": 1.0},
        bandwidth=10.0,
        launch_seconds=0.25,
        static_watts=2.0,
        joules_per_flop={"fp32": 0.1, "bf16": 0.05},
        joules_per_byte=1.0,
        bounds_factor=2.0,
    )


def item(kind="conv", precision="fp32", **fields):
    return WorkItem("layer", kind, "forward", precision, **fields)


def test_an_item_bound_by_arithmetic(profile):
    work = item(flops_per_image=100, bytes_per_image=1, launches_per_step=1)
    seconds, joules = item_cost(work, images=5, steps=2, profile=profile)
    assert seconds == pytest.approx(500 / 50 + 2 * 0.25)
    assert joules == pytest.approx(2 * seconds + 0.1 * 500 + 1 * 5)


def test_an_item_bound_by_memory(profile):
    work = item(flops_per_image=1, bytes_per_image=20, flops_per_step=3, bytes_per_step=10, launches_per_step=0)
    seconds, joules = item_cost(work, images=5, steps=2, profile=profile)
    assert seconds == pytest.approx(120 / 10)
    assert joules == pytest.approx(2 * 12 + 0.1 * (5 + 6) + 120)


def test_a_narrower_precision_has_its_own_rate_and_energy(profile):
    work = item(flops_per_image=100, launches_per_step=0)
    full, half = item_cost(work, 1, 1, profile), item_cost(dataclasses.replace(work, precision="bf16"), 1, 1, profile)
    assert half == pytest.approx((full[0] / 2, full[1] / 2))


def test_maximum_is_taken_layer_by_layer_not_over_the_sum(profile):
    slow_compute = item(flops_per_image=50, launches_per_step=0)
    slow_memory = item(bytes_per_image=10, launches_per_step=0)
    assert predict([slow_compute, slow_memory], 1, 1, profile).seconds == pytest.approx(2.0)


KINDS = ["conv", "linear", "norm", "elementwise", "pool", "optimiser", "l1", "mask", "average"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", profile_names())
def test_every_kind_in_every_precision_costs_something_on_every_profile(name, kind):
    for precision in PRECISIONS:
        work = item(kind, precision, flops_per_step=10**9, bytes_per_step=10**6)
        prediction = predict([work], 0, 1, load_profile(name))
        assert prediction.seconds > 0 and prediction.energy.joules > 0


def test_the_prediction_says_what_it_is(profile):
    prediction = predict([item(flops_per_image=100)], 7, 1, profile)
    energy = prediction.energy
    assert (prediction.profile, prediction.model_version) == ("toy", MODEL_VERSION)
    assert energy.provenance is Provenance.MODELLED and energy.scope is Scope.MODULE
    assert energy.channel == "model:toy" and energy.seconds == prediction.seconds


def test_bounds_are_a_factor_each_way(profile):
    energy = predict([item(flops_per_image=100)], 7, 1, profile).energy
    assert energy.low == pytest.approx(energy.joules / 2) and energy.high == pytest.approx(energy.joules * 2)


@pytest.mark.parametrize("name", profile_names())
def test_no_profile_of_ours_claims_better_than_a_factor_of_two_uncalibrated(name):
    profile = load_profile(name)
    energy = predict([item(flops_per_image=10**9)], 7, 1, profile).energy
    assert profile.calibrated or (energy.low <= energy.joules / 2 and energy.high >= 2 * energy.joules)


def test_bounds_of_phases_add_linearly_as_one_model_made_them(profile):
    part = predict([item(flops_per_image=100)], 7, 1, profile).energy
    both = total([part, part])
    assert both.low == pytest.approx(2 * part.low) and both.high == pytest.approx(2 * part.high)


def test_cost_is_linear_in_the_work(profile):
    work = [item(flops_per_image=100, bytes_per_step=3), item("norm", bytes_per_image=9)]
    one, three = predict(work, 10, 2, profile), predict(work, 30, 6, profile)
    assert three.energy.joules == pytest.approx(3 * one.energy.joules)
    assert three.seconds == pytest.approx(3 * one.seconds)


def test_emulated_work_takes_the_time_of_fp32_and_less_for_flops_and_bytes(profile):
    conv = item(precision="bfp8", flops_per_image=100, bytes_per_image=1, launches_per_step=1)
    fp32 = item(flops_per_image=100, bytes_per_image=4, launches_per_step=1)
    prediction, twin = predict([conv], 5, 2, profile), predict([fp32], 5, 2, profile)
    assert prediction.seconds == twin.seconds == pytest.approx(500 / 50 + 2 * 0.25)
    ratio = unit_ratio()
    assert prediction.energy.joules == pytest.approx(2 * 10.5 + ratio.value * 0.1 * 500 + 1 * 5)
    assert prediction.energy.provenance is Provenance.MODELLED
    model, units = prediction.energy.errors
    assert (model.below, model.above) == pytest.approx((prediction.energy.joules / 2, prediction.energy.joules))
    assert units.below == pytest.approx((ratio.value - ratio.low) * 50)
    assert units.above == pytest.approx((ratio.high - ratio.value) * 50)


def test_emulated_work_takes_the_bytes_of_fp32_where_they_bound_its_time(profile):
    linear = item("linear", "bfp8", bytes_per_image=10, launches_per_step=0)
    assert predict([linear], 1, 1, profile).seconds == pytest.approx(40 / 10)
    assert predict([linear], 1, 1, profile).energy.joules == pytest.approx(2 * 4 + 10)


def test_rounding_costs_fp32_joules_and_no_time(profile):
    rounding = item("quantise", flops_per_image=30, launches_per_step=0)
    conv = item(precision="bfp8", flops_per_image=100, launches_per_step=0)
    alone, both = predict([conv], 1, 1, profile), predict([conv, rounding], 1, 1, profile)
    assert both.seconds == alone.seconds
    assert both.energy.joules - alone.energy.joules == pytest.approx(0.1 * 30)


def test_the_parts_of_work_add_up_to_what_is_predicted(profile):
    plain = [item(flops_per_image=100, bytes_per_step=3), item("norm", "bf16", flops_per_step=7, bytes_per_image=9)]
    for work in (plain, [*plain, item("conv", "bfp8", flops_per_image=50, bytes_per_step=2)]):
        parts = parts_of(work, 10, 2, profile)
        joules = parts.static + parts.dynamic(unit_ratio().value)
        assert joules == pytest.approx(predict(work, 10, 2, profile).energy.joules)
        twin = predict(fp32_twin(work), 10, 2, profile)
        assert parts.static + parts.fp32_dynamic() == pytest.approx(twin.energy.joules)
        assert parts.seconds == pytest.approx(twin.seconds)


def test_no_work_costs_nothing_and_can_be_added(profile):
    nothing = predict([], 0, 0, profile)
    assert nothing.seconds == 0 and nothing.energy.joules == 0
    some = predict([item(flops_per_image=100)], 7, 1, profile).energy
    assert total([nothing.energy, some]).joules == some.joules


def test_it_needs_no_torch():
    code = "import sys, energytrain.costs.energy_model; sys.exit(bool({'torch', 'fvcore'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
