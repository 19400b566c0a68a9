"""What rounding to block floating point and averaging weights cost, by hand."""

import pytest
import torch
from torch import nn

from energytrain.costs.averaging_work import averaging_work, statistics_work
from energytrain.costs.bill import network_bill
from energytrain.models.catalog import build
from energytrain.quantities.ledger import spend

SHAPE = (3, 6, 6)


def network() -> nn.Module:
    """Outputs of 4 x 36 and 5 numbers are rounded; those of the last layer are not."""
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1, bias=False),
        nn.BatchNorm2d(4),
        nn.Flatten(),
        nn.Linear(4 * 36, 5, bias=False),
        nn.ReLU(),
        nn.Linear(5, 2),
    )


def test_activations_and_errors_of_all_layers_but_the_last_are_rounded_for_each_image():
    bill = network_bill(network(), SHAPE, precision="bfp8")
    rounded = [item for item in bill.training if item.kind == "quantise" and item.stage != "update"]
    assert [(item.layer, item.stage, item.flops_per_image) for item in rounded] == [
        ("0", "forward", 8 * 144),
        ("0", "input_grad", 8 * 144),
        ("3", "forward", 8 * 5),
        ("3", "input_grad", 8 * 5),
    ]
    judged = [item for item in bill.evaluation if item.kind == "quantise"]
    assert [(item.layer, item.stage) for item in judged] == [("0", "forward"), ("3", "forward")]
    assert all(item.bytes_per_image == item.launches_per_step == 0 for item in rounded)


def test_gradients_weights_and_momentum_are_rounded_in_each_step():
    elements = 3 * 4 * 9 + 2 * 4 + 144 * 5 + 5 * 2 + 2
    for masters, moved in ((False, 0), (True, 5 * elements)):
        bill = network_bill(network(), SHAPE, precision="bfp8", master_weights=masters)
        (item,) = [item for item in bill.training if item.kind == "quantise" and item.stage == "update"]
        assert (item.flops_per_step, item.bytes_per_step) == (8 * 3 * elements, moved)
        (update,) = [item for item in bill.training if item.kind == "optimiser"]
        assert update.bytes_per_step == 5 * elements * (4 if masters else 1)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_nothing_is_rounded_in_other_precisions(precision):
    bill = network_bill(network(), SHAPE, precision=precision)
    assert not [item for item in (*bill.training, *bill.evaluation) if item.kind == "quantise"]


def test_the_multiplications_are_those_of_fp32():
    ours, theirs = (
        network_bill(build("vgg16", classes=10, width=0.25), (3, 32, 32), precision=p) for p in ("bfp8", "fp32")
    )
    assert ours.training_flops_per_image == theirs.training_flops_per_image
    assert {item.precision for item in ours.training if item.kind in ("conv", "linear")} == {"bfp8"}
    moved = [sum(i.bytes_per_image for i in bill.training if i.kind == "conv") for bill in (ours, theirs)]
    assert moved[1] == 4 * moved[0]


def test_averaging_reads_two_numbers_and_writes_one():
    items, images, steps = averaging_work(1000, epochs=3)
    (entry,) = spend(items, "retrain", images, steps)
    assert (entry.kind, entry.flops, entry.bytes) == ("average", 3 * 3 * 1000, 3 * 12 * 1000)


def test_new_statistics_cost_a_forward_pass_over_the_images():
    model = build("vgg16", classes=10, width=0.125)
    bill = network_bill(model, (3, 32, 32))
    ledger = spend(*(lambda work: (work[0], "retrain", work[1], work[2]))(statistics_work(bill, 100, 4)))
    assert ledger.flops(kinds=("conv", "linear")) == 100 * 2 * bill.macs
    assert {entry.stage for entry in ledger} == {"forward"}
    assert sum(p.numel() for p in model.parameters()) == bill.parameters and torch.is_grad_enabled()
