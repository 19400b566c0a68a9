"""Both figures of emulated training, by hand on three items; what is left of errors in a ratio; anchoring."""

import dataclasses
import json
import math

import pytest

from energytrain.costs.bill import network_bill
from energytrain.costs.energy_model import Parts, parts_of, predict
from energytrain.costs.unit_energies import unit_ratio
from energytrain.costs.what_if import (
    Anchor,
    anchored,
    in_fp32,
    paper_convention,
    same_time,
    share_of_fp32,
    what_if,
)
from energytrain.devices.profile import load_profile
from energytrain.models.catalog import build
from energytrain.quantities.energy import Energy
from energytrain.quantities.ledger import WorkItem

RATIO = (0.23 / 4.6 * 0.3 / 4.6 * 0.077 / 1.69 * 0.1 / 1.69) ** 0.25

# Of a convolution, a normalisation and the update; 10 images in 2 steps.
WORK = (
    WorkItem("a", "conv", "forward", "bfp8", 1000, 20, 0, 10),
    WorkItem("b", "norm", "forward", "fp32", 50, 80),
    WorkItem("optimiser", "optimiser", "update", "fp32", 0, 0, 60, 50),
    WorkItem("a", "quantise", "forward", "fp32", 40, launches_per_step=0),
)


@pytest.fixture()
def profile():
    """100 FLOP/s at half efficiency, 10 B/s, 2 W, 0.1 J a FLOP, 1 J a byte, a quarter of a second a launch."""
    return dataclasses.replace(
        load_profile("tx2"),
        name="toy",
        peak_flops={"fp32": 100.0},
        efficiency={**dict.fromkeys(load_profile("tx2").efficiency, 0.5), "memory": 1.0},
        bandwidth=10.0,
        launch_seconds=0.25,
        static_watts=2.0,
        joules_per_flop={"fp32": 0.1},
        joules_per_byte=1.0,
        bounds_factor=3.0,
    )


@pytest.fixture()
def parts(profile):
    return [parts_of(WORK, 10, 2, profile)]


# In fp32 the convolution does 10,000 FLOPs (200 s) and moves 10 x 80 + 2 x 40 = 880 bytes (88 s); the normalisation 500
# FLOPs (10 s), 800 bytes (80 s); the update 120 FLOPs (2.4 s), 2 x 200 = 400 bytes (40 s). Six launches: 1.5 s.
SECONDS = 200 + 80 + 40 + 1.5
STATIC = 2 * SECONDS
FP32_DYNAMIC = 0.1 * (10_000 + 500 + 120) + (880 + 800 + 400)
# In 8 bits: a quarter of the bytes of convolution and update; 400 FLOPs of rounding.
DYNAMIC = RATIO * 0.1 * 10_000 + 0.1 * (500 + 120 + 400) + (220 + 800 + 100)


def test_both_figures_by_hand(profile, parts):
    assert in_fp32(parts) == pytest.approx(STATIC + FP32_DYNAMIC)
    assert same_time(parts, RATIO) == pytest.approx(STATIC + DYNAMIC)
    assert paper_convention(parts, RATIO) == pytest.approx((STATIC + FP32_DYNAMIC) * DYNAMIC / FP32_DYNAMIC)
    prediction = predict(WORK, 10, 2, profile)
    assert prediction.seconds == pytest.approx(SECONDS)
    assert prediction.energy.joules == pytest.approx(STATIC + DYNAMIC)


def test_work_in_fp32_is_the_same_in_every_figure(profile):
    plain = parts_of(WORK[1:3], 10, 2, profile)
    assert same_time([plain], RATIO) == paper_convention([plain], RATIO) == in_fp32([plain])
    assert share_of_fp32(same_time, [plain], 3.0).high == 1.0 == share_of_fp32(paper_convention, [plain], 3.0).low


def test_figures_of_several_networks_add_up(profile):
    first, second = parts_of(WORK, 10, 2, profile), parts_of(WORK[:2], 30, 1, profile)
    for figure in (same_time, paper_convention):
        assert figure([first, second], 0.1) == pytest.approx(figure([first], 0.1) + figure([second], 0.1))
    thrice = dataclasses.asdict(parts_of(WORK, 30, 6, profile))
    assert dataclasses.asdict(first.scaled(3.0)) == pytest.approx(thrice)


def ratio_of(static, flops, moved, unit):
    """The same-time ratio of WORK where its static power, FLOPs and bytes cost so many times more."""
    eight = STATIC * static + flops * (unit * 1000 + 102) + moved * 1120
    return eight / (STATIC * static + flops * 1062 + moved * 2080)


def test_a_common_factor_leaves_a_ratio_and_what_divides_it_widens_it(parts):
    share, unit = share_of_fp32(same_time, parts, 3.0), unit_ratio()
    middle = ratio_of(1, 1, 1, RATIO)
    assert share.value == pytest.approx(middle)
    pairs = [
        (ratio_of(1 / 3, 1, 1, RATIO), ratio_of(3, 1, 1, RATIO)),
        (ratio_of(1, 1 / 3, 1, RATIO), ratio_of(1, 3, 1, RATIO)),
        (ratio_of(1, 1, 1 / 3, RATIO), ratio_of(1, 1, 3, RATIO)),
        (ratio_of(1, 1, 1, unit.low), ratio_of(1, 1, 1, unit.high)),
    ]
    up = math.sqrt(sum(math.log(max(pair) / middle) ** 2 for pair in pairs if max(pair) > middle))
    down = math.sqrt(sum(math.log(middle / min(pair)) ** 2 for pair in pairs if min(pair) < middle))
    assert (share.low, share.high) == pytest.approx((middle * math.exp(-down), middle * math.exp(up)))
    assert 0 < share.low < share.value < share.high < 1
    scaled = [part.scaled(7.0) for part in parts]
    assert share_of_fp32(same_time, scaled, 3.0).low == pytest.approx(share.low)


def test_static_power_is_in_no_share_of_the_convention(parts):
    more = [dataclasses.replace(part, static=10 * part.static) for part in parts]
    one, other = (share_of_fp32(paper_convention, work, 3.0) for work in (parts, more))
    assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high))
    assert one.value == pytest.approx(DYNAMIC / FP32_DYNAMIC)


def test_the_block_has_both_figures_their_bounds_and_their_sources(profile, parts):
    modelled = predict(WORK, 10, 2, profile).energy
    block = json.loads(json.dumps(what_if(modelled, parts, profile, None)))
    assert block["label"] == "what-if: 8-bit unit energies on a toy profile" and "TX2" in block["profile"]
    same, paper, fp32 = block["figures"]["same_time"], block["figures"]["paper_convention"], block["fp32"]
    assert same["joules"] == pytest.approx(STATIC + DYNAMIC)
    assert fp32["joules"] == pytest.approx(STATIC + FP32_DYNAMIC)
    assert (fp32["low"], fp32["high"]) == pytest.approx((fp32["joules"] / 3, fp32["joules"] * 3))
    for figure in (same, paper):
        assert figure["provenance"] == "modelled" and figure["scope"] == "module"
        assert figure["low"] < figure["joules"] / 3 and figure["high"] > 3 * figure["joules"]
        assert figure["ratio_to_fp32"]["value"] == pytest.approx(figure["joules"] / fp32["joules"])
    assert [source["name"] for source in block["sources"]] == ["Horowitz 2014", "Jouppi 2021"]
    assert "INT8" in block["assumption"] and "block floating point" in block["assumption"]
    assert block["anchored"] is None


def test_an_anchor_scales_both_figures_and_no_ratio(profile, parts):
    anchor = Anchor(0.8, 0.05, 0.1, ("retrain",))
    modelled = predict(WORK, 10, 2, profile).energy
    free = what_if(modelled, parts, profile, None)
    held = what_if(anchored(modelled, anchor, profile), parts, profile, anchor)
    for name in ("same_time", "paper_convention"):
        one, other = free["figures"][name], held["figures"][name]
        assert other["joules"] == pytest.approx(0.8 * one["joules"])
        assert other["ratio_to_fp32"] == one["ratio_to_fp32"]
    assert held["fp32"]["joules"] == pytest.approx(0.8 * free["fp32"]["joules"])
    # The profile's factor of 3 falls to 2; what was measured adds its own 5 and 10 %.
    low, high = (held["fp32"][side] / held["fp32"]["joules"] for side in ("low", "high"))
    assert (low, high) == pytest.approx((1 - math.hypot(0.5, 0.05), 1 + math.hypot(1.0, 0.1)))
    assert held["anchored"] == {"factor": 0.8, "below": 0.05, "above": 0.1, "phases": ["retrain"]}


def test_a_missing_energy_is_not_anchored_and_no_work_has_no_figures(profile):
    missing = Energy.missing("nothing")
    assert anchored(missing, Anchor(0.8, 0.0, 0.0, ()), profile) is missing
    with pytest.raises(ValueError, match="no work"):
        what_if(missing, [Parts()], profile, None)


@pytest.mark.parametrize(
    ("model", "fp32", "same", "paper"), [("vgg16", 2.69e3, 1.66e3, 315), ("preresnet101", 2.83e3, 2.20e3, 1.43e3)]
)
def test_the_dense_epochs_that_the_page_on_precision_has(model, fp32, same, paper):
    """50,000 images in batches of 256, on the profile of a TX2."""
    bill = network_bill(build(model, classes=10), (3, 32, 32), precision="bfp8")
    parts = [parts_of(bill.training, 50_000, 195, load_profile("tx2"))]
    ratio = unit_ratio().value
    assert in_fp32(parts) == pytest.approx(fp32, rel=0.005)
    assert same_time(parts, ratio) == pytest.approx(same, rel=0.005)
    assert paper_convention(parts, ratio) == pytest.approx(paper, rel=0.005)
