"""The work of pruning single weights: exact counts, and what a look at one batch leaves out of a training step."""

import math

import pytest

from energytrain.costs.bill import mask_work, network_bill
from energytrain.costs.pruning_work import gradient_mask_work, ranking_work, saliency_items
from energytrain.models.catalog import build
from energytrain.quantities.ledger import spend

IMAGE = (3, 32, 32)


def test_a_gradient_mask_is_one_multiplication_a_weight_and_step():
    ledger = spend([gradient_mask_work(1000)], "train", images=640, steps=5)
    (entry,) = ledger
    assert (entry.kind, entry.flops, entry.bytes, entry.launches) == ("mask", 5 * 1000, 5 * 1000 * (4 + 4 + 4), 5)


@pytest.mark.parametrize("elements", [1, 2, 3, 1000, 1024, 1025, 14_714_688])
def test_a_ranking_sorts(elements):
    item = ranking_work(elements)
    levels = math.ceil(math.log2(elements))
    assert item.flops_per_step == elements + elements * levels
    assert item.bytes_per_step == elements * 4 + elements * levels * (4 + 4) + elements
    assert item.flops_per_image == 0 and item.bytes_per_image == 0 and item.kind == "mask"


def test_a_ranking_of_channels_is_the_masks_without_its_distance():
    model = build("vgg16", classes=10)
    assert mask_work(model).flops_per_step - ranking_work(4224).flops_per_step == 4224


def test_a_ranking_of_all_weights_costs_less_than_the_passes_of_one_image():
    bill = network_bill(build("vgg16", classes=10), IMAGE)
    assert ranking_work(bill.parameters).flops_per_step < bill.training_flops_per_image


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("l1", [False, True])
def test_a_look_at_a_batch_is_a_step_without_its_update(precision, l1):
    bill = network_bill(build("preresnet20", classes=10, width=0.5), IMAGE, precision=precision, l1=l1)
    look = spend(saliency_items(bill), "prune", images=128, steps=1)
    step = spend(bill.training, "prune", images=128, steps=1)
    matrix = ("conv", "linear")
    assert look.flops(kinds=matrix) == step.flops(kinds=matrix) == 128 * bill.training_flops_per_image
    assert look.flops(kinds=("optimiser", "l1")) == 0
    assert look.flops(kinds=("mask",)) == 4 * bill.parameters
    assert step.flops() - step.flops(kinds=("optimiser", "l1")) == look.flops() - 4 * bill.parameters


def test_only_layers_with_weights_of_their_own_are_launched_for():
    bill = network_bill(build("vgg16", classes=10, width=0.125), IMAGE)
    assert saliency_items(bill)[-1].launches_per_step == 4 * 14


def test_masked_gradients_are_no_part_of_a_look_at_a_batch():
    bill = network_bill(build("vgg16", classes=10, width=0.125), IMAGE)
    masked = type(bill)((*bill.training, gradient_mask_work(99)), bill.evaluation, bill.parameters, bill.macs)
    assert saliency_items(masked) == saliency_items(bill)
